package auth

import (
	"encoding/base32"
	"errors"
	"testing"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// A second factor that counted elsewhere goes on: its codes are asked for, and
// the same secret brought twice is the same factor.
func TestBroughtFactorCounts(t *testing.T) {
	w := newWorld(t, nil)
	a := w.add(t, "anna", "correct horse", nil)
	secret := []byte("12345678901234567890")
	text := base32.StdEncoding.EncodeToString(secret)
	made, err := w.BringFactor(a, text)
	if err != nil || !made.Confirmed || len(made.Sealed) == 0 {
		t.Fatalf("got %+v, %v", made, err)
	}
	a, err = w.accounts.Update(t.Context(), a.Name, 0, func(x *accounts.Account) error { x.TOTP = made; return nil }, accounts.Guarded)
	if err != nil || !w.OpensFactor(a) {
		t.Fatalf("it cannot be opened: %v", err)
	}
	again, err := w.BringFactor(a, "gezd gnbv gy3t qojq gezd gnbv gy3t qojq")
	if err != nil || again.ID != made.ID {
		t.Errorf("the same secret again: got %+v, %v", again, err)
	}
	if other, err := w.BringFactor(a, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"); err != nil || other.ID == made.ID {
		t.Errorf("another secret: got %+v, %v", other, err)
	}
	in := attempt(a.Name, "correct horse")
	if got := w.prove(t, in, Once); got != policy.RuleSecondFactor {
		t.Errorf("without a code: got rule %q", got)
	}
	in.Code = now(secret)
	if got := w.prove(t, in, Once); got != policy.RuleAdmitted {
		t.Errorf("with its code: got rule %q", got)
	}
	for _, bad := range []string{"", "JBSWY3DP", "not base32!", "00000000000000000000000000000000"} {
		if _, err := w.BringFactor(a, bad); !errors.As(err, new(*accounts.InvalidError)) {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}
