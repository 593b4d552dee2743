package accounts

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

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
	if b.Scope == activityScope {
		if c.away.Load() {
			return state.Result{}, errors.New("away")
		}
		c.writes.Add(1)
	}
	return c.Store.Apply(ctx, b)
}

func TestActivityIsWrittenOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &counting{Store: memory.New()}
		s := open(t, st)
		a := create(t, s, "alice", func(a *Account) { a.Password = &Password{ID: "p", Hash: "x"} })
		for range 100 {
			s.Touch(a.ID, "p", time.Now(), "192.0.2.1", policy.WebDAV)
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if got := st.writes.Load(); got != 1 {
			t.Errorf("got %d writes in 100 seconds, want 1", got)
		}
		if got, _ := s.Activity(t.Context(), a.ID); got.LastDoor != policy.WebDAV || got.LastAddress != "192.0.2.1" {
			t.Errorf("got %+v", got)
		}
		if now, _ := s.ByID(t.Context(), a.ID); now.Revision != a.Revision {
			t.Error("activity changed the account's revision")
		}
		last, _ := s.Activity(t.Context(), a.ID)
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		again := open(t, st)
		if got, _ := again.Activity(t.Context(), a.ID); !got.LastLogin.Equal(last.LastLogin) || !got.LastUsed["p"].At.Equal(last.LastLogin) {
			t.Errorf("after a restart: got %+v, want %+v", got, last)
		}
	})
}

func TestActivityOfTwoNodesIsJoined(t *testing.T) {
	st := memory.New()
	here, there := open(t, st), open(t, st)
	a := create(t, here, "alice", func(a *Account) { a.Password = &Password{ID: "p", Hash: "x"} })
	waitFor(t, func() bool { _, err := there.Account(t.Context(), "alice"); return err == nil })
	now := time.Now().UTC()
	here.Touch(a.ID, "p", now, "192.0.2.1", policy.SFTP)
	there.Touch(a.ID, "gone", now.Add(time.Second), "192.0.2.2", policy.FTP)
	there.Touch(a.ID, "p", now.Add(-time.Second), "192.0.2.3", policy.FTP)
	for _, s := range []*Store{here, there, here} {
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		here.Touch(a.ID, "", now, "192.0.2.1", policy.SFTP)
	}
	got, err := open(t, st).Activity(t.Context(), a.ID)
	if err != nil || got.LastAddress != "192.0.2.2" || got.LastUsed["p"].Address != "192.0.2.1" {
		t.Errorf("got %+v %v", got, err)
	}
	if _, ok := got.LastUsed["gone"]; ok {
		t.Error("a credential that is no more is still there")
	}
}

// What cannot be written now is not lost.
func TestActivityWaitsForTheStore(t *testing.T) {
	st := &counting{Store: memory.New()}
	s := open(t, st)
	a := create(t, s, "alice", nil)
	st.away.Store(true)
	s.Touch(a.ID, "", time.Now(), "192.0.2.1", policy.SFTP)
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
	s := open(t, st)
	a := create(t, s, "alice", nil)
	if _, err := s.Delete(t.Context(), "alice", 0, Guarded); err != nil {
		t.Fatal(err)
	}
	before := st.writes.Load()
	s.Touch(a.ID, "", time.Now(), "192.0.2.1", policy.SFTP)
	if err := s.Flush(t.Context()); err != nil || st.writes.Load() != before {
		t.Errorf("got %v and %d writes", err, st.writes.Load()-before)
	}
}
