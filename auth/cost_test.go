package auth

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// An outcome is an attempt and the rule that decides it.
type outcome struct {
	name    string
	attempt Attempt
	want    policy.Rule
}

// at changes where an attempt is made.
func at(a Attempt, door policy.Door, transport policy.Transport) Attempt {
	a.Door, a.Transport = door, transport
	return a
}

func withCode(a Attempt, code string) Attempt {
	a.Code = code
	return a
}

// outcomes are accounts of every kind, and a password-shaped attempt at each.
func (w *world) outcomes(t testing.TB) []outcome {
	w.site(t, func(s *accounts.Site) {
		s.Lockout = policy.Lockout{Failures: 6, Period: "15m", Scope: "passwords"}
		s.Ban.Failures = 0
	})
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
	w.add(t, "imported", "", func(a *accounts.Account) {
		a.Password = &accounts.Password{ID: "x", Hash: "$1$abcdefgh$c/jEVlKmP0AF2SIs7vowT0"}
	})
	w.add(t, "antique", "", func(a *accounts.Account) {
		a.Password = &accounts.Password{ID: "x", Hash: "Z59gKMN2ajnCs"} // DES of "correct horse"
	})
	w.add(t, "nothing", "", func(a *accounts.Account) {
		a.Password = &accounts.Password{ID: "x", Hash: "$1$abcdefgh$M55TzYaaccxVGbptZWaxX/"} // of the empty password
	})
	dear := Params{Memory: 128, Time: 2, Threads: 1}
	w.add(t, "dear", "", func(a *accounts.Account) {
		a.Password = &accounts.Password{ID: "x", Hash: hasher{params: dear, compute: argon2id}.hash([]byte("correct horse"))}
	})
	w.add(t, "gone", "", func(a *accounts.Account) {
		a.Status.Disabled = true
		a.Password = &accounts.Password{ID: "x", Hash: hasher{params: dear, compute: argon2id}.hash([]byte("correct horse"))}
	})
	w.add(t, "hostile", "", func(a *accounts.Account) {
		a.Password = &accounts.Password{ID: "x", Hash: "$6$rounds=999999999$saltstring$" + strings.Repeat("a", 86)}
	})
	w.add(t, "new", "correct horse", func(a *accounts.Account) { a.Password.MustChange = true })
	w.add(t, "stale", "correct horse", func(a *accounts.Account) {
		days := 1
		a.PasswordAge, a.Password.Changed = &days, time.Now().Add(-48*time.Hour)
	})
	w.add(t, "must", "correct horse", func(a *accounts.Account) { a.SecondFactor.Required = policy.Allow })
	factor := w.enrol(t, w.add(t, "factor", "correct horse", nil))
	w.add(t, "locked", "correct horse", nil)
	for i := range 6 {
		w.prove(t, attempt("locked", fmt.Sprint("guess ", i)), Once)
	}
	app := w.secret(t, "good", policy.KindAppPassword, nil)
	ftp := w.secret(t, "good", policy.KindAppPassword, func(c *accounts.Credential) { c.Doors = []policy.Door{policy.FTP} })
	ended := w.secret(t, "good", policy.KindAppPassword, func(c *accounts.Credential) {
		yesterday := time.Now().Add(-24 * time.Hour)
		c.Expires = &yesterday
	})
	elsewhere := w.secret(t, "good", policy.KindAppPassword, func(c *accounts.Credential) { c.AllowedIPs = []string{"203.0.113.1"} })
	token := w.secret(t, "good", policy.KindToken, nil)
	client := w.secret(t, "good", policy.KindClient, nil)
	disabled := w.secret(t, "off", policy.KindAppPassword, nil)
	locked := w.secret(t, "locked", policy.KindAppPassword, nil)
	owes := w.secret(t, "must", policy.KindAppPassword, nil)
	wrong := app[:len(app)-1] + map[bool]string{true: "b", false: "a"}[strings.HasSuffix(app, "a")]
	code := codeAt(factor, stepAt(time.Now()))
	return []outcome{
		{"right", attempt("good", "correct horse"), policy.RuleAdmitted},
		{"wrong", attempt("good", "wrong"), policy.RuleCredential},
		{"empty", attempt("good", ""), policy.RuleCredential},
		{"endless", attempt("good", strings.Repeat("x", 5000)), policy.RuleCredential},
		{"unknown", attempt("nobody", "correct horse"), policy.RuleStatus},
		{"no name at all", attempt("", "correct horse"), policy.RuleStatus},
		{"not a name", attempt("a/b\x00", "correct horse"), policy.RuleStatus},
		{"disabled, right", attempt("off", "correct horse"), policy.RuleStatus},
		{"disabled, wrong", attempt("off", "wrong"), policy.RuleStatus},
		{"no password", attempt("keys", "correct horse"), policy.RuleCredential},
		{"expired", attempt("old", "correct horse"), policy.RuleExpiry},
		{"from elsewhere", attempt("far", "correct horse"), policy.RuleAddress},
		{"locked, right", attempt("locked", "correct horse"), policy.RuleLockout},
		{"locked, wrong", attempt("locked", "wrong"), policy.RuleLockout},
		{"unusable hash", attempt("broken", "correct horse"), policy.RuleCredential},
		{"foreign hash, wrong", attempt("imported", "correct horse"), policy.RuleCredential},
		{"foreign hash, right", attempt("imported", "Grüße, correct horse battery staple"), policy.RuleAdmitted},
		{"DES, wrong", attempt("antique", "battery staple"), policy.RuleCredential},
		{"DES, right", attempt("antique", "correct horse"), policy.RuleAdmitted},
		{"foreign hash of nothing", attempt("nothing", ""), policy.RuleCredential},
		{"dearer hash, wrong", attempt("dear", "wrong"), policy.RuleCredential},
		{"dearer hash, disabled, wrong", attempt("gone", "wrong"), policy.RuleStatus},
		{"dearer hash, disabled, right", attempt("gone", "correct horse"), policy.RuleStatus},
		{"dearer hash, right", attempt("dear", "correct horse"), policy.RuleAdmitted},
		{"hostile hash", attempt("hostile", "correct horse"), policy.RuleCredential},
		{"must change", attempt("new", "correct horse"), policy.RuleMustChange},
		{"must change, wrong", attempt("new", "wrong"), policy.RuleCredential},
		{"password too old", attempt("stale", "correct horse"), policy.RuleCredentialExpiry},
		{"must enrol", attempt("must", "correct horse"), policy.RuleEnrol},
		{"must enrol, API", at(attempt("must", "correct horse"), policy.API, policy.TLS), policy.RuleEnrol},
		{"factor, no code", attempt("factor", "correct horse"), policy.RuleSecondFactor},
		{"factor, no code, FTP", at(attempt("factor", "correct horse"), policy.FTP, policy.TLS), policy.RuleSecondFactor},
		{"factor, wrong", attempt("factor", "wrong"), policy.RuleCredential},
		{"factor, wrong, with code", withCode(attempt("factor", "wrong"), code), policy.RuleCredential},
		{"factor, wrong code", withCode(attempt("factor", "correct horse"), "no such code"), policy.RuleSecondFactor},
		{"factor, right code", withCode(attempt("factor", "correct horse"), code), policy.RuleAdmitted},
		{"factor, used code", withCode(attempt("factor", "correct horse"), code), policy.RuleSecondFactor},
		{"nobody with code", withCode(attempt("nobody", "correct horse"), code), policy.RuleStatus},
		{"app password", attempt("good", app), policy.RuleAdmitted},
		{"app password, wrong", attempt("good", wrong), policy.RuleCredential},
		{"app password of another", attempt("keys", app), policy.RuleCredential},
		{"app password of nobody", attempt("nobody", app), policy.RuleStatus},
		{"app password, other door", attempt("good", ftp), policy.RuleDoorCredential},
		{"app password, API", at(attempt("good", app), policy.API, policy.TLS), policy.RuleDoorCredential},
		{"app password, expired", attempt("good", ended), policy.RuleCredentialExpiry},
		{"app password, address", attempt("good", elsewhere), policy.RuleCredentialAddress},
		{"app password, disabled", attempt("off", disabled), policy.RuleStatus},
		{"app password, locked", attempt("locked", locked), policy.RuleAdmitted},
		{"app password, must enrol", attempt("must", owes), policy.RuleEnrol},
		{"token as a password", attempt("good", token), policy.RuleDoorCredential},
		{"token as a password, API", at(attempt("good", token), policy.API, policy.TLS), policy.RuleDoorCredential},
		{"client", at(attempt("good", client), policy.WebDAV, policy.TLS), policy.RuleAdmitted},
		{"client, API login", at(attempt("good", client), policy.API, policy.TLS), policy.RuleDoorCredential},
	}
}

// Whoever measures or counts the work of a login must not learn whether the
// account exists, is disabled, locked, has a password, a second factor, or which
// kind of secret was right.
func TestOneHashForEveryOutcome(t *testing.T) {
	w := newWorld(t, nil)
	for _, c := range w.outcomes(t) {
		t.Run(c.name, func(t *testing.T) {
			before := w.hashes.Load()
			if got := w.prove(t, c.attempt, Once); got != c.want {
				t.Errorf("got rule %q, want %q", got, c.want)
			}
			if got := w.hashes.Load() - before; got != 1 {
				t.Errorf("got %d hashes, want 1", got)
			}
		})
	}
}

// The cost of a refusal: the hash in full, its wait left out. The outcomes should
// not be told apart by it; the floor hides what is left.
func BenchmarkRefusal(b *testing.B) {
	w := newWorld(b, func(c *Config) { c.Params = DefaultParams() })
	for _, c := range w.outcomes(b) {
		if c.want == policy.RuleAdmitted {
			continue
		}
		b.Run(c.name, func(b *testing.B) {
			var least, most time.Duration
			for b.Loop() {
				began := time.Now()
				w.prove(b, c.attempt, Once)
				took := time.Since(began)
				if least == 0 || took < least {
					least = took
				}
				most = max(most, took)
			}
			b.ReportMetric(float64(least.Nanoseconds()), "ns-least")
			b.ReportMetric(float64(most.Nanoseconds()), "ns-most")
			b.ReportMetric(float64(w.Floor().Nanoseconds()), "ns-floor")
		})
	}
}
