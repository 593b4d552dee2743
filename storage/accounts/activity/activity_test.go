package activity

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"gatehouse/policy"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// counting counts what is written of activity.
type counting struct {
	state.Store
	writes atomic.Int64
	away   atomic.Bool
}

func (c *counting) Apply(ctx context.Context, b state.Batch) (state.Result, error) {
	if b.Scope == Scope {
		if c.away.Load() {
			return state.Result{}, errors.New("away")
		}
		c.writes.Add(1)
	}
	return c.Store.Apply(ctx, b)
}

// people are the accounts of a test, with what proves them.
type people map[string]map[string]bool

func (p people) credentials(id string) (map[string]bool, bool) { ids, ok := p[id]; return ids, ok }

var alice = people{"alice": {"p": true}}

func open(t *testing.T, st state.Store, p people) *Store {
	t.Helper()
	s, err := Open(t.Context(), st, p.credentials)
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

// TestMain makes sure that no follower outlives its test.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Logins by the hundred cost one write a minute, and none is forgotten by a restart.
func TestActivityIsWrittenOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &counting{Store: memory.New()}
		s := open(t, st, alice)
		for range 100 {
			s.Touch("alice", "p", Use{At: time.Now(), Address: "192.0.2.1", Door: policy.WebDAV})
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if got := st.writes.Load(); got != 1 {
			t.Errorf("got %d writes in 100 seconds, want 1", got)
		}
		last := s.Of("alice")
		if last.LastDoor != policy.WebDAV || last.LastAddress != "192.0.2.1" {
			t.Errorf("got %+v", last)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := open(t, st, alice).Of("alice")
		if !got.LastLogin.Equal(last.LastLogin) || !got.LastUsed["p"].At.Equal(last.LastLogin) {
			t.Errorf("after a restart: got %+v, want %+v", got, last)
		}
	})
}

func TestActivityOfTwoNodesIsJoined(t *testing.T) {
	st := memory.New()
	here, there := open(t, st, alice), open(t, st, alice)
	now := time.Now().UTC()
	here.Touch("alice", "p", Use{At: now, Address: "192.0.2.1", Door: policy.SFTP})
	there.Touch("alice", "gone", Use{At: now.Add(time.Second), Address: "192.0.2.2", Door: policy.FTP})
	there.Touch("alice", "p", Use{At: now.Add(-time.Second), Address: "192.0.2.3", Door: policy.FTP})
	for _, s := range []*Store{here, there, here} {
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		here.Touch("alice", "", Use{At: now, Address: "192.0.2.1", Door: policy.SFTP})
	}
	got := open(t, st, alice).Of("alice")
	if got.LastAddress != "192.0.2.2" || got.LastUsed["p"].Address != "192.0.2.1" {
		t.Errorf("got %+v", got)
	}
	if _, ok := got.LastUsed["gone"]; ok {
		t.Error("a credential that is no more is still there")
	}
}

// What cannot be written now is not lost.
func TestActivityWaitsForTheStore(t *testing.T) {
	st := &counting{Store: memory.New()}
	s := open(t, st, alice)
	st.away.Store(true)
	s.Touch("alice", "", Use{At: time.Now(), Address: "192.0.2.1", Door: policy.SFTP})
	if err := s.Flush(t.Context()); err == nil {
		t.Error("a store that is away gives no error")
	}
	st.away.Store(false)
	if err := s.Flush(t.Context()); err != nil || st.writes.Load() != 1 {
		t.Errorf("got %v and %d writes, want one", err, st.writes.Load())
	}
}

func TestActivityOfDeletedAccountIsNotWritten(t *testing.T) {
	st := &counting{Store: memory.New()}
	s := open(t, st, nil)
	s.Touch("alice", "", Use{At: time.Now(), Address: "192.0.2.1", Door: policy.SFTP})
	if err := s.Flush(t.Context()); err != nil || st.writes.Load() != 0 {
		t.Errorf("got %v and %d writes", err, st.writes.Load())
	}
}

// To look at what other nodes have written must not lose what this one has only
// in memory: an account that has just logged in would be taken for an idle one.
func TestRefreshKeepsWhatIsNotWritten(t *testing.T) {
	s := open(t, memory.New(), alice)
	s.Touch("alice", "", Use{At: time.Now(), Address: "192.0.2.1", Door: policy.SFTP})
	if err := s.Refresh(t.Context(), "alice"); err != nil || s.LastLogin("alice").IsZero() {
		t.Errorf("got %v, and the login is forgotten: %v", err, s.LastLogin("alice").IsZero())
	}
}

// What goes with an account goes on every node.
func TestDroppedActivityIsGoneEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		here, there := open(t, st, alice), open(t, st, alice)
		here.Touch("alice", "p", Use{At: time.Now(), Address: "192.0.2.1", Door: policy.SFTP})
		if err := here.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if there.LastLogin("alice").IsZero() {
			t.Fatal("the other node has not heard of the login")
		}
		if err := here.Drop(t.Context(), "alice"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for name, s := range map[string]*Store{"here": here, "there": there} {
			if !s.LastLogin("alice").IsZero() {
				t.Errorf("%s it is still known", name)
			}
		}
	})
}

// Of a client one sees where it came from of late, whichever node it asked, and
// not how often: a client that asks every second does not push the others out.
func TestLatestAddressesOfAClient(t *testing.T) {
	st := memory.New()
	nodes := []*Store{open(t, st, alice), open(t, st, alice)}
	now := time.Now().UTC()
	for i := range 12 {
		for n := range 30 {
			at := now.Add(time.Duration(i)*time.Minute + time.Duration(n)*time.Second)
			nodes[i%2].Seen("alice", "p", Use{At: at, Address: fmt.Sprint("192.0.2.", i), Door: policy.WebDAV})
		}
	}
	nodes[0].Seen("alice", "p", Use{At: now.Add(time.Hour), Address: "192.0.2.11", Door: policy.API})
	nodes[0].Seen("alice", "gone", Use{At: now, Address: "192.0.2.1", Door: policy.API})
	for _, s := range nodes {
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	got := open(t, st, alice).Of("alice").Latest
	if len(got) != 1 || len(got["p"]) != 10 {
		t.Fatalf("got %+v, want ten of the one client", got)
	}
	for i, use := range got["p"] {
		want := Use{At: now.Add(time.Duration(12-i)*time.Minute + 29*time.Second), Address: fmt.Sprint("192.0.2.", 12-i), Door: policy.WebDAV}
		if i == 0 {
			want = Use{At: now.Add(time.Hour), Address: "192.0.2.11", Door: policy.API}
		}
		if use != want {
			t.Errorf("%d: got %+v, want %+v", i, use, want)
		}
	}
}
