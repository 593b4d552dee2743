package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/state/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cheap keeps tests quick; the cost is counted, not timed.
var cheap = Params{Memory: 64, Time: 1, Threads: 1}

// A world is an authenticator over a memory store, and how often it hashed.
type world struct {
	*Authenticator
	accounts *accounts.Store
	hashes   atomic.Int64
}

func newWorld(t *testing.T, change func(*Config)) *world {
	t.Helper()
	st := memory.New()
	store, err := accounts.Open(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{accounts: store}
	c := Config{Accounts: store, State: st, Params: cheap, Hash: func(password, salt []byte, p Params) []byte {
		w.hashes.Add(1)
		return argon2id(password, salt, p)
	}}
	if change != nil {
		change(&c)
	}
	if w.Authenticator, err = New(c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return w
}

// add makes an account with a password.
func (w *world) add(t *testing.T, name, password string, change func(*accounts.Account)) accounts.Account {
	t.Helper()
	a := accounts.Account{Account: policy.Account{Name: name}}
	if password != "" {
		made, err := w.NewPassword(t.Context(), a, password)
		if err != nil {
			t.Fatal(err)
		}
		a.Password = made
	}
	if change != nil {
		change(&a)
	}
	made, err := w.accounts.Create(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func (w *world) site(t *testing.T, change func(*accounts.Site)) {
	t.Helper()
	_, err := w.accounts.UpdateSite(t.Context(), 0, func(s *accounts.Site) error {
		change(s)
		return nil
	}, accounts.Forced)
	if err != nil {
		t.Fatal(err)
	}
}

var home = netip.MustParseAddr("198.51.100.7")

func attempt(name, password string) Attempt {
	return Attempt{Account: name, Password: password, Door: policy.SFTP, Transport: policy.SSH, Address: home}
}

// prove returns the rule that decides an attempt.
func (w *world) prove(t *testing.T, a Attempt, how How) policy.Rule {
	t.Helper()
	p, err := w.Prove(t.Context(), a, how)
	if err != nil {
		t.Fatal(err)
	}
	return p.Effective.Admit(p.Attempt).Rule
}

// Whoever measures or counts the work of a login must not learn whether the
// account exists, is disabled, locked, or has a password.
func TestOneHashForEveryOutcome(t *testing.T) {
	w := newWorld(t, nil)
	w.site(t, func(s *accounts.Site) { s.Lockout = policy.Lockout{Failures: 6, Period: "15m", Scope: "passwords"} })
	w.add(t, "good", "correct horse", nil)
	w.add(t, "off", "correct horse", func(a *accounts.Account) { a.Status.Disabled = true })
	w.add(t, "keys", "", nil)
	w.add(t, "old", "correct horse", func(a *accounts.Account) {
		a.Expires = &policy.Expiry{Instant: time.Now().Add(-time.Hour)}
	})
	w.add(t, "far", "correct horse", func(a *accounts.Account) {
		a.AllowedIPs = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
	})
	w.add(t, "broken", "", func(a *accounts.Account) {
		a.Password = &accounts.Password{ID: "x", Hash: "$argon2id$v=19$m=99999999,t=1,p=1$AAAA$AAAA"}
	})
	w.add(t, "locked", "correct horse", nil)
	for i := range 6 {
		w.prove(t, attempt("locked", fmt.Sprint("guess ", i)), Once)
	}
	for name, c := range map[string]struct {
		account, password string
		want              policy.Rule
	}{
		"right":           {"good", "correct horse", policy.RuleAdmitted},
		"wrong":           {"good", "wrong", policy.RuleCredential},
		"empty":           {"good", "", policy.RuleCredential},
		"endless":         {"good", strings.Repeat("x", 5000), policy.RuleCredential},
		"unknown":         {"nobody", "correct horse", policy.RuleStatus},
		"no name at all":  {"", "correct horse", policy.RuleStatus},
		"not a name":      {"a/b\x00", "correct horse", policy.RuleStatus},
		"disabled, right": {"off", "correct horse", policy.RuleStatus},
		"disabled, wrong": {"off", "wrong", policy.RuleStatus},
		"no password":     {"keys", "correct horse", policy.RuleCredential},
		"expired":         {"old", "correct horse", policy.RuleExpiry},
		"from elsewhere":  {"far", "correct horse", policy.RuleAddress},
		"locked, right":   {"locked", "correct horse", policy.RuleLockout},
		"locked, wrong":   {"locked", "wrong", policy.RuleLockout},
		"unusable hash":   {"broken", "correct horse", policy.RuleCredential},
	} {
		t.Run(name, func(t *testing.T) {
			before := w.hashes.Load()
			if got := w.prove(t, attempt(c.account, c.password), Once); got != c.want {
				t.Errorf("got rule %q, want %q", got, c.want)
			}
			if got := w.hashes.Load() - before; got != 1 {
				t.Errorf("got %d hashes, want 1", got)
			}
		})
	}
}

func TestClosedDoorAndBanCostNothing(t *testing.T) {
	w := newWorld(t, nil)
	w.add(t, "alice", "correct horse", func(a *accounts.Account) { a.Protocols = []policy.Door{policy.WebDAV} })
	before := w.hashes.Load()
	if got := w.prove(t, attempt("alice", "correct horse"), Once); got != policy.RuleDoorAccount {
		t.Errorf("got rule %q, want %q", got, policy.RuleDoorAccount)
	}
	if err := w.failures.ban(t.Context(), home.String(), time.Hour); err != nil {
		t.Fatal(err)
	}
	a := attempt("bob", "x")
	a.Door, a.Transport = policy.WebDAV, policy.TLS
	p, err := w.Prove(t.Context(), a, Repeated)
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Effective.Admit(p.Attempt).Rule; got != policy.RuleBan {
		t.Errorf("got rule %q, want %q", got, policy.RuleBan)
	}
	if p.Attempt.Credential.Proved {
		t.Error("an attempt that was not looked at counts as proved")
	}
	if got := w.hashes.Load() - before; got != 0 {
		t.Errorf("got %d hashes, want none", got)
	}
}

// A refusal must take as long for an account with a dear hash, imported from
// elsewhere, as for one without.
func TestFloorFollowsDearestHash(t *testing.T) {
	w := newWorld(t, nil)
	cheapest := w.Floor()
	dear := Params{Memory: 640, Time: 3, Threads: 1}
	w.add(t, "import", "", func(a *accounts.Account) {
		a.Password = &accounts.Password{ID: "x", Hash: dear.encode(random(16), random(32))}
	})
	if got := w.Floor(); got < 29*cheapest {
		t.Errorf("got %v, want 30 times %v", got, cheapest)
	}
	if _, err := w.accounts.Delete(t.Context(), "import", 0, accounts.Guarded); err != nil {
		t.Fatal(err)
	}
	if got := w.Floor(); got != cheapest {
		t.Errorf("got %v once the hash is gone, want %v", got, cheapest)
	}
}

func TestSettleWaitsForFloor(t *testing.T) {
	w := newWorld(t, nil)
	w.base.Store(int64(time.Second))
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		time.Sleep(200 * time.Millisecond)
		w.Settle(t.Context(), began)
		if got := time.Since(began); got != 1500*time.Millisecond {
			t.Errorf("got %v, want 1.5s", got)
		}
	})
}

func TestUpgradeKeepsPasswordID(t *testing.T) {
	w := newWorld(t, nil)
	old := hasher{params: Params{Memory: 32, Time: 2, Threads: 1}, compute: argon2id}
	a := w.add(t, "import", "", func(a *accounts.Account) {
		a.Password = &accounts.Password{ID: "kept", Hash: old.hash([]byte("correct horse"))}
	})
	if got := w.prove(t, attempt("import", "wrong"), Once); got != policy.RuleCredential {
		t.Errorf("got rule %q, want %q", got, policy.RuleCredential)
	}
	if now, _ := w.accounts.ByID(t.Context(), a.ID); now.Password.Hash != a.Password.Hash {
		t.Error("a wrong password changed the hash")
	}
	for range 2 {
		if got := w.prove(t, attempt("import", "correct horse"), Once); got != policy.RuleAdmitted {
			t.Errorf("got rule %q, want %q", got, policy.RuleAdmitted)
		}
	}
	now, err := w.accounts.ByID(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	if p, _, _, _ := parseHash(now.Password.Hash); p != cheap || now.Password.ID != "kept" {
		t.Errorf("got params %v and id %q, want %v and the same id", p, now.Password.ID, cheap)
	}
}

func TestParseHash(t *testing.T) {
	good := cheap.encode(random(16), random(32))
	if p, salt, hash, err := parseHash(good); err != nil || p != cheap || len(salt) != 16 || len(hash) != 32 {
		t.Fatalf("parse %q: %v %d %d %v", good, p, len(salt), len(hash), err)
	}
	for name, phc := range map[string]string{
		"empty":            "",
		"no hash":          "$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$",
		"other kind":       strings.Replace(good, "argon2id", "argon2i", 1),
		"other version":    strings.Replace(good, "v=19", "v=16", 1),
		"too much memory":  strings.Replace(good, "m=64", "m=4294967295", 1),
		"too many passes":  strings.Replace(good, "t=1", "t=4000000000", 1),
		"no pass":          strings.Replace(good, "t=1", "t=0", 1),
		"no thread":        strings.Replace(good, "p=1", "p=0", 1),
		"not base64":       good + "!",
		"more parts":       good + "$x",
		"text before":      "x" + good,
		"negative memory":  strings.Replace(good, "m=64", "m=-64", 1),
		"something behind": strings.Replace(good, "p=1", "p=1,x=2", 1),
	} {
		if _, _, _, err := parseHash(phc); !errors.Is(err, errHash) {
			t.Errorf("%s: got %v, want %v", name, err, errHash)
		}
	}
}

func FuzzParseHash(f *testing.F) {
	f.Add(cheap.encode(make([]byte, 16), make([]byte, 32)))
	f.Add("$argon2id$v=19$m=64,t=1,p=1$AAAA$AAAA")
	f.Fuzz(func(t *testing.T, phc string) {
		p, salt, hash, err := parseHash(phc)
		if err != nil {
			return
		}
		if p.validate() != nil || len(salt) < 8 || len(hash) < 16 || len(hash) > 64 {
			t.Errorf("%q was taken: %v, salt %d, hash %d", phc, p, len(salt), len(hash))
		}
	})
}

func TestNewPasswordRules(t *testing.T) {
	w := newWorld(t, nil)
	w.site(t, func(s *accounts.Site) { s.Password.MinLength = 10 })
	a := accounts.Account{Account: policy.Account{Name: "Alice Example"}, Email: "alice@example.org"}
	for name, c := range map[string]struct {
		password string
		ok       bool
	}{
		"good":          {"correct horse battery", true},
		"just enough":   {"tz7!kq0-pw", true},
		"runes count":   {"äöüäöüßéèê", true},
		"empty":         {"", false},
		"short":         {"tz7!kq0-p", false},
		"common":        {"Password123", false},
		"one character": {"aaaaaaaaaaaaaa", false},
		"username":      {"alice example", false},
		"e-mail":        {"ALICE@example.org", false},
		"line end":      {"correct\nhorse", false},
		"NUL":           {"correct\x00horse", false},
		"huge":          {strings.Repeat("ab", 600), false},
	} {
		t.Run(name, func(t *testing.T) {
			made, err := w.NewPassword(t.Context(), a, c.password)
			var invalid *accounts.InvalidError
			if c.ok != (err == nil) || err != nil && (!errors.As(err, &invalid) || invalid.Field != "password") {
				t.Fatalf("got %v, want ok %v", err, c.ok)
			}
			if err != nil && c.password != "" && strings.Contains(err.Error(), c.password) {
				t.Error("the error holds the password")
			}
			if made != nil && (made.ID == "" || !strings.HasPrefix(made.Hash, "$argon2id$v=19$m=64,t=1,p=1$")) {
				t.Errorf("got %+v", made)
			}
		})
	}
}

// The same password typed on two keyboards can arrive composed or decomposed.
func TestPasswordIsTheSameFromEveryKeyboard(t *testing.T) {
	w := newWorld(t, nil)
	w.add(t, "zoe", "Zo\u00eb likes cats", nil)
	if got := w.prove(t, attempt("zoe", "Zoe\u0308 likes cats"), Once); got != policy.RuleAdmitted {
		t.Errorf("got rule %q, want %q", got, policy.RuleAdmitted)
	}
}

// A burst of parallel requests costs one hash, further ones none, and a changed
// password misses at once.
func TestRepeatedProofsAreRemembered(t *testing.T) {
	w := newWorld(t, nil)
	w.add(t, "alice", "correct horse", nil)
	a := attempt("alice", "correct horse")
	before := w.hashes.Load()
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if p, err := w.Prove(t.Context(), a, Repeated); err != nil || !p.Attempt.Credential.Proved {
				t.Errorf("got %v %v, want proved", p.Attempt.Credential, err)
			}
		})
	}
	all.Wait()
	if got := w.hashes.Load() - before; got != 1 {
		t.Errorf("got %d hashes for 50 requests, want 1", got)
	}
	made, err := w.NewPassword(t.Context(), accounts.Account{}, "another horse")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.accounts.Update(t.Context(), "alice", 0, func(a *accounts.Account) error {
		a.Password = made
		return nil
	}, accounts.Guarded); err != nil {
		t.Fatal(err)
	}
	if got := w.prove(t, a, Repeated); got != policy.RuleCredential {
		t.Errorf("the old password is remembered after a change: rule %q", got)
	}
	a.Password = "another horse"
	if got := w.prove(t, a, Repeated); got != policy.RuleAdmitted {
		t.Errorf("got rule %q, want %q", got, policy.RuleAdmitted)
	}
}

func TestWrongPasswordsAreNeverRemembered(t *testing.T) {
	w := newWorld(t, nil)
	w.add(t, "alice", "correct horse", nil)
	before := w.hashes.Load()
	for range 3 {
		if got := w.prove(t, attempt("alice", "wrong"), Repeated); got != policy.RuleCredential {
			t.Errorf("got rule %q, want %q", got, policy.RuleCredential)
		}
	}
	if got := w.hashes.Load() - before; got != 3 {
		t.Errorf("got %d hashes for 3 wrong passwords, want 3", got)
	}
}

func TestProofsExpireAndAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProofs(2, 5*time.Minute)
		asked := 0
		verify := func(who string) {
			ok, err := p.verify(t.Context(), p.keyOf(who, "c", "pw"), func() (bool, error) { asked++; return true, nil })
			if !ok || err != nil {
				t.Fatal(ok, err)
			}
		}
		verify("a")
		for range 4 {
			time.Sleep(time.Minute)
			verify("a")
		}
		if asked != 1 {
			t.Errorf("asked %d times within the life, want once", asked)
		}
		time.Sleep(time.Minute)
		verify("a")
		if asked != 2 {
			t.Errorf("asked %d times: use must not lengthen the life", asked)
		}
		for _, who := range []string{"b", "c", "a"} {
			verify(who)
		}
		if asked != 5 || p.recent.Len() != 2 || len(p.known) != 2 {
			t.Errorf("asked %d times, holds %d, want 5 and 2", asked, p.recent.Len())
		}
	})
}

// Who asks first may go away; the others must not fail for it.
func TestProofOfVanishedClientIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProofs(10, time.Minute)
		k := p.keyOf("a")
		gone, cancel := context.WithCancel(t.Context())
		go func() {
			_, _ = p.verify(gone, k, func() (bool, error) { <-gone.Done(); return false, gone.Err() })
		}()
		synctest.Wait()
		var ok bool
		var err error
		go func() { ok, err = p.verify(t.Context(), k, func() (bool, error) { return true, nil }) }()
		synctest.Wait()
		cancel()
		synctest.Wait()
		if !ok || err != nil {
			t.Errorf("got %v %v, want proved", ok, err)
		}
	})
}

func TestKeyOfTellsPartsApart(t *testing.T) {
	p := newProofs(10, time.Minute)
	if p.keyOf("ab", "c") == p.keyOf("a", "bc") {
		t.Error("parts run into one another")
	}
	if p.keyOf("a") == newProofs(10, time.Minute).keyOf("a") {
		t.Error("two processes have the same keys")
	}
}

// A flood from one network must not make another wait behind all of it.
func TestSlotsServeNetworksInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(1, time.Hour)
		flood, other := network(netip.MustParseAddr("192.0.2.1")), network(netip.MustParseAddr("198.51.100.1"))
		if err := s.acquire(t.Context(), flood); err != nil {
			t.Fatal(err)
		}
		var order []string
		enter := func(from netip.Prefix, name string) {
			go func() {
				if err := s.acquire(t.Context(), from); err != nil {
					t.Error(err)
				}
				order = append(order, name)
				time.Sleep(time.Second)
				s.release()
			}()
			synctest.Wait()
		}
		for i := range 5 {
			enter(flood, fmt.Sprint("flood", i))
		}
		enter(other, "other")
		s.release()
		time.Sleep(time.Minute)
		synctest.Wait()
		if want := "flood0 other flood1 flood2 flood3 flood4"; strings.Join(order, " ") != want {
			t.Errorf("got %v, want %v", order, want)
		}
		if s.free != 1 || s.waiting != 0 || len(s.queues) != 0 || len(s.turn) != 0 {
			t.Errorf("slots are lost: %d free, %d waiting", s.free, s.waiting)
		}
	})
}

func TestSlotsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(1, 10*time.Second)
		from := network(home)
		if err := s.acquire(t.Context(), from); err != nil {
			t.Fatal(err)
		}
		var busy, gone atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		for i := range maxWaitingNetwork {
			go func() {
				use := ctx
				if i > 0 {
					use = t.Context()
				}
				switch err := s.acquire(use, from); {
				case errors.Is(err, ErrBusy):
					busy.Add(1)
				case errors.Is(err, context.Canceled):
					gone.Add(1)
				default:
					t.Errorf("got %v", err)
				}
			}()
		}
		synctest.Wait()
		if err := s.acquire(t.Context(), from); !errors.Is(err, ErrBusy) {
			t.Errorf("got %v for one more of the network, want busy", err)
		}
		cancel()
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if gone.Load() != 1 || busy.Load() != maxWaitingNetwork-1 {
			t.Errorf("got %d gone and %d busy, want 1 and %d", gone.Load(), busy.Load(), maxWaitingNetwork-1)
		}
		s.release()
		if s.free != 1 || s.waiting != 0 || len(s.queues) != 0 {
			t.Errorf("slots are lost: %d free, %d waiting, %d queues", s.free, s.waiting, len(s.queues))
		}
	})
}

func TestNetwork(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.77": "192.0.2.0/24", "::ffff:192.0.2.77": "192.0.2.0/24",
		"2001:db8:1:2::3": "2001:db8:1::/48", "fe80::1%eth0": "fe80::/48",
	} {
		if got := network(netip.MustParseAddr(address)).String(); got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
}

// Passwords must reach no log, however an attempt is printed.
func TestSecretsAreNotPrinted(t *testing.T) {
	a := attempt("alice", "hunter2hunter2")
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "attempt", a, "pointer", &a)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "attempt", a, "pointer", &a)
	fmt.Fprintf(&log, "%v %+v %#v %s %q %v %+v", a, a, a, a, a, &a, []Attempt{a})
	if strings.Contains(log.String(), "hunter2") {
		t.Errorf("the password is in %s", log.String())
	}
}
