package redis

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"gatehouse/storage/state"
	"gatehouse/storage/state/redis/redistest"
)

func put(s *Store, ctx context.Context, scope, name string) (uint64, error) {
	r, err := s.Apply(ctx, state.Batch{Scope: scope, Puts: []state.Put{{Name: name, Value: []byte(name)}}})
	return r.Revision, err
}

func mustPut(t *testing.T, s *Store, scope, name string) uint64 {
	t.Helper()
	revision, err := put(s, t.Context(), scope, name)
	if err != nil {
		t.Fatalf("put %s: %v", name, err)
	}
	return revision
}

// opened opens a store that is closed with the test.
func opened(t testing.TB, o Options) *Store {
	t.Helper()
	s := openAt(t, o)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// mutations are one of each kind, without operation ids.
func mutations(ctx context.Context, s *Store) map[string]func() error {
	return map[string]func() error{
		"apply": func() error { _, err := put(s, ctx, "s", "a"); return err },
		"lease": func() error {
			all := int64(100)
			_, err := s.Count(ctx, "s", state.Lease{Name: "l", Holder: "h", SetLimit: &all, Want: 1})
			return err
		},
		"window": func() error {
			_, err := s.Count(ctx, "s", state.Window{Name: "w", Period: time.Hour, Add: 1})
			return err
		},
		"distinct": func() error { _, err := s.Count(ctx, "s", state.Distinct{Name: "d", Add: "m"}); return err },
		"append":   func() error { _, err := s.Append(ctx, "log", "", []byte("e")); return err },
	}
}

// An answer gets lost on its way, and the store asks again: what was asked for
// happens once, though the caller gave no operation id.
func TestLostAnswerIsNoSecondChange(t *testing.T) {
	t.Parallel()
	proxy := proxied(t, redistest.Start(t).Addr)
	s := opened(t, Options{URL: "redis://" + proxy.Addr})
	for name, mutate := range mutations(t.Context(), s) {
		for range 2 { // the first one sends the script too
			proxy.loseNext(1)
			if err := mutate(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	wantTwice(t, s)
	proxy.loseNext(2)
	if r, err := s.Get(t.Context(), "s", "a"); err != nil || string(r.Value) != "a" {
		t.Errorf("get: %+v, %v", r, err)
	}
}

// wantTwice wants each of the mutations to have happened twice.
func wantTwice(t *testing.T, s *Store) {
	t.Helper()
	if r, err := s.Revision(t.Context(), "s"); r != 2 || err != nil {
		t.Errorf("revision %d, %v, want 2", r, err)
	}
	if v, err := s.Count(t.Context(), "s", state.Lease{Name: "l", Holder: "h"}); v.Held != 2 || err != nil {
		t.Errorf("held %d, %v, want 2", v.Held, err)
	}
	if v, err := s.Count(t.Context(), "s", state.Window{Name: "w", Period: time.Hour}); v.Count != 2 || err != nil {
		t.Errorf("counted %d, %v, want 2", v.Count, err)
	}
	if e, err := s.Read(t.Context(), "log", 0, 0); len(e) != 2 || err != nil {
		t.Errorf("%d entries, %v, want 2", len(e), err)
	}
}

// The server is gone: that nothing was made is known, and with it back all goes on.
func TestServerAway(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes")
	s := opened(t, Options{URL: server.URL()})
	first := mustPut(t, s, "s", "a")
	server.Stop(t)
	for name, mutate := range mutations(t.Context(), s) {
		if err := mutate(); !errors.Is(err, state.ErrAway) || errors.Is(err, state.ErrUnknown) {
			t.Errorf("%s: %v, want ErrAway alone", name, err)
		}
	}
	if _, err := s.Get(t.Context(), "s", "a"); !errors.Is(err, state.ErrAway) || errors.Is(err, state.ErrNotFound) {
		t.Errorf("get: %v, want ErrAway", err)
	}
	if _, err := Open(t.Context(), Options{URL: server.URL()}); !errors.Is(err, state.ErrAway) {
		t.Errorf("open: %v, want ErrAway", err)
	}
	server.Start(t)
	if second := eventually(t, s, "s", "b"); second != first+1 {
		t.Errorf("revision %d after the server came back, want %d", second, first+1)
	}
}

// eventually puts a record, again while the store is away: go-redis takes up to
// a second to see that a server is back.
func eventually(t *testing.T, s *Store, scope, name string) uint64 {
	t.Helper()
	for began := time.Now(); ; {
		revision, err := put(s, t.Context(), scope, name)
		if err == nil {
			return revision
		}
		if !errors.Is(err, state.ErrAway) || errors.Is(err, state.ErrUnknown) || time.Since(began) > 30*time.Second {
			t.Fatalf("put %s: %v", name, err)
		}
	}
}

// kill -9, with the settings that promise it: nothing that was acknowledged is lost.
func TestKilledServerKeepsWhatItAcknowledged(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	s := opened(t, Options{URL: server.URL()})
	const writers = 4
	made := make(chan []string, writers)
	begun := make(chan struct{}, writers)
	for w := range writers {
		go func() {
			var names []string
			for n := 0; ; n++ {
				name := fmt.Sprint(w, ".", n)
				if _, err := put(s, t.Context(), "s", name); err != nil {
					made <- names
					return
				}
				if names = append(names, name); n == 20 {
					begun <- struct{}{}
				}
			}
		}()
	}
	for range writers {
		<-begun
	}
	server.Kill(t)
	var names []string
	for range writers {
		names = append(names, <-made...)
	}
	server.Start(t)
	again := opened(t, Options{URL: server.URL()})
	for _, name := range names {
		if _, err := again.Get(t.Context(), "s", name); err != nil {
			t.Fatalf("%s of %d was acknowledged: %v", name, len(names), err)
		}
	}
}

// A server that hangs: the caller's time ends the call, and says that a change
// may have been made.
func TestServerHangs(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy := proxied(t, server.Addr)
	s := opened(t, Options{URL: "redis://" + proxy.Addr})
	mustPut(t, s, "s", "a")
	server.Pause(t)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	before := proxy.trips()
	b := state.Batch{Scope: "s", ID: state.NewOperationID(), Puts: []state.Put{{Name: "b"}}}
	_, err := s.Apply(ctx, b)
	if sent := proxy.trips() > before; !errors.Is(err, context.DeadlineExceeded) || sent && !errors.Is(err, state.ErrUnknown) {
		t.Errorf("apply (sent %v): %v, want ErrUnknown and the end of the context", sent, err)
	}
	if _, err := s.Get(ctx, "s", "a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("get: %v, want the end of the context", err)
	}
	server.Resume(t)
	if r, err := s.Apply(t.Context(), b); err != nil || r.Revision != 2 {
		t.Errorf("the retry: %+v, %v, want revision 2", r, err)
	}
}

// A store whose caller has no end of its own gives up by itself.
func TestServerHangsWithoutDeadline(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := opened(t, Options{URL: server.URL(), Timeout: 5 * time.Second})
	mustPut(t, s, "s", "a")
	server.Pause(t)
	defer server.Resume(t)
	if _, err := put(s, t.Context(), "s", "b"); !errors.Is(err, state.ErrUnknown) || !errors.Is(err, state.ErrAway) {
		t.Errorf("put: %v, want ErrUnknown and ErrAway", err)
	}
	if _, err := s.Get(t.Context(), "s", "a"); !errors.Is(err, state.ErrAway) || errors.Is(err, state.ErrUnknown) {
		t.Errorf("get: %v, want ErrAway", err)
	}
}

// dumped is a dump as text.
func dumped(t *testing.T, s state.Store) string {
	t.Helper()
	var b strings.Builder
	for item, err := range s.Dump(t.Context()) {
		if err != nil {
			t.Fatalf("dump: %v", err)
		}
		fmt.Fprintf(&b, "%s %q %q %d %q %d\n", item.Kind, item.Scope, item.Name, item.Revision, item.Value, item.Expires.UnixNano())
	}
	return b.String()
}

// A replica is read, and refuses changes.
func TestReplica(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t, "--repl-diskless-sync-delay", "0")
	s := opened(t, Options{URL: master.URL()})
	mustPut(t, s, "s", "a")
	host, port, err := net.SplitHostPort(master.Addr)
	if err != nil {
		t.Fatal(err)
	}
	replica := redistest.Start(t, "--replicaof", host, port)
	master.Do(t, "WAIT", 1, 20_000)
	r := opened(t, Options{URL: replica.URL()})
	for name, mutate := range mutations(t.Context(), r) {
		if err := mutate(); !errors.Is(err, state.ErrAway) || errors.Is(err, state.ErrUnknown) {
			t.Errorf("%s: %v, want ErrAway alone", name, err)
		}
	}
	if got, err := r.Get(t.Context(), "s", "a"); err != nil || string(got.Value) != "a" {
		t.Errorf("get: %+v, %v", got, err)
	}
}

// The scripts are gone from the server, as after a restart.
func TestScriptsFlushed(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := opened(t, Options{URL: server.URL()})
	mustPut(t, s, "s", "a")
	server.Do(t, "SCRIPT", "FLUSH")
	mustPut(t, s, "s", "b")
	if _, err := s.Get(t.Context(), "s", "b"); err != nil {
		t.Error(err)
	}
}

// What is as long as it may be is kept, and pages of it come in pieces.
func TestBigValues(t *testing.T) {
	t.Parallel()
	s := opened(t, Options{URL: redistest.Start(t).URL()})
	big := bytes.Repeat([]byte{0, 255}, state.MaxValue/2)
	if _, err := s.Apply(t.Context(), state.Batch{Scope: "s", Puts: []state.Put{{Name: "big", Value: big}}}); err != nil {
		t.Fatal(err)
	}
	if r, err := s.Get(t.Context(), "s", "big"); err != nil || !bytes.Equal(r.Value, big) {
		t.Errorf("%d bytes, %v", len(r.Value), err)
	}
	if _, err := s.Append(t.Context(), "log", "", big, []byte("small")); err != nil {
		t.Error(err)
	}
	if e, err := s.Read(t.Context(), "log", 0, 0); err != nil || len(e) != 2 || !bytes.Equal(e[0].Value, big) {
		t.Errorf("%d entries, %v", len(e), err)
	}
	for i := range 12 {
		b := state.Batch{Scope: "t", Puts: []state.Put{{Name: fmt.Sprintf("%02d", i), Value: big[:1<<20]}}}
		if _, err := s.Apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	for _, limit := range []int{0, 11, 12} {
		page, err := s.List(t.Context(), "t", "", "", limit)
		want := min(state.Limit(limit), 12)
		if err != nil || len(page.Records) != want || page.More != (want < 12) {
			t.Errorf("limit %d: %d records, more %v, %v", limit, len(page.Records), page.More, err)
		}
	}
}
