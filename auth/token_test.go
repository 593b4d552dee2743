package auth

import (
	"crypto/rand"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/accounts/links"
)

// secret gives an account a credential, and returns what proves it.
func (w *world) secret(t testing.TB, name string, kind policy.CredentialKind, change func(*accounts.Credential)) string {
	t.Helper()
	_, text := w.credential(t, name, kind, change)
	return text
}

func (w *world) credential(t testing.TB, name string, kind policy.CredentialKind, change func(*accounts.Credential)) (accounts.Credential, string) {
	t.Helper()
	c := accounts.Credential{Kind: kind, Name: "of a test " + rand.Text()}
	if kind == policy.KindClient {
		c.Device = &accounts.Device{Computer: "laptop"}
	}
	if change != nil {
		change(&c)
	}
	made, text, err := w.accounts.AddCredential(t.Context(), name, 0, c, accounts.Guarded)
	if err != nil {
		t.Fatal(err)
	}
	return made, text
}

func bearer(token string) Attempt {
	return Attempt{Token: token, Door: policy.API, Transport: policy.TLS, Address: home}
}

func TestTokens(t *testing.T) {
	w := newWorld(t, nil)
	w.site(t, banning(0))
	w.add(t, "alice", "correct horse", nil)
	w.add(t, "off", "", func(a *accounts.Account) { a.Status.Disabled = true })
	soon := time.Now().Add(time.Hour)
	read := w.secret(t, "alice", policy.KindToken, func(c *accounts.Credential) { c.Scope.ReadOnly, c.Expires = true, &soon })
	far := w.secret(t, "alice", policy.KindToken, func(c *accounts.Credential) { c.AllowedIPs = []string{"203.0.113.0/24"} })
	gone, revoked := w.credential(t, "alice", policy.KindToken, nil)
	if _, err := w.accounts.RemoveCredential(t.Context(), "alice", 0, gone.ID, accounts.Guarded); err != nil {
		t.Fatal(err)
	}
	last := map[bool]string{true: "b", false: "a"}[strings.HasSuffix(read, "a")]
	named := bearer(read)
	named.Account = "ALICE"
	others := bearer(read)
	others.Account = "off"
	for name, c := range map[string]struct {
		attempt Attempt
		want    policy.Rule
	}{
		"right":            {bearer(read), policy.RuleAdmitted},
		"right, named":     {named, policy.RuleAdmitted},
		"another's name":   {others, policy.RuleCredential},
		"wrong secret":     {bearer(read[:len(read)-1] + last), policy.RuleCredential},
		"unknown id":       {bearer("gwt_" + strings.Repeat("a", 16) + "_" + strings.Repeat("b", 32)), policy.RuleCredential},
		"no token at all":  {bearer("correct horse"), policy.RuleCredential},
		"revoked":          {bearer(revoked), policy.RuleCredential},
		"from elsewhere":   {bearer(far), policy.RuleCredentialAddress},
		"of a disabled":    {bearer(w.secret(t, "off", policy.KindToken, nil)), policy.RuleStatus},
		"at a file door":   {at(bearer(read), policy.SFTP, policy.SSH), policy.RuleDoorCredential},
		"an app password":  {bearer(w.secret(t, "alice", policy.KindAppPassword, nil)), policy.RuleDoorCredential},
		"a client":         {bearer(w.secret(t, "alice", policy.KindClient, nil)), policy.RuleAdmitted},
		"over clear HTTP":  {at(bearer(read), policy.API, policy.Clear), policy.RuleTransport},
		"its expiry is on": {bearer(read), policy.RuleAdmitted},
	} {
		t.Run(name, func(t *testing.T) {
			before := w.hashes.Load()
			p, err := w.Prove(t.Context(), c.attempt, Repeated)
			if err != nil {
				t.Fatal(err)
			}
			d := p.Effective.Admit(p.Attempt)
			if d.Rule != c.want {
				t.Errorf("got rule %q, want %q", d.Rule, c.want)
			}
			if w.hashes.Load() != before {
				t.Error("a token costs a hash")
			}
			if name == "its expiry is on" && (!d.Until.Equal(soon) || !p.Attempt.Credential.Scope.ReadOnly || p.Account.Name != "alice") {
				t.Errorf("got until %v, scope %+v, account %q", d.Until, p.Attempt.Credential.Scope, p.Account.Name)
			}
		})
	}
}

// Whoever knows the id of a token must not be able to lock its account out with
// it; their address is banned.
func TestWrongTokensBanAndNeverLock(t *testing.T) {
	w := newWorld(t, nil)
	w.site(t, func(s *accounts.Site) {
		s.Lockout.Failures, s.Ban = 3, policy.Ban{Failures: 4, Period: "10m"}
	})
	a := w.add(t, "alice", "correct horse", nil)
	c, _ := w.credential(t, "alice", policy.KindToken, nil)
	for _, last := range []string{"a", "b", "c", "d"} {
		w.prove(t, bearer("gwt_"+c.ID+"_"+strings.Repeat("a", 31)+last), Once)
	}
	if until, err := w.Locked(t.Context(), a.ID); err != nil || !until.IsZero() {
		t.Errorf("locked until %v, %v", until, err)
	}
	if banned, err := w.Banned(t.Context(), home); err != nil || !banned {
		t.Errorf("got banned %v %v", banned, err)
	}
}

// A device that shows its secret with each request costs one hash in minutes,
// and any change of the credential asks anew.
func TestAppPasswordsAreRememberedUntilTheyChange(t *testing.T) {
	w := newWorld(t, nil)
	w.site(t, banning(0))
	w.add(t, "alice", "correct horse", nil)
	c, text := w.credential(t, "alice", policy.KindAppPassword, nil)
	a := at(attempt("alice", text), policy.WebDAV, policy.TLS)
	hashes := func() int64 {
		before := w.hashes.Load()
		w.prove(t, a, Repeated)
		return w.hashes.Load() - before
	}
	if first, second := hashes(), hashes(); first != 1 || second != 0 {
		t.Errorf("got %d and %d hashes, want 1 and 0", first, second)
	}
	_, err := w.accounts.UpdateCredential(t.Context(), "alice", c.ID, func(c *accounts.Credential) error {
		c.AllowedIPs = []string{"203.0.113.0/24"}
		return nil
	}, accounts.Guarded)
	if err != nil {
		t.Fatal(err)
	}
	if got := hashes(); got != 1 {
		t.Errorf("got %d hashes after a change, want 1", got)
	}
	if got := w.prove(t, a, Repeated); got != policy.RuleCredentialAddress {
		t.Errorf("got rule %q, want %q", got, policy.RuleCredentialAddress)
	}
	if _, err := w.accounts.RemoveCredential(t.Context(), "alice", 0, c.ID, accounts.Guarded); err != nil {
		t.Fatal(err)
	}
	if got := w.prove(t, a, Repeated); got != policy.RuleCredential {
		t.Errorf("removed: got rule %q, want %q", got, policy.RuleCredential)
	}
}

func TestLinks(t *testing.T) {
	w := newWorld(t, nil)
	w.site(t, banning(0))
	alice := w.add(t, "alice", "", func(a *accounts.Account) {
		a.Protocols = []policy.Door{policy.SFTP}
		a.AllowedIPs = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
	})
	off := w.add(t, "off", "", func(a *accounts.Account) { a.Status.Disabled = true })
	reset := func(id string) string {
		_, secret, err := w.accounts.Links().Make(t.Context(), links.Link{Kind: links.Reset, Account: id, By: "socket"}, links.Unbounded)
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	_, invitation, err := w.accounts.Links().Make(t.Context(), links.Link{
		Kind: links.Invite, By: "socket",
		Invitation: &links.Invitation{Email: "bob@example.org", Role: policy.RoleUser},
	}, links.Unbounded)
	if err != nil {
		t.Fatal(err)
	}
	secret := reset(alice.ID)
	by := func(link string) Attempt {
		return Attempt{Link: link, Door: policy.AccountPages, Transport: policy.TLS, Address: home}
	}
	elsewhere := by(secret)
	elsewhere.Address = netip.MustParseAddr("203.0.113.1")
	for name, c := range map[string]struct {
		attempt Attempt
		want    policy.Rule
	}{
		"reset":          {by(secret), policy.RuleLink},
		"looked at":      {by(secret), policy.RuleLink},
		"from elsewhere": {elsewhere, policy.RuleAddress},
		"of a disabled":  {by(reset(off.ID)), policy.RuleStatus},
		"no such link":   {by("nothing"), policy.RuleCredential},
		"other door":     {at(by(invitation), policy.API, policy.TLS), policy.RuleDoorCredential},
		"clear HTTP":     {at(by(secret), policy.AccountPages, policy.Clear), policy.RuleTransport},
		"invitation":     {by(invitation), policy.RuleLink},
	} {
		if got := w.prove(t, c.attempt, Once); got != c.want {
			t.Errorf("%s: got rule %q, want %q", name, got, c.want)
		}
	}
	link, err := w.accounts.Links().Look(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := w.Prove(t.Context(), by(secret), Once); err != nil || !p.Effective.Admit(p.Attempt).Until.Equal(link.Expires) {
		t.Errorf("the link is not known to end: %v", err)
	}
	w.site(t, func(s *accounts.Site) { s.AllowedIPs = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} })
	if got := w.prove(t, by(invitation), Once); got != policy.RuleAddress {
		t.Errorf("an invitation is taken from an address that the site does not allow: rule %q", got)
	}
}

// Whoever tries links out is banned.
func TestWrongLinksBan(t *testing.T) {
	w := newWorld(t, nil)
	w.site(t, banning(3))
	for _, guess := range []string{"one", "two", "three"} {
		w.prove(t, Attempt{Link: guess, Door: policy.AccountPages, Transport: policy.TLS, Address: home}, Once)
	}
	if banned, err := w.Banned(t.Context(), home); err != nil || !banned {
		t.Errorf("got banned %v %v", banned, err)
	}
}

// A list of addresses that cannot be read allows none.
func TestUnreadableAddressesAllowNobody(t *testing.T) {
	c := accounts.Credential{ID: "x", Kind: policy.KindAppPassword, AllowedIPs: []string{"198.51.100.7", "nonsense"}}
	if got := secretCredential(accounts.Account{}, c); got.Proved {
		t.Error("the credential is proved")
	}
	if got := keyCredential(accounts.Account{}, accounts.Key{ID: "x", AllowedIPs: c.AllowedIPs}); got.Proved {
		t.Error("the key is proved")
	}
}
