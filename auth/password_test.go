package auth

import (
	"errors"
	"strings"
	"testing"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

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
		"app password":  {"gwa_" + strings.Repeat("a", 16) + "_" + strings.Repeat("b", 32), false},
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
