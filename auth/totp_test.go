package auth

import (
	"encoding/base32"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/accounts/credentials"
	"gatehouse/storage/seal"
	"gatehouse/storage/state"
)

// The examples of RFC 6238, appendix B, of which the last six digits are ours.
func TestCodesOfTheRFC(t *testing.T) {
	secret := []byte("12345678901234567890")
	for at, want := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924",
		2000000000: "279037", 20000000000: "353130",
	} {
		if got := codeAt(secret, stepAt(time.Unix(at, 0))); got != want {
			t.Errorf("at %d: got %s, want %s", at, got, want)
		}
	}
}

func TestCodeIsGoodOneStepEitherSide(t *testing.T) {
	secret := random(secretSize)
	at := time.Unix(1_700_000_000, 0)
	for offset, want := range map[int64]bool{-2: false, -1: true, 0: true, 1: true, 2: false} {
		step := stepAt(at) + offset
		got, ok := matchStep(secret, codeAt(secret, step), at)
		if ok != want || ok && got != step {
			t.Errorf("%d steps off: got %v, want %v", offset, ok, want)
		}
	}
}

// Whoever has an old backup's key must not find the door open: a factor that
// cannot be read is enrolled anew before any password opens a door.
func TestFactorThatCannotBeOpened(t *testing.T) {
	w := newWorld(t, nil)
	w.site(t, locking(0))
	_, codes := w.enrolCodes(t, w.add(t, "alice", "correct horse", nil))
	app := w.secret(t, "alice", policy.KindAppPassword, nil)
	other, err := seal.New(random(seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	w.sealer = other
	for name, a := range map[string]Attempt{
		"password": attempt("alice", "correct horse"), "app password": attempt("alice", app),
		"recovery code": withCode(attempt("alice", "correct horse"), codes[0]),
	} {
		p, err := w.Prove(t.Context(), a, Once)
		if err != nil {
			t.Fatal(err)
		}
		if d := p.Effective.Admit(p.Attempt); d.Allowed || d.Rule != policy.RuleEnrol {
			t.Errorf("%s: got %v %q, want refused by %q", name, d.Allowed, d.Rule, policy.RuleEnrol)
		}
	}
	p, err := w.Prove(t.Context(), at(attempt("alice", "correct horse"), policy.API, policy.TLS), Once)
	if err != nil {
		t.Fatal(err)
	}
	if d := p.Effective.Admit(p.Attempt); !d.Enrols() {
		t.Errorf("the API does not let in to enrol: %+v", d)
	}
	if _, err := w.NewTOTP(t.Context(), p.Account); err != nil {
		t.Errorf("it cannot be enrolled anew: %v", err)
	}
}

// What is sealed for one account must not serve another.
func TestFactorIsBoundToItsAccount(t *testing.T) {
	w := newWorld(t, nil)
	alice := w.add(t, "alice", "correct horse", nil)
	w.enrol(t, alice)
	alice, err := w.accounts.ByID(t.Context(), alice.ID)
	if err != nil {
		t.Fatal(err)
	}
	bob := w.add(t, "bob", "correct horse", func(a *accounts.Account) { a.TOTP = alice.TOTP })
	if w.opensFactor(bob) {
		t.Error("the secret of one account opens for another")
	}
}

func TestEnrolment(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Issuer = "Files & More" })
	a := w.add(t, "alice@example.org", "correct horse", nil)
	made, err := w.NewTOTP(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(fmt.Sprintf("%v %+v %#v %s", made, made, made, made), made.Secret) {
		t.Error("the secret is printed")
	}
	u, err := url.Parse(made.URI)
	if err != nil {
		t.Fatal(err)
	}
	if u.Scheme != "otpauth" || u.Host != "totp" || u.Path != "/Files & More:alice@example.org" ||
		u.Query().Get("secret") != made.Secret || u.Query().Get("issuer") != "Files & More" {
		t.Errorf("got %s", made.URI)
	}
	if got := w.prove(t, attempt(a.Name, "correct horse"), Once); got != policy.RuleAdmitted {
		t.Errorf("not confirmed yet: got rule %q", got)
	}
	secret, err := base32.StdEncoding.DecodeString(made.Secret)
	if err != nil {
		t.Fatal(err)
	}
	a, err = w.accounts.ByID(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.ConfirmTOTP(t.Context(), a, "0"); !errors.Is(err, ErrWrongCode) {
		t.Errorf("a wrong code: got %v, want %v", err, ErrWrongCode)
	}
	code := now(secret)
	codes, a, err := w.ConfirmTOTP(t.Context(), a, code)
	if err != nil || len(codes) != 10 || !a.HasCode() {
		t.Fatalf("got %d codes, %v", len(codes), err)
	}
	if got := w.prove(t, withCode(attempt(a.Name, "correct horse"), code), Once); got != policy.RuleSecondFactor {
		t.Errorf("the code that confirmed it logs in: rule %q", got)
	}
	if _, err := w.NewTOTP(t.Context(), a); err == nil {
		t.Error("a factor that counts was replaced without being reset")
	}
}

// Codes and recovery codes must not be found in what is stored.
func TestFactorsAreSealed(t *testing.T) {
	var st state.Store
	w := newWorld(t, func(c *Config) { st = c.State })
	secret, codes := w.enrolCodes(t, w.add(t, "alice", "correct horse", nil))
	app := w.secret(t, "alice", policy.KindAppPassword, nil)
	_, proof, _ := credentials.ParseSecret(app)
	for item, err := range st.Dump(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		for _, hidden := range []string{
			string(secret), base32.StdEncoding.EncodeToString(secret), codes[0], strings.ReplaceAll(codes[0], "-", ""), proof,
		} {
			if strings.Contains(string(item.Value), hidden) {
				t.Errorf("%q is in %s%s", hidden, item.Scope, item.Name)
			}
		}
	}
}
