package auth

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

func banning(failures int) func(*accounts.Site) {
	return func(s *accounts.Site) {
		s.Ban = policy.Ban{Failures: failures, Period: "10m"}
		s.Lockout.Failures = 0
	}
}

func TestBanAfterManyNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.site(t, banning(3))
		w.add(t, "alice", "correct horse", nil)
		for i := range 3 {
			p, err := w.Prove(t.Context(), attempt(fmt.Sprint("user", i), "guess"), Once)
			if err != nil {
				t.Fatal(err)
			}
			if p.BanStarted != (i == 2) {
				t.Errorf("name %d: ban started %v", i, p.BanStarted)
			}
		}
		if got := w.prove(t, attempt("alice", "correct horse"), Once); got != policy.RuleBan {
			t.Errorf("got rule %q, want %q", got, policy.RuleBan)
		}
		elsewhere := attempt("alice", "correct horse")
		elsewhere.Address = netip.MustParseAddr("198.51.100.8")
		if got := w.prove(t, elsewhere, Once); got != policy.RuleAdmitted {
			t.Errorf("from another address: got rule %q, want %q", got, policy.RuleAdmitted)
		}
		time.Sleep(10 * time.Minute)
		if got := w.prove(t, attempt("alice", "correct horse"), Once); got != policy.RuleAdmitted {
			t.Errorf("after the period: got rule %q, want %q", got, policy.RuleAdmitted)
		}
		_ = w.accounts.Close(t.Context())
	})
}

func TestBanOfOneNameAndUnban(t *testing.T) {
	w := newWorld(t, nil)
	w.site(t, banning(3))
	w.add(t, "alice", "correct horse", nil)
	for range 9 {
		w.prove(t, attempt("alice", "stale"), Once)
	}
	if got := w.prove(t, attempt("alice", "correct horse"), Once); got != policy.RuleAdmitted {
		t.Fatalf("a stale secret bans: rule %q", got)
	}
	for i := range 2 {
		w.prove(t, attempt("alice", fmt.Sprint("guess ", i)), Once)
	}
	if banned, err := w.Banned(t.Context(), home); err != nil || !banned {
		t.Fatalf("got %v %v, want banned", banned, err)
	}
	if lifted, err := w.Unban(t.Context(), home); err != nil || !lifted {
		t.Fatalf("got %v %v, want the ban lifted", lifted, err)
	}
	if lifted, err := w.Unban(t.Context(), home); err != nil || lifted {
		t.Errorf("got %v %v, want nothing to lift", lifted, err)
	}
	w.prove(t, attempt("alice", "guess 7"), Once)
	if got := w.prove(t, attempt("alice", "correct horse"), Once); got != policy.RuleAdmitted {
		t.Errorf("got rule %q, want %q: the count did not begin anew", got, policy.RuleAdmitted)
	}
}

func TestWhatABanIsOn(t *testing.T) {
	f := failures{trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1",
		"2001:db8:1:2:3::4": "2001:db8:1:2::/64",
		"127.0.0.1":         "", "127.8.8.8": "", "::1": "", "::ffff:127.0.0.1": "", "10.1.2.3": "", "0.0.0.0": "",
	} {
		got, ok := f.origin(netip.MustParseAddr(address))
		if got != want || ok != (want != "") {
			t.Errorf("%s: got %q %v, want %q", address, got, ok, want)
		}
	}
	if _, ok := f.origin(netip.Addr{}); ok {
		t.Error("no address is banned")
	}
}

// An administrator who lifts a ban must see each, and what has led to it, and
// nothing that is in force no more.
func TestListBans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *Config) { c.Trusted = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} })
		w.site(t, banning(2))
		began := time.Now()
		for i, from := range []string{"203.0.113.9", "2001:db8:1:2:3::4", "203.0.113.7"} {
			for guess := range 2 {
				a := attempt(fmt.Sprint("user", guess), "guess")
				a.Address = netip.MustParseAddr(from)
				w.prove(t, a, Once)
			}
			if i == 0 {
				time.Sleep(time.Minute)
			}
		}
		// It was banned before it was trusted.
		if err := w.failures.ban(t.Context(), Ban{Address: "192.0.2.1"}, time.Hour); err != nil {
			t.Fatal(err)
		}
		first, next, err := w.Bans(t.Context(), "", 2)
		if err != nil || len(first) != 2 || next != "203.0.113.7" {
			t.Fatalf("got %v, then %q, %v, want two of three", first, next, err)
		}
		rest, next, err := w.Bans(t.Context(), next, 2)
		if err != nil || len(rest) != 1 || next != "" {
			t.Fatalf("got %v, then %q, %v, want the last one", rest, next, err)
		}
		if first[0].Address != "2001:db8:1:2::/64" || first[0].Failures != 2 {
			t.Errorf("got %+v, want the network of the second address after 2 failures", first[0])
		}
		if b := rest[0]; b.Address != "203.0.113.9" || !b.Since.Equal(began) || !b.Until.Equal(began.Add(10*time.Minute)) {
			t.Errorf("got %+v, want the first address for 10 minutes from %v", b, began)
		}
		time.Sleep(9 * time.Minute)
		if list, _, err := w.Bans(t.Context(), "", 0); err != nil || len(list) != 2 {
			t.Errorf("got %v %v, want those that go on", list, err)
		}
		w.site(t, banning(0))
		if list, _, err := w.Bans(t.Context(), "", 0); err != nil || len(list) != 0 {
			t.Errorf("with bans switched off: got %v %v, want none", list, err)
		}
		_ = w.accounts.Close(t.Context())
	})
}

// What failed at the same moment as the ban began has a count of its own: once
// lifted, the ban must not be back with the next failure.
func TestUnbanForgetsFailures(t *testing.T) {
	w := newWorld(t, nil)
	w.site(t, banning(3))
	if err := w.failures.ban(t.Context(), Ban{Address: home.String()}, time.Hour); err != nil {
		t.Fatal(err)
	}
	site, err := w.accounts.Site(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if _, err := w.failures.suspect(t.Context(), site.Site, home, "late", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if lifted, err := w.Unban(t.Context(), home); err != nil || !lifted {
		t.Fatalf("got %v %v, want the ban lifted", lifted, err)
	}
	w.prove(t, attempt("alice", "one more"), Once)
	if banned, err := w.Banned(t.Context(), home); err != nil || banned {
		t.Errorf("got banned %v, %v", banned, err)
	}
}

func TestParseBanned(t *testing.T) {
	for text, want := range map[string]string{
		"203.0.113.9": "203.0.113.9", "203.0.113.9/32": "203.0.113.9", "::ffff:203.0.113.9": "203.0.113.9",
		"2001:db8:1:2::/64": "2001:db8:1:2::/64", "2001:db8:1:2:3::4": "2001:db8:1:2::/64", "2001:db8:1:2:3::4/128": "2001:db8:1:2::/64",
		"203.0.113.0/24": "", "2001:db8::/32": "", "": "", "example.org": "", "203.0.113.9/33": "",
	} {
		a, err := ParseBanned(text)
		if (err == nil) != (want != "") {
			t.Errorf("%q: got error %v, want %q", text, err, want)
			continue
		}
		if got, _ := new(failures).origin(a); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
