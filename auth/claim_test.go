package auth

import (
	"strings"
	"testing"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// Of a banned address the refusal is named for the credential's doors, which come
// before the ban: by the id alone, whatever the secret behind it is worth, and at
// no cost.
func TestBannedCredentialsAreNamedByTheirDoors(t *testing.T) {
	w := newWorld(t, nil)
	w.add(t, "alice", "correct horse", nil)
	w.add(t, "bob", "correct horse", func(a *accounts.Account) { a.Desktop = policy.Deny })
	onSFTP := func(c *accounts.Credential) { c.Doors = []policy.Door{policy.SFTP} }
	onDAV := func(c *accounts.Credential) { c.Doors = []policy.Door{policy.WebDAV} }
	elsewhere, anywhere := w.secret(t, "alice", policy.KindAppPassword, onSFTP), w.secret(t, "alice", policy.KindAppPassword, nil)
	token, onlyDAV := w.secret(t, "alice", policy.KindToken, nil), w.secret(t, "alice", policy.KindClient, onDAV)
	client, denied := w.secret(t, "alice", policy.KindClient, nil), w.secret(t, "bob", policy.KindClient, nil)
	wrong := func(text string) string { return text[:len(text)-8] + "aaaaaaaa" }
	dav := func(name, password string) Attempt { return at(attempt(name, password), policy.WebDAV, policy.TLS) }
	if err := w.failures.ban(t.Context(), Ban{Address: home.String()}, time.Hour); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		attempt Attempt
		want    policy.Rule
	}{
		"app password for another door":     {dav("alice", elsewhere), policy.RuleDoorCredential},
		"the same with a wrong secret":      {dav("alice", wrong(elsewhere)), policy.RuleDoorCredential},
		"the same of another account":       {dav("bob", elsewhere), policy.RuleBan},
		"app password for the door":         {attempt("alice", elsewhere), policy.RuleBan},
		"app password for every door":       {dav("alice", anywhere), policy.RuleBan},
		"app password that there is not":    {dav("alice", "gwa_"+strings.Repeat("a", 16)+"_"+strings.Repeat("b", 32)), policy.RuleBan},
		"app password at the API":           {at(attempt("alice", anywhere), policy.API, policy.TLS), policy.RuleDoorCredential},
		"app password as a token":           {bearer(anywhere), policy.RuleDoorCredential},
		"token":                             {bearer(token), policy.RuleBan},
		"token in the place of a password":  {dav("alice", token), policy.RuleDoorCredential},
		"token at a file door":              {at(bearer(token), policy.WebDAV, policy.TLS), policy.RuleDoorCredential},
		"client":                            {dav("alice", client), policy.RuleBan},
		"client at SFTP":                    {attempt("alice", client), policy.RuleDoorCredential},
		"client as a token":                 {bearer(client), policy.RuleBan},
		"client in the place of a password": {at(attempt("alice", client), policy.API, policy.TLS), policy.RuleDoorCredential},
		"client for another door":           {bearer(onlyDAV), policy.RuleDoorCredential},
		"client that may not be used":       {dav("bob", denied), policy.RuleDesktop},
		"main password":                     {dav("alice", "correct horse"), policy.RuleBan},
	} {
		t.Run(name, func(t *testing.T) {
			before := w.hashes.Load()
			p, err := w.Prove(t.Context(), c.attempt, Once)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Effective.Admit(p.Attempt).Rule; got != c.want {
				t.Errorf("got rule %q, want %q", got, c.want)
			}
			if x := p.Attempt.Credential; x.Proved || x.ID != "" || p.failing != failsNothing {
				t.Errorf("something was judged: %+v, failing %v", x, p.failing)
			}
			if got := w.hashes.Load() - before; got != 0 {
				t.Errorf("got %d hashes, want none", got)
			}
		})
	}
}
