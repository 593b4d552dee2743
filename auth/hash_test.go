package auth

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// The floor goes by what was imported, in whatever format.
func TestFloorFollowsForeignHashes(t *testing.T) {
	w := newWorld(t, nil)
	last := w.Floor()
	for _, hash := range []string{
		"$6$saltstring$YaCu2MStiERxP6eAfnqzSik5VRgnHvrJZritjF0LObFzQvtcVVYhcxvYtJQnZGXYzzoMLC/eRIuV9rH5fblCo/",
		"$2b$10$abcdefghijklmnopqrstuulFOFY4dFoJiDLx.cuwYgWLA/HgqCwKu",
		"$2b$12$abcdefghijklmnopqrstuulFOFY4dFoJiDLx.cuwYgWLA/HgqCwKu",
	} {
		w.add(t, fmt.Sprint("import", hash[3:6]), "", func(a *accounts.Account) { a.Password = &accounts.Password{ID: "x", Hash: hash} })
		if got := w.Floor(); got <= last {
			t.Errorf("with %s: got %v, not more than %v", hash, got, last)
		}
		last = w.Floor()
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
	if got := w.Floor(); got-margin < 29*(cheapest-margin) {
		t.Errorf("got %v, want 30 times %v beside the margin", got, cheapest-margin)
	}
	if _, err := w.accounts.Delete(t.Context(), "import", 0, accounts.Guarded); err != nil {
		t.Fatal(err)
	}
	if got := w.Floor(); got != cheapest {
		t.Errorf("got %v once the hash is gone, want %v", got, cheapest)
	}
}

// Outcomes that differ by a write or two must be told at the same moment.
func TestSettleWaitsForWholeFloors(t *testing.T) {
	w := newWorld(t, nil)
	w.base.Store(int64(100 * time.Millisecond)) // a floor of 200 ms
	for took, want := range map[time.Duration]time.Duration{0: 200, 120: 200, 180: 200, 210: 400, 390: 400, 1050: 1200} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			time.Sleep(took * time.Millisecond)
			w.Settle(t.Context(), began)
			if got := time.Since(began); got != want*time.Millisecond {
				t.Errorf("after %d ms: got %v, want %d ms", took, got, want)
			}
		})
	}
}

func TestFloorGoesByTheQuickestHash(t *testing.T) {
	w := newWorld(t, nil)
	w.base.Store(int64(time.Hour)) // measured while the machine was busy
	w.add(t, "alice", "correct horse", nil)
	w.prove(t, attempt("alice", "wrong"), Once)
	if got := w.Floor(); got > time.Minute {
		t.Errorf("got %v", got)
	}
}

func TestUpgradeKeepsPasswordID(t *testing.T) {
	old := hasher{params: Params{Memory: 32, Time: 2, Threads: 1}, compute: argon2id}
	for scheme, hash := range map[string]string{"argon2id": old.hash([]byte("correct horse")), "des-crypt": "Z59gKMN2ajnCs"} {
		t.Run(scheme, func(t *testing.T) {
			if got := HashName(hash); got != scheme {
				t.Errorf("it is called %s", got)
			}
			upgradeKeepsPasswordID(t, hash)
		})
	}
}

func upgradeKeepsPasswordID(t *testing.T, hash string) {
	w := newWorld(t, nil)
	a := w.add(t, "import", "", func(a *accounts.Account) {
		a.Password = &accounts.Password{ID: "kept", Hash: hash}
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
