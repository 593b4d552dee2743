package rest

import "testing"

func TestGuess(t *testing.T) {
	names := []string{"anna", "bert", "login.refused", "login", "logout", "quota.set"}
	for asked, want := range map[string]string{
		"ana": "anna", "nana": "anna", "anan": "anna", "login.refsued": "login.refused", "logon": "login", "quota.sett": "quota.set",
		"zz": "", "nobody": "", "": "", "b": "", "ännä": "anna",
	} {
		g := NewGuess(asked)
		for _, name := range names {
			g.Offer(name)
		}
		if g.best != want {
			t.Errorf("%q: got %q, want %q", asked, g.best, want)
		}
	}
}
