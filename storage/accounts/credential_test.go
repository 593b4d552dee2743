package accounts

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts/credentials"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

func appPassword(name string) Credential {
	return Credential{Kind: policy.KindAppPassword, Name: name}
}

func client(name string) Credential {
	return Credential{Kind: policy.KindClient, Name: name, Device: &Device{Computer: "laptop"}}
}

// A secret is in the hands of whom it was shown to, and nowhere else.
func TestCredentialIsFoundByItsText(t *testing.T) {
	st := memory.New()
	s := open(t, st)
	create(t, s, "alice", nil)
	before, _ := s.Account(t.Context(), "alice")
	seen := map[string]bool{}
	for _, c := range []Credential{appPassword("phone"), {Kind: policy.KindToken, Name: "script"}, client("laptop")} {
		made, text, err := s.AddCredential(t.Context(), "alice", 0, c, Guarded)
		if err != nil {
			t.Fatal(err)
		}
		id, secret, ok := credentials.ParseSecret(text)
		if !ok || id != made.ID || seen[secret] || len(secret) < 32 {
			t.Errorf("%s: got %q, %v, for the credential %s", c.Kind, text, ok, made.ID)
		}
		seen[secret] = true
		owner, found, err := s.CredentialByID(t.Context(), id)
		if err != nil || owner.Name != "alice" || found.Name != c.Name || !found.Proves(secret) || found.Proves(secret+"x") || found.Proves("") {
			t.Errorf("%s: got %+v of %q, %v", c.Kind, found, owner.Name, err)
		}
		if owner.Revision == before.Revision {
			t.Errorf("%s: the account's revision is the same as before", c.Kind)
		}
		for item := range st.Dump(t.Context()) {
			if bytes.Contains(item.Value, []byte(secret)) || strings.Contains(item.Name, secret) {
				t.Errorf("%s: the secret is kept in %s/%s", c.Kind, item.Scope, item.Name)
			}
		}
	}
	again := open(t, st)
	a, err := again.Account(t.Context(), "alice")
	if err != nil || len(a.Credentials) != 3 {
		t.Fatalf("after a restart: got %+v %v", a.Credentials, err)
	}
	if _, _, err := again.CredentialByID(t.Context(), a.Credentials[0].ID); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	for _, text := range []string{"", "password", "gwa_", "gwa_a_b", "xxx_" + strings.Repeat("a", 16) + "_" + strings.Repeat("a", 32)} {
		if _, _, ok := credentials.ParseSecret(text); ok {
			t.Errorf("%q was taken for a credential", text)
		}
	}
}

// Every node forgets a revoked credential, and tells those who judge open
// sessions; the same holds for that of a deleted account, under whatever name.
func TestRevokedCredentialIsKnownNowhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		here, there := open(t, st), open(t, st)
		a := create(t, here, "alice", nil)
		one, _, err := here.AddCredential(t.Context(), "alice", 0, appPassword("one"), Guarded)
		if err != nil {
			t.Fatal(err)
		}
		two, _, err := here.AddCredential(t.Context(), "alice", 0, appPassword("two"), Guarded)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, _, err := there.CredentialByID(t.Context(), one.ID); err != nil {
			t.Fatal(err)
		}
		changes := there.Changes(t.Context())
		if _, err := here.RemoveCredential(t.Context(), "alice", 0, one.ID, Guarded); err != nil {
			t.Fatal(err)
		}
		if !announced(changes)[a.ID] {
			t.Error("nobody was told")
		}
		if _, err := here.RemoveCredential(t.Context(), "alice", 0, one.ID, Guarded); !errors.Is(err, ErrNotFound) {
			t.Errorf("a second time: got %v, want %v", err, ErrNotFound)
		}
		if _, err := here.Delete(t.Context(), "alice", 0, Guarded); err != nil {
			t.Fatal(err)
		}
		create(t, here, "alice", nil)
		synctest.Wait()
		for _, s := range []*Store{here, there} {
			for _, id := range []string{one.ID, two.ID} {
				if _, _, err := s.CredentialByID(t.Context(), id); !errors.Is(err, ErrNotFound) {
					t.Errorf("got %v, want %v", err, ErrNotFound)
				}
			}
		}
	})
}

func TestWhatIsNoCredential(t *testing.T) {
	s := open(t, memory.New())
	create(t, s, "alice", nil)
	folder := path.MustParse("/x")
	for name, c := range map[string]struct {
		field  string
		change func(*Credential)
	}{
		"kind":                  {"kind", func(c *Credential) { c.Kind = policy.KindPassword }},
		"no name":               {"name", func(c *Credential) { c.Name = "" }},
		"name":                  {"name", func(c *Credential) { c.Name = "a\x1b[2J" }},
		"long name":             {"name", func(c *Credential) { c.Name = strings.Repeat("x", 300) }},
		"app password, API":     {"doors", func(c *Credential) { c.Doors = []policy.Door{policy.API} }},
		"token, SFTP":           {"doors", func(c *Credential) { c.Kind, c.Doors = policy.KindToken, []policy.Door{policy.SFTP} }},
		"no doors":              {"doors", func(c *Credential) { c.Doors = []policy.Door{} }},
		"token with a folder":   {"folder", func(c *Credential) { c.Kind, c.Scope.Folder = policy.KindToken, &folder }},
		"addresses":             {"allowed_ips", func(c *Credential) { c.AllowedIPs = []string{"here"} }},
		"many addresses":        {"allowed_ips", func(c *Credential) { c.AllowedIPs = slices.Repeat([]string{"192.0.2.1"}, 1001) }},
		"app password's device": {"device", func(c *Credential) { c.Device = &Device{Computer: "x"} }},
		"client without device": {"device", func(c *Credential) { c.Kind = policy.KindClient }},
		"client without name":   {"device.computer", func(c *Credential) { c.Kind, c.Device = policy.KindClient, &Device{} }},
		"client's odd system":   {"device.os", func(c *Credential) { c.Kind, c.Device = policy.KindClient, &Device{Computer: "x", OS: "\n"} }},
		"sync without an id":    {"device.syncs", func(c *Credential) { *c = client("x"); c.Device.Syncs = []Sync{{Local: "/x"}} }},
		"sync from nowhere":     {"local_path", func(c *Credential) { *c = client("x"); c.Device.Syncs = []Sync{{ID: "1"}} }},
		"two syncs of one id": {"device.syncs", func(c *Credential) {
			*c = client("x")
			c.Device.Syncs = []Sync{{ID: "1", Local: "/x"}, {ID: "1", Local: "/y"}}
		}},
		"client, SFTP":           {"doors", func(c *Credential) { *c = client("x"); c.Doors = []policy.Door{policy.SFTP} }},
		"a door that is no door": {"doors", func(c *Credential) { c.Doors = []policy.Door{"gopher"} }},
	} {
		t.Run(name, func(t *testing.T) {
			made := appPassword("phone")
			c.change(&made)
			_, _, err := s.AddCredential(t.Context(), "alice", 0, made, Guarded)
			var invalid *InvalidError
			if !errors.As(err, &invalid) || invalid.Field != c.field || invalid.Why == "" {
				t.Errorf("got %v, want a refusal of %q", err, c.field)
			}
		})
	}
}

// An app password never opens the API, nor a token a file door, whatever is left
// out when it is made.
func TestOpenDoors(t *testing.T) {
	for kind, want := range map[policy.CredentialKind][]policy.Door{
		policy.KindAppPassword: {policy.SFTP, policy.FTP, policy.WebDAV},
		policy.KindToken:       {policy.API},
		policy.KindClient:      {policy.WebDAV, policy.Web, policy.API},
	} {
		if got := (Credential{Kind: kind}).OpenDoors(); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", kind, got, want)
		}
	}
	if got := (Credential{Kind: policy.KindAppPassword, Doors: []policy.Door{}}).OpenDoors(); got == nil || len(got) != 0 {
		t.Errorf("got %v, want none", got)
	}
}

func TestUpdateKeepsWhatACredentialIs(t *testing.T) {
	s := open(t, memory.New())
	create(t, s, "alice", nil)
	made, _, err := s.AddCredential(t.Context(), "alice", 0, appPassword("phone"), Guarded)
	if err != nil {
		t.Fatal(err)
	}
	changed, err := s.UpdateCredential(t.Context(), "alice", made.ID, func(c *Credential) error {
		c.Name, c.ID, c.Hash, c.Kind, c.Added = "tablet", "x", credentials.HashSecret("known"), policy.KindToken, time.Time{}
		return nil
	}, Guarded)
	if err != nil {
		t.Fatal(err)
	}
	if changed.Name != "tablet" || changed.ID != made.ID || changed.Hash != made.Hash || changed.Kind != made.Kind || !changed.Added.Equal(made.Added) {
		t.Errorf("got %+v, was %+v", changed, made)
	}
	if _, err := s.UpdateCredential(t.Context(), "alice", "x", func(*Credential) error { return nil }, Guarded); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v, want %v", err, ErrNotFound)
	}
}

// An id that another account's credential has would prove the wrong account.
func TestCredentialIDsAreOnce(t *testing.T) {
	s := open(t, memory.New())
	create(t, s, "alice", nil)
	create(t, s, "mallory", nil)
	made, _, err := s.AddCredential(t.Context(), "alice", 0, appPassword("phone"), Guarded)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Update(t.Context(), "mallory", 0, func(a *Account) error {
		a.Credentials = []Credential{made}
		return nil
	}, Guarded)
	var invalid *InvalidError
	if !errors.As(err, &invalid) || invalid.Field != "credentials" {
		t.Errorf("got %v, want a refusal of the credentials", err)
	}
	if owner, _, err := s.CredentialByID(t.Context(), made.ID); err != nil || owner.Name != "alice" {
		t.Errorf("got %q %v, want alice", owner.Name, err)
	}
}

func TestSyncsOfAClient(t *testing.T) {
	s := open(t, memory.New())
	a := create(t, s, "alice", nil)
	made, _, err := s.AddCredential(t.Context(), "alice", 0, client("laptop"), Guarded)
	if err != nil {
		t.Fatal(err)
	}
	y, err := s.AddSync(t.Context(), "alice", made.ID, Sync{Local: `C:\Users\alice\Documents`, Remote: path.MustParse("/home/alice/docs")}, Guarded)
	if err != nil || y.ID == "" || y.Created.IsZero() {
		t.Fatalf("got %+v %v", y, err)
	}
	if _, err := s.UpdateSync(t.Context(), "alice", made.ID, y.ID, func(y *Sync) error { y.ID, y.Local = "x", "/home/alice"; return nil }, Guarded); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Truncate(time.Second)
	s.Synced(a.ID, made.ID, y.ID, at, "192.0.2.1", policy.WebDAV)
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	used, _ := open(t, s.state).Activity(t.Context(), a.ID)
	if got := used.LastSync(made.ID, y.ID); !got.At.Equal(at) || got.Address != "192.0.2.1" || !used.LastLogin.IsZero() {
		t.Errorf("got last sync %+v, last login %s", got, used.LastLogin)
	}
	_, c, err := s.CredentialByID(t.Context(), made.ID)
	if err != nil || len(c.Device.Syncs) != 1 || c.Device.Syncs[0].ID != y.ID || c.Device.Syncs[0].Local != "/home/alice" {
		t.Errorf("got %+v %v", c.Device, err)
	}
	if err := s.RemoveSync(t.Context(), "alice", made.ID, y.ID, Guarded); err != nil {
		t.Fatal(err)
	}
	if err := s.RemoveSync(t.Context(), "alice", made.ID, y.ID, Guarded); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v, want %v", err, ErrNotFound)
	}
	phone, _, err := s.AddCredential(t.Context(), "alice", 0, appPassword("phone"), Guarded)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddSync(t.Context(), "alice", phone.ID, Sync{Local: "/x"}, Guarded); !errors.Is(err, ErrNotFound) {
		t.Errorf("a sync of an app password: got %v, want %v", err, ErrNotFound)
	}
}

// The last use of a credential is told for as long as there is the credential.
func TestUsesOfCredentials(t *testing.T) {
	s := open(t, memory.New())
	a := create(t, s, "alice", nil)
	kept, _, err := s.AddCredential(t.Context(), "alice", 0, appPassword("kept"), Guarded)
	if err != nil {
		t.Fatal(err)
	}
	gone, _, err := s.AddCredential(t.Context(), "alice", 0, appPassword("gone"), Guarded)
	if err != nil {
		t.Fatal(err)
	}
	const certificate, old = "SHA256:certificate", "SHA256:old"
	for _, id := range []string{kept.ID, gone.ID, certificate} {
		s.Touch(a.ID, id, time.Now(), "192.0.2.1", policy.SFTP)
	}
	s.Touch(a.ID, old, time.Now().AddDate(0, -6, 0), "192.0.2.1", policy.SFTP)
	if _, err := s.RemoveCredential(t.Context(), "alice", 0, gone.ID, Guarded); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	used, err := open(t, s.state).Activity(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]bool{kept.ID: true, gone.ID: false, certificate: true, old: false} {
		if _, got := used.LastUsed[id]; got != want {
			t.Errorf("%s: got %v, want %v", id, got, want)
		}
	}
}

// Two who change what proves an account from one and the same view of it: the
// second is told that it has changed, and nothing of the first is lost.
func TestLostUpdatesOfCredentials(t *testing.T) {
	s := open(t, memory.New())
	a, _ := enrolled(t, s, "alice")
	phone, _, err := s.AddCredential(t.Context(), "alice", 0, appPassword("phone"), Guarded)
	if err != nil {
		t.Fatal(err)
	}
	key := func() Key {
		k, err := credentials.ParseKey(newEd25519(t))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	laptop, _, err := s.AddKey(t.Context(), "alice", 0, key(), Guarded)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(revision uint64) error{
		"add credential": func(r uint64) error {
			_, _, err := s.AddCredential(t.Context(), "alice", r, appPassword("tablet"), Guarded)
			return err
		},
		"remove credential": func(r uint64) error {
			_, err := s.RemoveCredential(t.Context(), "alice", r, phone.ID, Guarded)
			return err
		},
		"add key":     func(r uint64) error { _, _, err := s.AddKey(t.Context(), "alice", r, key(), Guarded); return err },
		"remove key":  func(r uint64) error { _, err := s.RemoveKey(t.Context(), "alice", r, laptop.ID, Guarded); return err },
		"remove TOTP": func(r uint64) error { _, err := s.RemoveTOTP(t.Context(), "alice", r, Guarded); return err },
	} {
		if err := change(a.Revision); !errors.Is(err, state.ErrConflict) {
			t.Errorf("%s against an old revision: got %v, want %v", name, err, state.ErrConflict)
		}
		now, err := s.Account(t.Context(), "alice")
		if err != nil {
			t.Fatal(err)
		}
		if err := change(now.Revision); err != nil {
			t.Errorf("%s against the present one: %v", name, err)
		}
	}
}
