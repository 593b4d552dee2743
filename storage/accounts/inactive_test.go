package accounts

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/accounts/activity"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

func inactiveAfter(t *testing.T, s *Store, days int) {
	t.Helper()
	if _, err := s.UpdateSite(t.Context(), 0, func(s *Site) error { s.Inactive = days; return nil }, Guarded); err != nil {
		t.Fatal(err)
	}
}

// An account that nobody uses is disabled, counted from whatever shows last that
// somebody wanted it. Never an admin.
func TestInactiveAccountsAreDisabled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, memory.New())
		long := time.Now().AddDate(0, 0, -100)
		old := func(a *Account) { a.Created = long }
		create(t, s, "admin", func(a *Account) { admin(a); old(a) })
		create(t, s, "idle", old)
		create(t, s, "bot", func(a *Account) { old(a); a.Shared = true })
		create(t, s, "new", nil)
		create(t, s, "imported", func(a *Account) { old(a); a.Imported = time.Now() })
		used := create(t, s, "used", old)
		s.Touch(used.ID, "", time.Now(), "192.0.2.1", policy.FTP)
		create(t, s, "enabled again", old)
		if _, err := s.Disable(t.Context(), "enabled again", "admin", "", Guarded); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Enable(t.Context(), "enabled again", "admin", Guarded); err != nil {
			t.Fatal(err)
		}
		create(t, s, "left", func(a *Account) { old(a); a.Status = policy.Status{Disabled: true, By: "admin", Why: "left", At: long} })

		if done, err := s.DisableInactive(t.Context(), time.Now()); err != nil || len(done) != 0 {
			t.Errorf("switched off: got %q %v, want none", namesOf(done), err)
		}
		inactiveAfter(t, s, 90)
		done, err := s.DisableInactive(t.Context(), time.Now())
		if err != nil || len(done) != 2 || !strings.Contains(namesOf(done), "idle") || !strings.Contains(namesOf(done), "bot") {
			t.Errorf("got %q %v, want idle and bot", namesOf(done), err)
		}
		a, err := s.Account(t.Context(), "idle")
		if err != nil || !a.Status.Disabled || a.Status.By != bySite || !a.Status.At.Equal(time.Now().Truncate(time.Second)) || !strings.Contains(a.Status.Why, "90 days") {
			t.Errorf("got %+v %v", a.Status, err)
		}
		if a, _ := s.Account(t.Context(), "left"); a.Status.By != "admin" {
			t.Errorf("who had disabled an account is forgotten: %+v", a.Status)
		}
		if done, err := s.DisableInactive(t.Context(), time.Now()); err != nil || len(done) != 0 {
			t.Errorf("a second time: got %q %v, want none", namesOf(done), err)
		}
		time.Sleep(89 * 24 * time.Hour)
		if done, _ := s.DisableInactive(t.Context(), time.Now()); len(done) != 0 {
			t.Errorf("a day early: got %q", namesOf(done))
		}
		time.Sleep(2 * 24 * time.Hour)
		if done, _ := s.DisableInactive(t.Context(), time.Now()); len(done) != 4 {
			t.Errorf("after the time: got %q, want the four others", namesOf(done))
		}
		if a, _ := s.Account(t.Context(), "admin"); a.Status.Disabled {
			t.Error("an admin was disabled")
		}
	})
}

// A node that has not heard of a login at another must not disable who made it.
func TestLoginAtAnotherNodeCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		here := open(t, deaf{st})
		inactiveAfter(t, here, 30)
		a := create(t, here, "alice", func(a *Account) { a.Created = time.Now().AddDate(0, 0, -100) })
		there := open(t, st)
		there.Touch(a.ID, "", time.Now(), "192.0.2.1", policy.SFTP)
		if err := there.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if done, err := here.DisableInactive(t.Context(), time.Now()); err != nil || len(done) != 0 {
			t.Errorf("got %q %v, want none", namesOf(done), err)
		}
	})
}

// deaf is a store whose node does not hear of others' logins.
type deaf struct{ state.Store }

func (d deaf) Watch(ctx context.Context, scope string, after uint64) (<-chan state.Change, error) {
	if scope != activity.Scope {
		return d.Store.Watch(ctx, scope, after)
	}
	silence := make(chan state.Change)
	go func() { <-ctx.Done(); close(silence) }()
	return silence, nil
}

func TestNodesSweepTogether(t *testing.T) {
	st := memory.New()
	nodes := []*Store{open(t, st), open(t, st)}
	inactiveAfter(t, nodes[0], 30)
	const idle = 20
	for i := range idle {
		create(t, nodes[0], string(rune('a'+i)), func(a *Account) { a.Created = time.Now().AddDate(0, 0, -100) })
	}
	waitFor(t, func() bool { return len(nodes[1].All()) == idle && nodes[1].index.Site().Inactive == 30 })
	disabled := make(chan int, len(nodes))
	atOnce(len(nodes), func(n int) error {
		done, err := nodes[n].DisableInactive(t.Context(), time.Now())
		disabled <- len(done)
		return err
	}, func(err error) { t.Error(err) })
	if got := <-disabled + <-disabled; got != idle {
		t.Errorf("%d were disabled, want each of %d once", got, idle)
	}
}
