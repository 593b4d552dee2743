package redis

import (
	"fmt"
	"testing"
	"time"

	"gatehouse/storage/state"
	"gatehouse/storage/state/redis/redistest"
)

func wantChange(t *testing.T, changes <-chan state.Change, want state.Change) {
	t.Helper()
	select {
	case got, ok := <-changes:
		if got != want || !ok {
			t.Fatalf("got %+v (open %v), want %+v", got, ok, want)
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("no change, want %+v", want)
	}
}

func watched(t *testing.T, s *Store, scope string, after uint64) <-chan state.Change {
	t.Helper()
	changes, err := s.Watch(t.Context(), scope, after)
	if err != nil {
		t.Fatal(err)
	}
	return changes
}

// Another gateway writes while the connection of one that watches is cut again
// and again: it hears of everything, once, in order.
func TestWatchOverBrokenConnections(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy := proxied(t, server.Addr)
	watcher := opened(t, Options{URL: "redis://" + proxy.Addr})
	writer := opened(t, Options{URL: server.URL()})
	changes := watched(t, watcher, "s", 0)
	for i := range 20 {
		mustPut(t, writer, "s", fmt.Sprint(i))
		if i%3 == 0 {
			proxy.Drop()
		}
		wantChange(t, changes, state.Change{Revision: uint64(i + 1), Name: fmt.Sprint(i)})
	}
}

// The server restarts while it is watched, and with its append-only file knows
// all: the changes made before anybody could listen again are heard.
func TestWatchOverRestart(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	proxy := proxied(t, server.Addr)
	watcher := opened(t, Options{URL: "redis://" + proxy.Addr})
	changes := watched(t, watcher, "s", 0)
	writer := opened(t, Options{URL: server.URL()})
	mustPut(t, writer, "s", "before")
	wantChange(t, changes, state.Change{Revision: 1, Name: "before"})
	proxy.shut(true)
	proxy.Drop()
	mustPut(t, writer, "s", "unheard")
	server.Kill(t)
	server.Start(t)
	mustPut(t, writer, "s", "after")
	proxy.shut(false)
	wantChange(t, changes, state.Change{Revision: 2, Name: "unheard"})
	wantChange(t, changes, state.Change{Revision: 3, Name: "after"})
	mustPut(t, writer, "s", "later")
	wantChange(t, changes, state.Change{Revision: 4, Name: "later"})
}

// While a watcher is away more is written than the log remembers, or the log
// ends with the quiet after it: the watcher is told to begin anew.
func TestWatchBehindTheLog(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	writer := opened(t, Options{URL: server.URL()})
	for name, cut := range map[string]func(scope string){
		"trimmed": func(scope string) {
			for range keep + 5 {
				mustPut(t, writer, scope, "n")
			}
		},
		"ended": func(scope string) {
			mustPut(t, writer, scope, "n")
			server.Do(t, "DEL", writer.keys.key(scope, "l"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			proxy := proxied(t, server.Addr)
			watcher := opened(t, Options{URL: "redis://" + proxy.Addr})
			changes := watched(t, watcher, name, 0)
			mustPut(t, writer, name, "heard")
			wantChange(t, changes, state.Change{Revision: 1, Name: "heard"})
			proxy.shut(true)
			proxy.Drop()
			cut(name)
			last, err := writer.Revision(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			proxy.shut(false)
			wantChange(t, changes, state.Change{Revision: last, Resync: true})
			mustPut(t, writer, name, "goes on")
			wantChange(t, changes, state.Change{Revision: last + 1, Name: "goes on"})
		})
	}
}

// A failover loses a change that was heard of, and another one gets its
// revision before anybody looks: the watcher is told to begin anew.
func TestWatchOverLostChange(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy := proxied(t, server.Addr)
	watcher := opened(t, Options{URL: "redis://" + proxy.Addr})
	changes := watched(t, watcher, "s", 0)
	writer := opened(t, Options{URL: server.URL()})
	mustPut(t, writer, "s", "kept")
	wantChange(t, changes, state.Change{Revision: 1, Name: "kept"})
	kept := server.Do(t, "DUMP", writer.keys.key("s", "l"))
	mustPut(t, writer, "s", "lost")
	wantChange(t, changes, state.Change{Revision: 2, Name: "lost"})
	proxy.shut(true)
	proxy.Drop()
	server.Do(t, "SET", writer.keys.key("s", "v"), 1)
	server.Do(t, "RESTORE", writer.keys.key("s", "l"), 0, kept, "REPLACE")
	mustPut(t, writer, "s", "other")
	proxy.shut(false)
	wantChange(t, changes, state.Change{Revision: 2, Resync: true})
}

// Who may not publish, or misses every hint, is heard all the same.
func TestWatchWithoutHints(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Do(t, "ACL", "SETUSER", "mute", "on", ">secret", "~*", "+@all", "resetchannels")
	watcher := opened(t, Options{URL: server.URL(), look: 10 * time.Millisecond})
	writer := opened(t, Options{URL: "redis://mute:secret@" + server.Addr})
	changes := watched(t, watcher, "s", 0)
	for i := range uint64(5) { // the first ones may be found as the watch begins
		mustPut(t, writer, "s", "a")
		wantChange(t, changes, state.Change{Revision: i + 1, Name: "a"})
	}
}

// Another gateway's change is heard at once, and again after the server has
// restarted: not only when it is time to look.
func TestWatchByHints(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes")
	watcher := opened(t, Options{URL: server.URL(), look: time.Hour})
	writer := opened(t, Options{URL: server.URL()})
	changes := watched(t, watcher, "s", 0)
	for i := range uint64(4) {
		if i == 2 {
			server.Stop(t)
			server.Start(t)
		}
		eventually(t, writer, "s", "a")
		wantChange(t, changes, state.Change{Revision: i + 1, Name: "a"})
	}
}

// Who no longer watches costs the server nothing.
func TestWatchEnds(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := opened(t, Options{URL: server.URL()})
	t.Run("watching", func(t *testing.T) { // its context ends with it
		changes := watched(t, s, "s", 0)
		mustPut(t, s, "s", "a")
		wantChange(t, changes, state.Change{Revision: 1, Name: "a"})
	})
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		listening, _ := server.Do(t, "PUBSUB", "CHANNELS").([]any)
		if len(listening) == 0 {
			return
		}
		if time.Since(began) > 30*time.Second {
			t.Fatalf("still listening on %v", listening)
		}
	}
}

// However many scopes an idle gateway watches, it asks for few at a time, and for
// each before any again.
func TestLooksAreBounded(t *testing.T) {
	const scopes = 2*lookMost + 1
	channels, looked := make(map[string]string), make(map[string]int)
	for i := range scopes {
		channels[fmt.Sprint("gh:", i)] = fmt.Sprint(i)
	}
	var looks turns
	for range 3 {
		now := looks.due(channels)
		if len(now) > lookMost {
			t.Fatalf("%d at a time", len(now))
		}
		for _, scope := range now {
			looked[scope]++
		}
	}
	for scope, times := range looked {
		if times != 1 || len(looked) != scopes {
			t.Fatalf("%s was looked at %d times, %d of %d at all", scope, times, len(looked), scopes)
		}
	}
	few := map[string]string{"gh:a": "a"}
	for range 2 {
		if now := looks.due(few); len(now) != 1 {
			t.Errorf("of one scope %q are due", now)
		}
	}
	if now := looks.due(nil); len(now) != 0 {
		t.Errorf("of none %q are due", now)
	}
}
