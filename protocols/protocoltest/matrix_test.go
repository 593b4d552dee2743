package protocoltest_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"gatehouse/auth"
	"gatehouse/policy"
	"gatehouse/protocols/protocoltest"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

// Outcomes that are no rule's name.
const (
	in       = "in"
	askedFor = "asks"     // the client is asked for a code
	untaken  = "no login" // the key is not the account's: nothing was proved
	none     = "-"        // the rule cannot apply, and is not asked
)

// A row is a rule in force, and what becomes of each way in: who is named in
// none of its maps comes in. The narrower map counts. An invitation has no
// account yet: what becomes of it is said, or no rule that there is for it.
type row struct {
	rule    policy.Rule
	when    string
	site    func(*policy.Site)
	account func(*accounts.Account)
	badge   badge
	before  func(*house, *guest) error // once the account is there
	all     string
	proof   map[proof]string
	door    map[policy.Door]string
	way     map[string]string
	invited string
}

func (r row) want(w way) string {
	if w.proof == byInvitation {
		return cmp.Or(r.invited, none)
	}
	for _, found := range []string{r.way[w.name], r.proof[w.proof], r.door[w.door], r.all} {
		if found != "" {
			return found
		}
	}
	return in
}

// everyone is an outcome that every proof has but those named.
func everyone(outcome string, but ...proof) map[proof]string {
	found := map[proof]string{}
	for _, c := range []proof{byPassword, byCode, byKey, byKeyAndCode, byCertificate, byApp, byClient, byToken, byLink} {
		if found[c] = outcome; slices.Contains(but, c) {
			found[c] = in
		}
	}
	return found
}

var (
	past = time.Now().Add(-time.Hour)
	// here is where the matrix's clients come from, elsewhere is not.
	here      = netip.MustParsePrefix("203.0.113.0/24")
	elsewhere = netip.MustParsePrefix("192.0.2.0/24")
)

var matrix = []row{
	{rule: policy.RuleAdmitted, when: "no rule refuses", invited: in},
	{
		rule: policy.RuleDoorSite, when: "the site has closed the door", proof: everyone("door-site", byLink),
		site:    func(s *policy.Site) { s.Doors = []policy.Door{policy.Web} },
		invited: in,
	},
	{
		rule: policy.RuleDoorAccount, when: "the door is not among the account's protocols", proof: everyone("door-account", byLink),
		account: func(a *accounts.Account) { a.Protocols = []policy.Door{policy.Web} },
	},
	{
		rule: policy.RuleBan, when: "the address is banned", all: "ban", invited: "ban",
		site:   func(s *policy.Site) { s.Ban.Failures = 1 },
		before: func(h *house, g *guest) error { return h.fail("nobody", g.from) },
	},
	{
		rule: policy.RuleLockout, when: "the account is locked, for passwords and codes",
		site:   func(s *policy.Site) { s.Lockout.Failures = 1 },
		before: func(h *house, g *guest) error { return h.fail(g.name, elsewhere.Addr().Next()) },
		proof:  map[proof]string{byPassword: "lockout", byCode: "lockout", byKeyAndCode: "lockout"},
	},
	{
		rule: policy.RuleLockout, when: "the account is locked, for everything", all: "lockout",
		site:   func(s *policy.Site) { s.Lockout.Failures, s.Lockout.Scope = 1, policy.LockoutAll },
		before: func(h *house, g *guest) error { return h.fail(g.name, elsewhere.Addr().Next()) },
	},
	{
		rule: policy.RuleStatus, when: "the account is disabled", all: "status",
		before: func(h *house, g *guest) error { h.Disable(g.name); return nil },
	},
	{
		rule: policy.RuleExpiry, when: "the account has expired", all: "expiry", invited: "expiry",
		before: func(h *house, g *guest) error { h.expire(g); return nil },
	},
	{
		rule: policy.RuleManager, when: "no manager of a guest is enabled", all: "manager", invited: "manager",
		before: func(h *house, g *guest) error { return h.abandon(g) },
	},
	{
		rule: policy.RuleAddress, when: "the address is on no list of the site", all: "address", invited: "address",
		site: func(s *policy.Site) { s.AllowedIPs = []netip.Prefix{elsewhere} },
	},
	{
		rule: policy.RuleAddress, when: "the address is on no list of the account", all: "address",
		account: func(a *accounts.Account) { a.AllowedIPs = []netip.Prefix{elsewhere} },
	},
	{
		rule: policy.RuleCredentialAddress, when: "the credential is for other addresses",
		account: func(a *accounts.Account) { a.Keys[0].AllowedIPs = []string{elsewhere.String()} },
		badge: badge{
			credential: func(c *accounts.Credential) { c.AllowedIPs = []string{elsewhere.String()} },
			sign:       func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"source-address": elsewhere.String()} },
		},
		proof: everyone("credential-address", byPassword, byCode, byLink),
	},
	{
		rule: policy.RuleDoorCredential, when: "the app password is for another door",
		badge: badge{credential: func(c *accounts.Credential) {
			if c.Kind == policy.KindAppPassword {
				c.Doors = []policy.Door{policy.SFTP}
			}
		}},
		proof: map[proof]string{byApp: "door-credential"}, way: map[string]string{"SFTP app password": in},
	},
	{
		rule: policy.RuleDesktop, when: "the account may not use clients", all: none,
		proof:   map[proof]string{byClient: "desktop-access"},
		account: func(a *accounts.Account) { a.Desktop = policy.Deny },
	},
	{
		rule: policy.RulePlainFTP, when: "FTP without TLS is not allowed",
		site: func(s *policy.Site) { s.PlainFTP = policy.Deny },
		way:  map[string]string{"FTP password, in clear": "plain-ftp"}, invited: in,
	},
	{
		rule: policy.RuleCredential, when: "the secret is wrong", proof: everyone("credential"), invited: "credential",
		before: func(h *house, g *guest) error { return h.spoil(g) },
		way: map[string]string{
			"SFTP key": untaken, "SFTP key and code": untaken, "SFTP certificate": untaken,
		},
	},
	{
		rule: policy.RuleCredential, when: "the link was used, was revoked or has ended", all: none,
		proof: map[proof]string{byLink: "credential"}, invited: "credential",
		before: func(h *house, g *guest) error { return h.use(g) },
	},
	{
		rule: policy.RuleCredentialExpiry, when: "the credential has expired",
		site:    func(s *policy.Site) { s.Password.MaxAgeDays = 1 },
		account: func(a *accounts.Account) { a.Keys[0].Expires = &past },
		badge: badge{sign: func(c *ssh.Certificate) {
			c.ValidAfter, c.ValidBefore = uint64(past.Add(-time.Hour).Unix()), uint64(past.Unix())
		}},
		before: func(h *house, g *guest) error { return h.age(g) },
		proof:  everyone("credential-expiry", byLink),
		way:    map[string]string{"API password": in, "API password and code": in},
	},
	{
		rule: policy.RuleSecondFactor, when: "the account has a second factor and no code is given, or a wrong one",
		before: func(h *house, g *guest) error { return h.forget(g) },
		proof:  map[proof]string{byPassword: "second-factor", byCode: "second-factor", byKeyAndCode: "second-factor"},
		way:    map[string]string{"SFTP password": askedFor, "API password": askedFor},
	},
	{
		rule: policy.RuleEnrol, when: "a second factor is required and the account has none",
		site: func(s *policy.Site) { s.SecondFactor = policy.SecondFactorRequired }, invited: in,
		before: func(h *house, g *guest) error { return h.unenrol(g) },
		proof:  everyone("enrol", byKey, byCertificate, byLink),
		way:    map[string]string{"API password": in, "API password and code": in},
	},
	{
		rule: policy.RuleMustChange, when: "the password must be changed first", proof: everyone("must-change", byLink),
		before: func(h *house, g *guest) error {
			h.Change(g.name, func(a *accounts.Account) { a.Password.MustChange = true })
			return nil
		},
		way: map[string]string{"API password": in, "API password and code": in},
	},
	{
		rule: policy.RuleSessionsAccount, when: "the account has all its sessions open", proof: everyone("sessions-account", byLink),
		account: func(a *accounts.Account) { a.Limits.Sessions = 1 },
		before:  func(h *house, g *guest) error { return h.occupy(g.name, elsewhere.Addr()) },
	},
	{
		rule: policy.RuleSessionsAddress, when: "the address has all its sessions open", proof: everyone("sessions-address", byLink),
		account: func(a *accounts.Account) { a.Limits.AddressSession = 1 },
		before:  func(h *house, g *guest) error { return h.neighbour(g) },
	},
	{
		rule: policy.RuleSessionsSite, when: "the site has all its sessions open", proof: everyone("sessions-site", byLink), invited: in,
		before: func(h *house, g *guest) error {
			h.crowd.Do(func() { _ = h.neighbour(g); h.SetSite(func(s *policy.Site) { s.MaxSessions = 1 }) })
			return nil
		},
	},
}

// The matrix: every rule of admission over every way in, by the real protocols.
// What a client is told leads by its reference to the event, and that has the
// rule. docs/matrix.md is made of the same table.
func TestMatrix(t *testing.T) {
	askMatrix(t, protocoltest.Nodes{})
	protocoltest.OverNodes(t, 3, askMatrix)
}

func askMatrix(t *testing.T, n protocoltest.Nodes) {
	for _, r := range matrix {
		t.Run(r.when, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, n)
			if r.site != nil {
				h.settle(r.site)
			}
			guests := make([]guest, len(ways))
			for i, w := range ways {
				if r.expected(w) != none {
					guests[i] = h.invite(r, w, i)
				}
			}
			var all sync.WaitGroup
			for i, w := range ways {
				want := r.expected(w)
				if want == none {
					continue
				}
				all.Go(func() {
					if got := h.outcome(w.enter(h, guests[i].now())); got != want {
						t.Errorf("%s: %s, want %s", w.name, got, want)
					}
				})
			}
			all.Wait()
		})
	}
}

// expected is what the table wants, but for clear HTTP: that is refused before
// anything is looked at.
func (r row) expected(w way) string {
	if got := r.want(w); got == none || !w.clearWeb() {
		return got
	}
	return string(policy.RuleTransport)
}

func (w way) clearWeb() bool { return w.transport == policy.Clear && w.door != policy.FTP }

// invite makes the account of a cell, at an address of its own.
func (h *house) invite(r row, w way, i int) guest {
	h.t.Helper()
	from := here.Addr()
	for range i + 1 {
		from = from.Next()
	}
	b := r.badge
	b.account = r.account
	g := h.welcome(fmt.Sprint("guest", i), from, w.proof, b)
	if r.before == nil {
		return g
	}
	if err := r.before(h, &g); err != nil {
		h.t.Fatalf("%s: %v", w.name, err)
	}
	return g
}

// outcome is what became of somebody: "in", or the rule of the event that the
// client's reference leads to.
func (h *house) outcome(v visit, err error) string {
	if err == nil {
		_ = v.Close()
		return in
	}
	if errors.Is(err, errAsked) {
		return askedFor
	}
	refused, ok := errors.AsType[*refusedError](err)
	if !ok {
		return oneLine(err.Error())
	}
	ref := refused.reference()
	if ref == "" && strings.Contains(refused.text, "unable to authenticate") {
		return untaken
	}
	found, err := h.event(ref)
	if ref == "" || err != nil || len(found) != 1 {
		return fmt.Sprintf("%d events of %q, %v", len(found), oneLine(refused.text), err)
	}
	return found[0].Rule
}

// event is what a reference leads to. That of another node is to be found within a
// second, when it is durable.
func (h *house) event(ref string) (found []events.Event, err error) {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		found, _, err = h.Events.List(context.Background(), events.Query{Reference: ref, Limit: 1})
		if err != nil || len(found) > 0 || len(h.Nodes()) == 1 || time.Now().After(deadline) {
			return found, err
		}
	}
}

// fail comes with a wrong password, and waits until all nodes know what that leads to:
// who has heard of no lock and no ban does not look for one.
func (h *house) fail(name string, from netip.Addr) error {
	_, err := h.Sessions.Login(h.t.Context(), auth.Attempt{
		Account: name, Door: policy.SFTP, Transport: policy.SSH, Address: from, Password: "wrong " + rndText(),
	})
	if _, refused := errors.AsType[*auth.RefusedError](err); !refused {
		return fmt.Errorf("a wrong password: %w", err)
	}
	a, err := h.Accounts.Account(h.t.Context(), name)
	if err != nil && !errors.Is(err, accounts.ErrNotFound) {
		return err
	}
	want, err := standing(h.World, a.ID, from)
	for _, node := range h.Nodes()[1:] {
		var got [2]bool
		for deadline := time.Now().Add(time.Minute); err == nil; time.Sleep(time.Millisecond) {
			if got, err = standing(node, a.ID, from); got == want {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("banned and locked: %v on the first node, %v on another", want, got)
			}
		}
	}
	return err
}

// standing is whether an address is banned and an account locked, as far as a node knows.
func standing(node *protocoltest.World, id string, from netip.Addr) (bannedAndLocked [2]bool, err error) {
	banned, err := node.Auth.Banned(context.Background(), from)
	if err != nil {
		return bannedAndLocked, err
	}
	until, err := node.Auth.Locked(context.Background(), id)
	return [2]bool{banned, !until.IsZero()}, err
}

// occupy opens a session that stays.
func (h *house) occupy(name string, from netip.Addr) error {
	secret := h.Issue(name, accounts.Credential{Kind: policy.KindAppPassword})
	s, err := h.Sessions.Login(h.t.Context(), auth.Attempt{
		Account: name, Door: policy.SFTP, Transport: policy.SSH, Address: from, Password: secret,
	})
	if err == nil {
		h.t.Cleanup(s.Close)
	}
	return err
}

// neighbour is somebody else at the same address.
func (h *house) neighbour(g *guest) error {
	p := h.Add("neighbour of " + g.name)
	return h.occupy(p.Name, g.from)
}
