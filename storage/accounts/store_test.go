package accounts

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, st state.Store) *Store {
	t.Helper()
	s, err := Open(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func create(t *testing.T, s *Store, name string, change func(*Account)) Account {
	t.Helper()
	a := Account{Account: policy.Account{Name: name}}
	if change != nil {
		change(&a)
	}
	made, err := s.Create(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func admin(a *Account) {
	a.Role = policy.RoleAdmin
	a.Password = &Password{ID: "p", Hash: "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaA"}
}

func TestCreateFillsIn(t *testing.T) {
	s := open(t, memory.New())
	a := create(t, s, "Alice Example", nil)
	if a.ID == "" || a.Created.IsZero() || a.Authentication != Local || a.Role != policy.RoleUser || a.Revision == 0 {
		t.Errorf("got %+v", a)
	}
	if a.Name != "Alice Example" || a.Home.String() != "/home/alice example" || a.PlainFTP != policy.Inherit {
		t.Errorf("got name %q, home %s, plain FTP %q", a.Name, a.Home, a.PlainFTP)
	}
	for _, name := range []string{"alice example", "ALICE EXAMPLE"} {
		got, err := s.Account(t.Context(), name)
		if err != nil || !reflect.DeepEqual(got, a) {
			t.Errorf("%s: got %+v %v, want %+v", name, got, err, a)
		}
	}
	if got, err := s.ByID(t.Context(), a.ID); err != nil || got.Name != a.Name {
		t.Errorf("got %+v %v", got, err)
	}
	for _, name := range []string{"nobody", "", "a/b", strings.Repeat("x", 10_000)} {
		if _, err := s.Account(t.Context(), name); !errors.Is(err, ErrNotFound) {
			t.Errorf("%.20q: got %v, want %v", name, err, ErrNotFound)
		}
	}
	if _, err := s.Create(t.Context(), Account{Account: policy.Account{Name: "ALICE example"}}); !errors.Is(err, ErrExists) {
		t.Errorf("got %v for a name that folds to one there is, want %v", err, ErrExists)
	}
}

func TestSameNameAtOnceIsCreatedOnce(t *testing.T) {
	st := memory.New()
	nodes := []*Store{open(t, st), open(t, st)}
	var all sync.WaitGroup
	made := make(chan error, 20)
	for i := range 20 {
		all.Go(func() {
			_, err := nodes[i%2].Create(t.Context(), Account{Account: policy.Account{Name: []string{"Alice", "alice"}[i%2]}})
			made <- err
		})
	}
	all.Wait()
	close(made)
	won := 0
	for err := range made {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, ErrExists):
			t.Errorf("got %v, want %v", err, ErrExists)
		}
	}
	if won != 1 {
		t.Errorf("the name was given %d times", won)
	}
}

// A name that was free again belongs to another account, which inherits nothing.
func TestRecreatedNameIsAnotherAccount(t *testing.T) {
	st := memory.New()
	s := open(t, st)
	old := create(t, s, "alice", func(a *Account) { a.Email = "alice@example.org" })
	s.Touch(old.ID, "", time.Now(), "192.0.2.1", policy.SFTP)
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Delete(t.Context(), "alice", 0, Guarded); err != nil {
		t.Fatal(err)
	}
	again := create(t, s, "alice", nil)
	if again.ID == old.ID || again.Email != "" {
		t.Errorf("got %+v, which inherits from %+v", again, old)
	}
	if got, _ := s.Activity(t.Context(), again.ID); !got.LastLogin.IsZero() {
		t.Errorf("got activity %+v", got)
	}
	if _, err := s.ByID(t.Context(), old.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v for the old id, want %v", err, ErrNotFound)
	}
	for item := range st.Dump(t.Context()) {
		if item.Kind == "record" && strings.Contains(item.Name, old.ID) {
			t.Errorf("%s/%s is left of the deleted account", item.Scope, item.Name)
		}
	}
	if got, err := open(t, st).Account(t.Context(), "alice"); err != nil || got.ID != again.ID {
		t.Errorf("after a restart: got %v %v", got.ID, err)
	}
}

func TestUpdateRevisions(t *testing.T) {
	s := open(t, memory.New())
	a := create(t, s, "alice", nil)
	rename := func(to string) func(*Account) error {
		return func(a *Account) error { a.DisplayName = to; return nil }
	}
	b, err := s.Update(t.Context(), "alice", a.Revision, rename("Alice"), Guarded)
	if err != nil || b.Revision == a.Revision || b.DisplayName != "Alice" {
		t.Fatalf("got %+v %v", b, err)
	}
	_, err = s.Update(t.Context(), "alice", a.Revision, rename("lost"), Guarded)
	var conflict *state.ConflictError
	if !errors.As(err, &conflict) || conflict.Revision != b.Revision {
		t.Errorf("got %v, want a conflict with revision %d", err, b.Revision)
	}
	same, err := s.Update(t.Context(), "alice", b.Revision, rename("Alice"), Guarded)
	if err != nil || same.Revision != b.Revision {
		t.Errorf("a change of nothing: got revision %d %v, want %d", same.Revision, err, b.Revision)
	}
	if _, err := s.Delete(t.Context(), "alice", a.Revision, Guarded); !errors.Is(err, state.ErrConflict) {
		t.Errorf("delete: got %v, want a conflict", err)
	}
	refuse := errors.New("no")
	if _, err := s.Update(t.Context(), "alice", 0, func(*Account) error { return refuse }, Guarded); !errors.Is(err, refuse) {
		t.Errorf("got %v, want the change's own error", err)
	}
}

func TestConcurrentUpdatesLoseNothing(t *testing.T) {
	st := memory.New()
	nodes := []*Store{open(t, st), open(t, st)}
	create(t, nodes[0], "alice", nil)
	waitFor(t, func() bool { _, err := nodes[1].Account(t.Context(), "alice"); return err == nil })
	var all sync.WaitGroup
	for i := range 30 {
		all.Go(func() {
			g := policy.Grant{Path: path.MustParse(fmt.Sprint("/shared/", i)), Permissions: policy.ReadOnly}
			if _, _, err := nodes[i%2].AddGrant(t.Context(), "alice", g, Guarded); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for i, s := range nodes {
		waitFor(t, func() bool { a, _ := s.Account(t.Context(), "alice"); return len(a.Grants) == 30 })
		if a, _ := s.Account(t.Context(), "alice"); len(a.Grants) != 30 {
			t.Errorf("node %d has %d grants, want 30", i, len(a.Grants))
		}
	}
}

// waitFor waits at most a second.
func waitFor(t *testing.T, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it is not so after a second")
		}
	}
}

func TestWhatIsRefused(t *testing.T) {
	s := open(t, memory.New())
	create(t, s, "alice", nil)
	negative := int64(-1)
	no := -1
	for name, c := range map[string]struct {
		field  string
		change func(*Account)
	}{
		"name":            {"username", func(a *Account) { a.Name = "bob" }},
		"id":              {"id", func(a *Account) { a.ID = "x" }},
		"role":            {"role", func(a *Account) { a.Role = "king" }},
		"door":            {"protocols", func(a *Account) { a.Protocols = []policy.Door{"gopher"} }},
		"plain FTP":       {"plain_ftp", func(a *Account) { a.PlainFTP = "maybe" }},
		"uploads":         {"uploads", func(a *Account) { a.Uploads = "sometimes" }},
		"grant of none":   {"grants", func(a *Account) { a.Grants = []policy.Grant{{Path: path.MustParse("/x")}} }},
		"grant at a path": {"grants", func(a *Account) { a.Grants = []policy.Grant{{Permissions: policy.Full, At: "a/b"}} }},
		"grants at one name": {"grants", func(a *Account) {
			a.Grants = []policy.Grant{
				{Path: path.MustParse("/x"), Permissions: policy.Full, At: "n"},
				{Path: path.MustParse("/y"), Permissions: policy.Full, At: "n"},
			}
		}},
		"grant twice": {"grants", func(a *Account) {
			a.Grants = []policy.Grant{{ID: "1", Permissions: policy.Full}, {ID: "1", Permissions: policy.Full}}
		}},
		"address":         {"allowed_ips", func(a *Account) { a.AllowedIPs = []netip.Prefix{{}} }},
		"expiry zone":     {"expires.zone", func(a *Account) { a.Expires = &policy.Expiry{Date: "2026-01-01", Zone: "Atlantis/Capital"} }},
		"expiry here":     {"expires.zone", func(a *Account) { a.Expires = &policy.Expiry{Date: "2026-01-01", Zone: "Local"} }},
		"expiry date":     {"expires", func(a *Account) { a.Expires = &policy.Expiry{Date: "2026-02-30"} }},
		"expiry of none":  {"expires", func(a *Account) { a.Expires = &policy.Expiry{} }},
		"quota":           {"quota.bytes", func(a *Account) { a.Quota.Bytes = &negative }},
		"quota of files":  {"quota.files", func(a *Account) { a.Quota.Files = &negative }},
		"limit":           {"limits.sessions", func(a *Account) { a.Limits.Sessions = -1 }},
		"e-mail":          {"email", func(a *Account) { a.Email = "not an address" }},
		"e-mail and name": {"email", func(a *Account) { a.Email = "Alice <alice@example.org>" }},
		"recovery e-mail": {"recovery_email", func(a *Account) { a.RecoveryEmail = "a@b\r\nBcc: c@d" }},
		"language":        {"language", func(a *Account) { a.Language = "klingon!" }},
		"time zone":       {"time_zone", func(a *Account) { a.TimeZone = "../../etc/passwd" }},
		"display name":    {"display_name", func(a *Account) { a.DisplayName = "a\x1b[2J" }},
		"notes":           {"notes", func(a *Account) { a.Notes = strings.Repeat("x", 5000) }},
		"uid":             {"uid", func(a *Account) { a.UID = &no }},
		"home":            {"home", func(a *Account) { a.Home = path.Root }},
		"group":           {"groups", func(a *Account) { a.Groups = []string{"nobody's"} }},
		"key":             {"public_key", func(a *Account) { a.Keys = []Key{{PublicKey: "ssh-rsa AAAA"}} }},
		"disabled admin": {"status", func(a *Account) {
			admin(a)
			a.Status.Disabled = true
		}},
		"authentication": {"authentication", func(a *Account) { a.Authentication = "magic" }},
		"shared, must change": {"must_change", func(a *Account) {
			a.Shared, a.Password = true, &Password{ID: "1", Hash: "x", MustChange: true}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Update(t.Context(), "alice", 0, func(a *Account) error { c.change(a); return nil }, Guarded)
			var invalid *InvalidError
			if !errors.As(err, &invalid) || invalid.Field != c.field || invalid.Why == "" {
				t.Errorf("got %v, want a refusal of %q", err, c.field)
			}
		})
	}
}

func TestWhatIsNormalised(t *testing.T) {
	s := open(t, memory.New())
	a := create(t, s, "alice", func(a *Account) {
		a.Protocols = []policy.Door{policy.WebDAV, policy.SFTP, policy.WebDAV}
		a.AllowedIPs = []netip.Prefix{
			netip.MustParsePrefix("192.0.2.77/24"), netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("::ffff:198.51.100.1/128"),
		}
		a.Grants = []policy.Grant{{Path: path.MustParse("/x"), Permissions: policy.ReadOnly}}
		a.TimeZone = "Asia/Tokyo"
		a.Expires = &policy.Expiry{Date: "2030-06-01"}
	})
	if want := []policy.Door{policy.SFTP, policy.WebDAV}; !slices.Equal(a.Protocols, want) {
		t.Errorf("got protocols %v, want %v", a.Protocols, want)
	}
	if got, want := fmt.Sprint(a.AllowedIPs), "[192.0.2.0/24 198.51.100.1/32]"; got != want {
		t.Errorf("got addresses %s, want %s", got, want)
	}
	if a.Grants[0].ID == "" {
		t.Error("the grant has no id")
	}
	if got, want := a.Expires.Instant.UTC().Format(time.RFC3339), "2030-06-01T15:00:00Z"; got != want || a.Expires.Zone != "Asia/Tokyo" {
		t.Errorf("got expiry %s in %s, want %s", got, a.Expires.Zone, want)
	}
	none := create(t, s, "none", func(a *Account) { a.Protocols = []policy.Door{} })
	again, err := open(t, s.state).Account(t.Context(), "none")
	if err != nil || none.Protocols == nil || again.Protocols == nil || len(again.Protocols) != 0 {
		t.Errorf("no protocol at all became %v, then %v (%v)", none.Protocols, again.Protocols, err)
	}
}

// full sets every field of a value to something, so that one which is forgotten
// in a copy or on disk is found.
func full(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		full(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		full(v.Index(0))
		full(v.Index(1))
	case reflect.Map:
		m := reflect.MakeMap(v.Type())
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		full(key)
		full(value)
		m.SetMapIndex(key, value)
		v.Set(m)
	case reflect.Struct:
		switch v.Interface().(type) {
		case time.Time:
			v.Set(reflect.ValueOf(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)))
		case netip.Prefix:
			v.Set(reflect.ValueOf(netip.MustParsePrefix("192.0.2.0/24")))
		case path.Path:
			v.Set(reflect.ValueOf(path.MustParse("/some/where")))
		default:
			for i := range v.NumField() {
				full(v.Field(i))
			}
		}
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint8, reflect.Uint64:
		v.SetUint(3)
	}
}

// shares returns where two values have memory in common.
func shares(a, b reflect.Value, at string) []string {
	switch a.Kind() {
	case reflect.Pointer:
		if a.UnsafePointer() == b.UnsafePointer() {
			return []string{at}
		}
		return shares(a.Elem(), b.Elem(), at)
	case reflect.Slice, reflect.Map:
		if a.UnsafePointer() == b.UnsafePointer() {
			return []string{at}
		}
		if a.Kind() == reflect.Slice {
			return shares(a.Index(0), b.Index(0), at+"[0]")
		}
	case reflect.Struct:
		if a.Type().PkgPath() == "time" || a.Type().PkgPath() == "net/netip" {
			return nil
		}
		var all []string
		for i := range a.NumField() {
			all = append(all, shares(a.Field(i), b.Field(i), at+"."+a.Type().Field(i).Name)...)
		}
		return all
	}
	return nil
}

func TestCloneIsWholeAndSharesNothing(t *testing.T) {
	var a Account
	var g Group
	var s Site
	for _, v := range []any{&a, &g, &s} {
		full(reflect.ValueOf(v).Elem())
	}
	ca, cg, cs := a.clone(), g.clone(), s.clone()
	for name, pair := range map[string][2]any{"account": {a, ca}, "group": {g, cg}, "site": {s, cs}} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("the clone of the %s is another", name)
		}
		if at := shares(reflect.ValueOf(pair[0]), reflect.ValueOf(pair[1]), name); len(at) > 0 {
			t.Errorf("the clone shares %v", at)
		}
	}
}

func TestRecordsComeBackWhole(t *testing.T) {
	var a Account
	var g Group
	var s Site
	for _, v := range []any{&a, &g, &s} {
		full(reflect.ValueOf(v).Elem())
	}
	back := func(v any) state.Record {
		p, err := put("account/x", v)
		if err != nil {
			t.Fatal(err)
		}
		return state.Record{Name: p.Name, Value: p.Value, Revision: a.Revision}
	}
	gotA, errA := decodeAccount(back(a))
	gotG, errG := decodeGroup(back(g))
	gotS, errS := decodeSite(back(s))
	if err := errors.Join(errA, errG, errS); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(*gotA, a) || !reflect.DeepEqual(*gotG, g) || !reflect.DeepEqual(*gotS, s) {
		t.Errorf("got\n%+v\n%+v\n%+v\nwant\n%+v\n%+v\n%+v", *gotA, *gotG, *gotS, a, g, s)
	}
}

func TestNewerRecordsAreRefused(t *testing.T) {
	st := memory.New()
	_, err := st.Apply(t.Context(), state.Batch{Scope: scope, Puts: []state.Put{{Name: "site", Value: []byte(`{"format":2,"data":{}}`)}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), st); !errors.Is(err, state.ErrNewer) {
		t.Errorf("got %v, want %v", err, state.ErrNewer)
	}
}

// What another node writes is known here within moments, and announced once.
func TestChangesOfAnotherNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		here, there := open(t, st), open(t, st)
		changes := here.Changes(t.Context())
		next := func() Change { return <-changes }
		a := create(t, there, "Alice", nil)
		if got, want := next(), (Change{KindAccount, a.ID, "alice"}); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
		if got, err := here.Account(t.Context(), "alice"); err != nil || got.Revision != a.Revision {
			t.Errorf("got %+v %v", got, err)
		}
		if _, err := here.Update(t.Context(), "alice", 0, func(a *Account) error { a.Notes = "x"; return nil }, Guarded); err != nil {
			t.Fatal(err)
		}
		next()
		if _, err := there.UpdateSite(t.Context(), 0, func(s *Site) error { s.Language = "de"; return nil }, Guarded); err != nil {
			t.Fatal(err)
		}
		if got := next().Kind; got != KindSite {
			t.Errorf("got %q, want the site", got)
		}
		g, err := there.CreateGroup(t.Context(), Group{Group: policy.Group{Name: "Staff"}})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := next(), (Change{KindGroup, g.ID, "staff"}); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
		if _, err := there.Delete(t.Context(), "alice", 0, Guarded); err != nil {
			t.Fatal(err)
		}
		if got, want := next(), (Change{KindAccount, a.ID, "alice"}); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
		synctest.Wait()
		select {
		case c := <-changes:
			t.Errorf("got %v, which is no change", c)
		default:
		}
		if _, err := here.Account(t.Context(), "alice"); !errors.Is(err, ErrNotFound) {
			t.Errorf("got %v, want %v", err, ErrNotFound)
		}
	})
}

func TestSlowReaderOfChangesGetsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, memory.New())
		changes := s.Changes(t.Context())
		for i := range maxPending + 10 {
			create(t, s, fmt.Sprint("user", i), nil)
		}
		synctest.Wait()
		var kinds []string
		for len(kinds) == 0 || kinds[len(kinds)-1] != KindAll {
			kinds = append(kinds, (<-changes).Kind)
		}
		if len(kinds) > maxPending {
			t.Errorf("%d changes waited before %q", len(kinds), KindAll)
		}
	})
}

// A node that was cut off from the changes reads all anew, and forgets what was
// deleted meanwhile.
func TestResync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &gappy{Store: memory.New()}
		here := open(t, st)
		there := open(t, st.Store)
		create(t, there, "stays", nil)
		create(t, there, "goes", nil)
		synctest.Wait()
		st.silent(true)
		changes := here.Changes(t.Context())
		if _, err := there.Delete(t.Context(), "goes", 0, Guarded); err != nil {
			t.Fatal(err)
		}
		create(t, there, "comes", nil)
		synctest.Wait()
		if _, err := here.Account(t.Context(), "comes"); err == nil {
			t.Fatal("the node was not cut off")
		}
		st.silent(false)
		st.resync()
		for (<-changes).Kind != KindAll {
		}
		for name, there := range map[string]bool{"stays": true, "goes": false, "comes": true} {
			if _, err := here.Account(t.Context(), name); (err == nil) != there {
				t.Errorf("%s: got %v, want there %v", name, err, there)
			}
		}
	})
}

// gappy is a store whose watches can be made to miss changes.
type gappy struct {
	state.Store
	mu    sync.Mutex
	quiet bool
	out   chan state.Change
}

func (g *gappy) silent(yes bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.quiet = yes
}

func (g *gappy) resync() { g.out <- state.Change{Resync: true} }

func (g *gappy) Watch(ctx context.Context, scope string, after uint64) (<-chan state.Change, error) {
	in, err := g.Store.Watch(ctx, scope, after)
	if err != nil {
		return nil, err
	}
	g.out = make(chan state.Change)
	go func() {
		defer close(g.out)
		for c := range in {
			g.mu.Lock()
			quiet := g.quiet
			g.mu.Unlock()
			if quiet {
				continue
			}
			select {
			case g.out <- c:
			case <-ctx.Done():
			}
		}
	}()
	return g.out, nil
}

// A slower writer's result must not bring back what was deleted meanwhile.
func TestDeletedStaysDeleted(t *testing.T) {
	s := open(t, memory.New())
	a := create(t, s, "alice", nil)
	late, err := put(accountPrefix+a.ID, a)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Delete(t.Context(), "alice", 0, Guarded); err != nil {
		t.Fatal(err)
	}
	s.indexed(state.Batch{Puts: []state.Put{late}}, a.Revision+10)
	if _, err := s.Account(t.Context(), "alice"); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v, want %v", err, ErrNotFound)
	}
}

func TestEffectiveFollows(t *testing.T) {
	s := open(t, memory.New())
	g, err := s.CreateGroup(t.Context(), Group{Group: policy.Group{Name: "staff"}})
	if err != nil {
		t.Fatal(err)
	}
	a := create(t, s, "alice", func(a *Account) { a.Groups = []string{g.ID} })
	target := policy.Target{Path: path.MustParse("/shared/x"), Folder: true}
	allowed := func() bool {
		_, e, err := s.Look(t.Context(), "alice")
		if err != nil {
			t.Fatal(err)
		}
		return e.Decide(policy.OpRead, target).Allowed
	}
	if allowed() {
		t.Fatal("allowed without a grant")
	}
	grant := policy.Grant{Path: path.MustParse("/shared"), Permissions: policy.ReadOnly, Recursive: true}
	_, _, err = s.AddGroupGrant(t.Context(), "staff", grant, Guarded)
	if err != nil || !allowed() {
		t.Errorf("a grant of the group: %v, allowed %v", err, allowed())
	}
	if _, err := s.RemoveMember(t.Context(), "staff", "alice", Guarded); err != nil || allowed() {
		t.Errorf("without membership: %v, allowed %v", err, allowed())
	}
	if _, err := s.AddMember(t.Context(), "staff", "alice", Guarded); err != nil || !allowed() {
		t.Errorf("with membership: %v, allowed %v", err, allowed())
	}
	if err := s.DeleteGroup(t.Context(), "staff", 0, Guarded); err != nil || allowed() {
		t.Errorf("without the group: %v, allowed %v", err, allowed())
	}
	// A draft is resolved as it is, though its revision is the stored one's.
	draft, err := s.ByID(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	draft.Grants = append(draft.Grants, grant)
	if e, err := s.Effective(t.Context(), draft); err != nil || !e.Decide(policy.OpRead, target).Allowed || allowed() {
		t.Errorf("a draft with a grant: %v, stored allowed %v", err, allowed())
	}
}

func TestGroups(t *testing.T) {
	s := open(t, memory.New())
	g, err := s.CreateGroup(t.Context(), Group{Group: policy.Group{Name: "Staff"}})
	if err != nil || g.ID == "" || g.Kind != UserGroup {
		t.Fatalf("got %+v %v", g, err)
	}
	if _, err := s.CreateGroup(t.Context(), Group{Group: policy.Group{Name: "STAFF"}}); !errors.Is(err, ErrExists) {
		t.Errorf("got %v, want %v", err, ErrExists)
	}
	other, err := s.CreateGroup(t.Context(), Group{Group: policy.Group{Name: "other"}})
	if err != nil {
		t.Fatal(err)
	}
	name := func(to string) func(*Group) error { return func(g *Group) error { g.Name = to; return nil } }
	if _, err := s.UpdateGroup(t.Context(), "other", 0, name("staff"), Guarded); !errors.Is(err, ErrExists) {
		t.Errorf("got %v for a taken name, want %v", err, ErrExists)
	}
	var invalid *InvalidError
	if _, err := s.UpdateGroup(t.Context(), "other", 0, name("a/b"), Guarded); !errors.As(err, &invalid) || invalid.Field != "name" {
		t.Errorf("got %v, want a refusal of the name", err)
	}
	if _, err := s.UpdateGroup(t.Context(), "other", other.Revision+99, name("x"), Guarded); !errors.Is(err, state.ErrConflict) {
		t.Errorf("got %v, want a conflict", err)
	}
	if _, err := s.UpdateGroup(t.Context(), "other", 0, name("renamed"), Guarded); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Group(t.Context(), "other"); !errors.Is(err, ErrNotFound) {
		t.Errorf("the old name is still there: %v", err)
	}
	if _, err := s.CreateGroup(t.Context(), Group{Group: policy.Group{Name: "other"}}); err != nil {
		t.Errorf("the old name is not free: %v", err)
	}
	create(t, s, "alice", func(a *Account) { a.Groups = []string{g.ID, other.ID, g.ID} })
	if err := s.DeleteGroup(t.Context(), "staff", 0, Guarded); err != nil {
		t.Fatal(err)
	}
	a, err := s.Account(t.Context(), "alice")
	if err != nil || !slices.Equal(a.Groups, []string{other.ID}) {
		t.Errorf("got groups %v %v, want only the other", a.Groups, err)
	}
	list, err := s.Groups(t.Context())
	if err != nil || len(list) != 2 || list[0].Name != "other" || list[1].Name != "renamed" {
		t.Errorf("got %v %v", list, err)
	}
	if _, err := open(t, s.state).Group(t.Context(), "renamed"); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

// Memberships of a group whose deletion was cut short count for nothing, and go
// with the account's next change.
func TestDeadMembershipsAreDropped(t *testing.T) {
	s := open(t, memory.New())
	g, err := s.CreateGroup(t.Context(), Group{Group: policy.Group{Name: "staff"}})
	if err != nil {
		t.Fatal(err)
	}
	create(t, s, "alice", func(a *Account) { a.Groups = []string{g.ID} })
	if _, err := s.apply(t.Context(), state.Batch{Deletes: []string{groupPrefix + g.ID, groupNameIndex + "staff"}}); err != nil {
		t.Fatal(err)
	}
	a, err := s.Update(t.Context(), "alice", 0, func(a *Account) error { a.Notes = "x"; return nil }, Guarded)
	if err != nil || len(a.Groups) != 0 {
		t.Errorf("got groups %v %v, want none", a.Groups, err)
	}
}

func TestSite(t *testing.T) {
	s := open(t, memory.New())
	site, err := s.Site(t.Context())
	if err != nil || !reflect.DeepEqual(site.Site, policy.DefaultSite()) || site.Revision != 0 {
		t.Errorf("got %+v %v, want the default", site, err)
	}
	now, err := s.UpdateSite(t.Context(), 0, func(s *Site) error { s.Language = "de"; return nil }, Guarded)
	if err != nil || now.Language != "de" || now.Revision == 0 {
		t.Errorf("got %+v %v", now, err)
	}
	if _, err := s.UpdateSite(t.Context(), now.Revision+1, func(*Site) error { return nil }, Guarded); !errors.Is(err, state.ErrConflict) {
		t.Errorf("got %v, want a conflict", err)
	}
	for field, change := range map[string]func(*Site){
		"time_zone":       func(s *Site) { s.TimeZone = "nowhere" },
		"language":        func(s *Site) { s.Language = "!" },
		"plain_ftp":       func(s *Site) { s.PlainFTP = "inherit" },
		"lockout.period":  func(s *Site) { s.Lockout.Period = "soon" },
		"limits.sessions": func(s *Site) { s.Limits.Sessions = -1 },
	} {
		_, err := s.UpdateSite(t.Context(), 0, func(s *Site) error { change(s); return nil }, Guarded)
		var invalid *InvalidError
		if !errors.As(err, &invalid) || invalid.Field != field {
			t.Errorf("got %v, want a refusal of %q", err, field)
		}
	}
	if again, err := open(t, s.state).Site(t.Context()); err != nil || !reflect.DeepEqual(again, now) {
		t.Errorf("after a restart: got %+v %v", again, err)
	}
}
