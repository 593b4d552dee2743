package server

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"gatehouse/configs"
	"gatehouse/storage/installation"
	"gatehouse/storage/state"
	"gatehouse/storage/state/bolt"
	"gatehouse/storage/state/memory"
	"gatehouse/storage/state/redis/redistest"
	"gatehouse/storage/state/typed"
)

// lost is what a node says that finds another's state, or none, in its store.
const lost = "THE STORE DOES NOT HAVE THE STATE OF THIS INSTALLATION"

// withKeys has nodes serve SFTP as well, whose host keys they have together.
func withKeys(c *configs.Loaded) { c.Listen.SFTP = "127.0.0.1:0" }

// keepState takes what a Redis has, and brings it back.
func keepState(t *testing.T, server *redistest.Server) (back func()) {
	t.Helper()
	kept := memory.New()
	if err := kept.Load(t.Context(), storeOf(t, server).Dump(t.Context())); err != nil {
		t.Fatal(err)
	}
	s := storeOf(t, server)
	return func() {
		t.Helper()
		for began := time.Now(); ; {
			server.Flush(t)
			err := s.Load(t.Context(), kept.Dump(t.Context()))
			if err == nil {
				return
			}
			// A node that has not noticed yet has written what is nobody's.
			if !errors.Is(err, state.ErrNotEmpty) || time.Since(began) > time.Minute {
				t.Fatal(err)
			}
		}
	}
}

// names are those of a scope's records in a Redis, by what they begin with.
func names(t *testing.T, s state.Store, scope, prefix string) []string {
	t.Helper()
	var found []string
	if err := typed.All(t.Context(), s, scope, prefix, func(r state.Record) error { found = append(found, r.Name); return nil }); err != nil {
		t.Fatal(err)
	}
	return found
}

// wantNothingMade: neither an account nor a key is there.
func wantNothingMade(t *testing.T, s state.Store) {
	t.Helper()
	for scope, prefix := range map[string]string{"accounts": "account/", "secrets": ""} {
		if found := names(t, s, scope, prefix); len(found) > 0 {
			t.Errorf("was made in %q of a store that has lost everything: %q", scope, found)
		}
	}
}

// hostKey is the one that a gateway shows.
func (g *gate) hostKey(t *testing.T) string {
	t.Helper()
	var shown string
	_, err := ssh.Dial("tcp", g.out.of("SFTP"), &ssh.ClientConfig{
		User: "nobody", Timeout: time.Minute,
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error { shown = ssh.FingerprintSHA256(key); return nil },
	})
	if shown == "" {
		t.Errorf("no host key: %v", err)
	}
	return shown
}

// serveOnce has a gateway serve and end; it returns the host key that it showed.
func serveOnce(t *testing.T, c *configs.Loaded) (key string) {
	t.Helper()
	g := launch(t, c)
	g.ready(t)
	key = g.hostKey(t)
	g.end(t)
	return key
}

// saysAgain waits until a gateway has said a text so many times.
func (g *gate) saysAgain(t *testing.T, text string, times int) {
	t.Helper()
	g.until(t, fmt.Sprintf("it says %q for the %d. time", text, times), func() bool { return strings.Count(g.log.String(), text) >= times })
}

// Redis comes back empty while nodes run, who hear of it long before their next beat:
// they cut everything, let nobody in, make no administrator and no host key, and go on
// by themselves, as what they were, once the state is back.
func TestARunningNodeTakesNoEmptiedRedisForItsOwn(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	with := func(c *configs.Loaded) {
		withKeys(c)
		c.Node.Lease = 20 * time.Minute // a beat each four
	}
	a, b := launch(t, shared(t, server, with)), launch(t, shared(t, server, with))
	var keys []string
	for _, g := range []*gate{a, b} {
		g.ready(t)
		keys = append(keys, g.hostKey(t))
	}
	s := storeOf(t, server)
	before := names(t, s, "accounts", "account/")
	back := keepState(t, server)
	server.Flush(t)
	for _, g := range []*gate{a, b} {
		g.says(t, g.log, "THE STORE HAS LOST THE STATE OF THIS INSTALLATION")
		g.says(t, g.log, lost)
		if code, text := g.asked(t, "/readyz"); code == http.StatusOK {
			t.Errorf("/readyz: %d %s", code, text)
		}
		if c, err := net.Dial("tcp", g.out.of("SFTP")); err == nil {
			_ = c.Close()
			t.Error("SFTP is served")
		}
	}
	wantNothingMade(t, s)
	back()
	for i, g := range []*gate{a, b} {
		g.becomes(t, "/readyz", http.StatusOK, "ready")
		if now := g.hostKey(t); now != keys[i] {
			t.Errorf("it serves with %s, was %s", now, keys[i])
		}
		if n := strings.Count(g.out.String(), "is ready"); n != 1 {
			t.Errorf("it greets %d times", n)
		}
	}
	if now := names(t, s, "accounts", "account/"); !slices.Equal(now, before) {
		t.Errorf("the accounts are %q, were %q", now, before)
	}
	a.end(t)
	b.end(t)
}

// A node whose data folder has served an installation starts with no other, says what
// was found and what to do, and has made nothing when it ends.
func TestAStartRefusesAnotherState(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := shared(t, server, withKeys)
	key := serveOnce(t, c)
	s := storeOf(t, server)
	back := keepState(t, server)
	id, err := installation.Recall(c.Data)
	if err != nil || id == "" {
		t.Fatal(id, err)
	}
	other := func(change func(*configs.Loaded)) *configs.Loaded {
		copied := *c
		if change != nil {
			change(&copied)
		}
		return &copied
	}
	for name, one := range map[string]struct {
		prepare func()
		c       *configs.Loaded
		want    string
	}{
		"flushed":          {func() { server.Flush(t) }, other(nil), "as if it were new"},
		"another database": {func() {}, other(func(c *configs.Loaded) { c.State.URL += "/1" }), "as if it were new"},
		"another's": {func() {
			server.Flush(t)
			stranger := launch(t, shared(t, server, nil))
			stranger.ready(t)
			stranger.end(t)
		}, other(nil), "but that of"},
		"bolt, where it was never": {func() {}, other(func(c *configs.Loaded) { c.State.Kind = "bolt" }), "let state.kind name"},
	} {
		one.prepare()
		before := map[string]int{"accounts": len(names(t, s, "accounts", "")), "secrets": len(names(t, s, "secrets", ""))}
		err := launch(t, one.c).fails(t)
		for _, text := range []string{one.want, id, "remove " + filepath.Join(c.Data, installation.FileName)} {
			if !errors.Is(err, installation.ErrForeign) || !strings.Contains(err.Error(), text) {
				t.Errorf("%s: %v, want %q", name, err, text)
			}
		}
		if now := map[string]int{"accounts": len(names(t, s, "accounts", "")), "secrets": len(names(t, s, "secrets", ""))}; !maps.Equal(now, before) {
			t.Errorf("%s: the store has %v, had %v", name, now, before)
		}
		_ = os.RemoveAll(filepath.Join(c.Data, bolt.StateFile)) // what another kind leaves in its folder
		_ = os.RemoveAll(filepath.Join(c.Data, bolt.EventsFolder))
	}
	back()
	again := launch(t, other(nil))
	again.ready(t)
	if now := again.hostKey(t); now != key || again.out.of("administrator") != "" {
		t.Errorf("with its own state it has the key %s, was %s, and says %s", now, key, again.out)
	}
	again.end(t)
	server.Flush(t)
	if err := os.Remove(filepath.Join(c.Data, installation.FileName)); err != nil {
		t.Fatal(err)
	}
	anew := launch(t, other(nil))
	anew.ready(t)
	if anew.out.of("administrator") == "" || anew.hostKey(t) == key {
		t.Error("it is no new installation, as was meant")
	}
	anew.end(t)
}

// The same on the embedded store: one without its files is no new installation.
func TestADataFolderThatHasLostItsState(t *testing.T) {
	t.Parallel()
	c := &configs.Loaded{Config: configs.Default()}
	c.Data, c.Listen = t.TempDir(), configs.Listen{}
	c.Mounts[0].Dir = filepath.Join(c.Data, "files")
	g := launch(t, c)
	g.ready(t)
	g.end(t)
	aside := t.TempDir()
	for _, name := range []string{bolt.StateFile, bolt.EventsFolder} {
		if err := os.Rename(filepath.Join(c.Data, name), filepath.Join(aside, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := launch(t, c).fails(t); !errors.Is(err, installation.ErrForeign) {
		t.Errorf("got %v, want ErrForeign", err)
	}
	for _, name := range []string{bolt.StateFile, bolt.EventsFolder} {
		if err := errors.Join(os.RemoveAll(filepath.Join(c.Data, name)), os.Rename(filepath.Join(aside, name), filepath.Join(c.Data, name))); err != nil {
			t.Fatal(err)
		}
	}
	again := launch(t, c)
	again.ready(t)
	again.end(t)
}

// Installations from before there were identities go on without anybody's doing, and
// are known from then on.
func TestAnInstallationFromBeforeIsAdopted(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := shared(t, server, withKeys)
	key := serveOnce(t, c)
	s := storeOf(t, server)
	before := names(t, s, "accounts", "account/")
	for _, scope := range []string{"accounts", "secrets", "nodes"} {
		if _, err := s.Apply(t.Context(), state.Batch{Scope: scope, Deletes: names(t, s, scope, "installation")}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(c.Data, installation.FileName)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		g := launch(t, c)
		g.ready(t)
		if now := g.hostKey(t); now != key || g.out.of("administrator") != "" {
			t.Errorf("it has the key %s, was %s, and says %s", now, key, g.out)
		}
		g.end(t)
	}
	if now := names(t, s, "accounts", "account/"); !slices.Equal(now, before) {
		t.Errorf("the accounts are %q, were %q", now, before)
	}
	server.Flush(t)
	if err := launch(t, c).fails(t); !errors.Is(err, installation.ErrForeign) {
		t.Errorf("emptied afterwards: %v, want ErrForeign", err)
	}
}

// Redis is emptied and filled again, many times, while nodes run, begin anew and start:
// whenever one looks, its accounts are those that were, or none.
func TestNoMomentMakesAnAdministrator(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var all []*configs.Loaded
	for range 3 {
		all = append(all, shared(t, server, withKeys))
		serveOnce(t, all[len(all)-1])
	}
	s := storeOf(t, server)
	accounts, secrets := names(t, s, "accounts", "account/"), names(t, s, "secrets", "")
	back := keepState(t, server)
	a, b := launch(t, all[0]), launch(t, all[1])
	a.ready(t)
	b.ready(t)
	for round := range 12 {
		noticed := strings.Count(a.log.String(), "HAS LOST")
		server.Flush(t)
		c := launch(t, all[2]) // meets any moment
		if round%4 == 0 {
			a.saysAgain(t, "HAS LOST", noticed+1)
		}
		for _, one := range names(t, s, "accounts", "account/") {
			if !slices.Contains(accounts, one) {
				t.Fatalf("the account %s was made, of %q", one, accounts)
			}
		}
		for _, one := range names(t, s, "secrets", "") {
			if !slices.Contains(secrets, one) {
				t.Fatalf("the secret %s was made", one)
			}
		}
		c.stop()
		<-c.ended
		back()
		if round%4 == 3 {
			a.becomes(t, "/readyz", http.StatusOK, "ready")
			b.becomes(t, "/readyz", http.StatusOK, "ready")
		}
	}
	a.end(t)
	b.end(t)
}

func TestDoctorTellsTheInstallation(t *testing.T) {
	g := &gateway{core: &core{installation: &installation.Installation{ID: "one"}}}
	if found := g.checkInstallation(t.Context()); len(found) != 1 || found[0].Level != levelOK || found[0].Detail != "one" {
		t.Errorf("found %+v", found)
	}
	if found := (&gateway{core: &core{}}).checkInstallation(t.Context()); found != nil {
		t.Errorf("in memory: %+v", found)
	}
}
