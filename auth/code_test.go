package auth

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/seal"
	"gatehouse/storage/state"
)

// enrol gives an account a confirmed second factor, and returns its secret.
func (w *world) enrol(t testing.TB, a accounts.Account) []byte {
	t.Helper()
	secret, _ := w.enrolCodes(t, a)
	return secret
}

// enrolCodes is enrol with the recovery codes. The code that confirms it is of a
// step long ago, so that the present ones are still good.
func (w *world) enrolCodes(t testing.TB, a accounts.Account) ([]byte, []string) {
	t.Helper()
	if _, err := w.NewTOTP(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	a, err := w.accounts.ByID(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := w.openFactor(a)
	if err != nil {
		t.Fatal(err)
	}
	codes, _, err := w.accounts.ConfirmTOTP(t.Context(), a.Name, a.TOTP.ID, accounts.Guarded)
	if err != nil {
		t.Fatal(err)
	}
	return secret, codes
}

// now is the present code of a secret.
func now(secret []byte) string { return codeAt(secret, stepAt(time.Now())) }

// A code that was seen over a shoulder is worth nothing, on no node.
func TestCodeWorksOnceOverAllNodes(t *testing.T) {
	var st state.Store
	key := random(seal.KeySize)
	sealer, err := seal.New(key)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(c *Config) { st, c.Sealer = c.State, sealer })
	w.site(t, locking(0))
	secret := w.enrol(t, w.add(t, "alice", "correct horse", nil))
	nodes := []*world{w}
	for range 3 {
		store, err := accounts.Open(t.Context(), st)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = store.Close(t.Context()) }()
		node, err := New(Config{Accounts: store, State: st, Params: cheap, Sealer: sealer})
		if err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, &world{Authenticator: node, accounts: store})
	}
	var in atomic.Int64
	var all sync.WaitGroup
	code := now(secret)
	for _, node := range nodes {
		for range 4 {
			all.Go(func() {
				if node.prove(t, withCode(attempt("alice", "correct horse"), code), Once) == policy.RuleAdmitted {
					in.Add(1)
				}
			})
		}
	}
	all.Wait()
	if in.Load() != 1 {
		t.Errorf("one code let %d in, want 1", in.Load())
	}
}

func TestRecoveryCodeWorksOnce(t *testing.T) {
	w := newWorld(t, nil)
	w.site(t, locking(0))
	_, codes := w.enrolCodes(t, w.add(t, "alice", "correct horse", nil))
	written := strings.ToUpper(strings.ReplaceAll(codes[3], "-", " "))
	for i, want := range []policy.Rule{policy.RuleAdmitted, policy.RuleSecondFactor} {
		if got := w.prove(t, withCode(attempt("alice", "correct horse"), written), Once); got != want {
			t.Errorf("use %d: got rule %q, want %q", i, got, want)
		}
	}
	if got := w.prove(t, withCode(attempt("alice", "correct horse"), codes[4]), Once); got != policy.RuleAdmitted {
		t.Errorf("another code: got rule %q", got)
	}
}

// There are a million codes: whoever has the password must not try them one by
// one, not even the same one twice.
func TestWrongCodesAlwaysCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.site(t, locking(3))
		secret := w.enrol(t, w.add(t, "alice", "correct horse", nil))
		for range 3 {
			if got := w.prove(t, withCode(attempt("alice", "correct horse"), "12345"), Once); got != policy.RuleSecondFactor {
				t.Errorf("got rule %q, want %q", got, policy.RuleSecondFactor)
			}
			// The password being right does not end the row.
			w.prove(t, attempt("alice", "correct horse"), Once)
		}
		code := now(secret)
		if got := w.prove(t, withCode(attempt("alice", "correct horse"), code), Once); got != policy.RuleLockout {
			t.Errorf("got rule %q, want %q", got, policy.RuleLockout)
		}
		time.Sleep(15 * time.Minute)
		if got := w.prove(t, withCode(attempt("alice", "correct horse"), now(secret)), Once); got != policy.RuleAdmitted {
			t.Errorf("after the period: got rule %q, want %q", got, policy.RuleAdmitted)
		}
		_ = w.accounts.Close(t.Context())
	})
}

// Whoever holds a connection open must not put off for ever, without any code,
// the moment at which the password is asked for again.
func TestAskingAgainDoesNotProlongAProof(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		secret := w.enrol(t, w.add(t, "alice", "correct horse", nil))
		again := attempt("alice", "correct horse")
		for range 3 {
			p, err := w.Prove(t.Context(), again, Once)
			if err != nil || p.NeedsCode() == nil {
				t.Fatalf("no code is asked for: %v", err)
			}
			again = attempt("alice", "")
			again.Proved = p.NeedsCode().Proved
			time.Sleep(50 * time.Second)
		}
		if got := w.prove(t, withCode(again, now(secret)), Once); got != policy.RuleCredential {
			t.Errorf("a proof of %v ago: got rule %q", 150*time.Second, got)
		}
		_ = w.accounts.Close(t.Context())
	})
}

// An app password that is right must not clear the way for somebody who has it,
// and guesses at the password or its code.
func TestAppPasswordDoesNotEndTheRow(t *testing.T) {
	w := newWorld(t, nil)
	w.site(t, locking(3))
	w.add(t, "alice", "correct horse", nil)
	app := w.secret(t, "alice", policy.KindAppPassword, nil)
	for i := range 3 {
		w.prove(t, attempt("alice", fmt.Sprint("guess ", i)), Once)
		if got := w.prove(t, attempt("alice", app), Once); got != policy.RuleAdmitted {
			t.Errorf("got rule %q, want %q", got, policy.RuleAdmitted)
		}
	}
	if got := w.prove(t, attempt("alice", "correct horse"), Once); got != policy.RuleLockout {
		t.Errorf("got rule %q, want %q", got, policy.RuleLockout)
	}
}

// A code must not be used up, nor told right or wrong, where something else
// refuses: it could be tried out there.
func TestCodeIsNotLookedAtWhereSomethingElseRefuses(t *testing.T) {
	w := newWorld(t, nil)
	w.site(t, locking(0))
	secret := w.enrol(t, w.add(t, "alice", "correct horse", func(a *accounts.Account) {
		a.AllowedIPs = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
	}))
	code := now(secret)
	elsewhere := withCode(attempt("alice", "correct horse"), code)
	elsewhere.Address = netip.MustParseAddr("203.0.113.1")
	ftp := at(withCode(attempt("alice", "correct horse"), code), policy.FTP, policy.TLS)
	wrong := withCode(attempt("alice", "wrong"), code)
	for name, c := range map[string]struct {
		attempt Attempt
		want    policy.Rule
	}{"elsewhere": {elsewhere, policy.RuleAddress}, "wrong": {wrong, policy.RuleCredential}} {
		if got := w.prove(t, c.attempt, Once); got != c.want {
			t.Errorf("%s: got rule %q, want %q", name, got, c.want)
		}
	}
	if got := w.prove(t, ftp, Once); got != policy.RuleSecondFactor {
		t.Errorf("FTP took a code: rule %q", got)
	}
	if got := w.prove(t, withCode(attempt("alice", "correct horse"), code), Once); got != policy.RuleAdmitted {
		t.Errorf("the code was used up by a refusal: rule %q", got)
	}
}

func TestSecondStepNeedsNoPassword(t *testing.T) {
	w := newWorld(t, nil)
	w.site(t, locking(0))
	a := w.add(t, "alice", "correct horse", nil)
	w.add(t, "bob", "correct horse", nil)
	secret := w.enrol(t, a)
	first, err := w.Prove(t.Context(), attempt("alice", "correct horse"), Once)
	if err != nil || first.NeedsCode() == nil {
		t.Fatalf("got %v %v, want that the code is asked for", first.NeedsCode(), err)
	}
	second := withCode(attempt("alice", ""), now(secret))
	second.Proved = first.NeedsCode().Proved
	before := w.hashes.Load()
	for name, change := range map[string]func(*Attempt){
		"of another account": func(a *Attempt) { a.Account = "bob" },
		"too late":           func(a *Attempt) { late := *a.Proved; late.at = late.at.Add(-time.Hour); a.Proved = &late },
	} {
		bad := second
		change(&bad)
		if got := w.prove(t, bad, Once); got != policy.RuleCredential {
			t.Errorf("%s: got rule %q, want %q", name, got, policy.RuleCredential)
		}
	}
	if got := w.prove(t, second, Once); got != policy.RuleAdmitted {
		t.Errorf("got rule %q, want %q", got, policy.RuleAdmitted)
	}
	if got := w.hashes.Load() - before; got != 0 {
		t.Errorf("the second step cost %d hashes", got)
	}
	if got := w.prove(t, second, Once); got != policy.RuleSecondFactor {
		t.Errorf("the same step again: got rule %q, want %q", got, policy.RuleSecondFactor)
	}
	w.setPassword(t, "alice", "another horse")
	second.Code = codeAt(secret, stepAt(time.Now())+1)
	if got := w.prove(t, second, Once); got != policy.RuleCredential {
		t.Errorf("after the password changed: got rule %q, want %q", got, policy.RuleCredential)
	}
}

func (w *world) setPassword(t testing.TB, name, password string) {
	t.Helper()
	made, err := w.NewPassword(t.Context(), accounts.Account{}, password)
	if err != nil {
		t.Fatal(err)
	}
	w.change(t, name, func(a *accounts.Account) { a.Password = made })
}

func (w *world) change(t testing.TB, name string, change func(*accounts.Account)) accounts.Account {
	t.Helper()
	a, err := w.accounts.Update(t.Context(), name, 0, func(a *accounts.Account) error {
		change(a)
		return nil
	}, accounts.Forced)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Of a thousand codes at once no more are looked at than may be wrong.
func TestManyCodesAtOnce(t *testing.T) {
	w := newWorld(t, nil)
	w.site(t, locking(5))
	a := w.add(t, "alice", "correct horse", nil)
	secret := w.enrol(t, a)
	right := now(secret)
	first, err := w.Prove(t.Context(), attempt("alice", "correct horse"), Once)
	if err != nil {
		t.Fatal(err)
	}
	var looked atomic.Int64
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			guess := attempt("alice", "")
			guess.Proved, guess.Code = first.NeedsCode().Proved, fmt.Sprintf("x%05d", i)
			p, err := w.Prove(t.Context(), guess, Once)
			if err == nil && p.Effective.Admit(p.Attempt).Rule == policy.RuleSecondFactor {
				looked.Add(1)
			}
		})
	}
	all.Wait()
	if looked.Load() > 5 {
		t.Errorf("%d codes were looked at, of 5 that may be wrong", looked.Load())
	}
	if got := w.prove(t, withCode(attempt("alice", "correct horse"), right), Once); got != policy.RuleLockout {
		t.Errorf("got rule %q, want %q", got, policy.RuleLockout)
	}
}

// A right code at the last try that was left must not leave the account locked.
func TestRightCodeAtTheLastTry(t *testing.T) {
	w := newWorld(t, nil)
	w.site(t, locking(2))
	a := w.add(t, "alice", "correct horse", nil)
	secret := w.enrol(t, a)
	w.prove(t, withCode(attempt("alice", "correct horse"), "0"), Once)
	if got := w.prove(t, withCode(attempt("alice", "correct horse"), now(secret)), Once); got != policy.RuleAdmitted {
		t.Errorf("got rule %q, want %q", got, policy.RuleAdmitted)
	}
	if until, err := w.Locked(t.Context(), a.ID); err != nil || !until.IsZero() {
		t.Errorf("locked until %v, %v", until, err)
	}
}

// A code that comes while the others lock the account is not looked at.
func TestCodeThatComesLate(t *testing.T) {
	w := newWorld(t, nil)
	w.site(t, locking(2))
	secret := w.enrol(t, w.add(t, "alice", "correct horse", nil))
	late := withCode(attempt("alice", "correct horse"), now(secret))
	p, err := w.meet(t.Context(), late)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.first(t.Context(), &p, late, Once); err != nil {
		t.Fatal(err)
	}
	p.Attempt.Credential.Code = policy.CodeNeeded
	for i := range 2 {
		w.prove(t, attempt("alice", fmt.Sprint("guess ", i)), Once)
	}
	if err := w.askCode(t.Context(), &p, late); err != nil {
		t.Fatal(err)
	}
	if got := p.Effective.Admit(p.Attempt).Rule; got != policy.RuleLockout || p.Attempt.Credential.Code != policy.CodeNeeded {
		t.Errorf("got rule %q and code %q", got, p.Attempt.Credential.Code)
	}
}

func TestWrongCodesBan(t *testing.T) {
	w := newWorld(t, nil)
	w.site(t, banning(3))
	w.enrol(t, w.add(t, "alice", "correct horse", nil))
	for i := range 3 {
		p, err := w.Prove(t.Context(), withCode(attempt("alice", "correct horse"), "0"), Once)
		if err != nil || p.BanStarted != (i == 2) {
			t.Errorf("code %d: ban started %v, %v", i, p.BanStarted, err)
		}
	}
}
