package provision

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/auth/authtest"
	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts"
	"gatehouse/storage/quota"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// wantLimit waits until a folder has such a quota, -1 for none.
func (w *world) wantLimit(folder string, want int64) {
	w.t.Helper()
	for end := time.Now().Add(authtest.SoonEnough); w.limitOn(folder) != want; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("%s: got quota %d, want %d", folder, w.limitOn(folder), want)
		}
	}
}

// byHand sets a quota as the administration does.
func (w *world) byHand(folder string, bytes int64) {
	w.t.Helper()
	w.Must(w.Quotas.Set(w.t.Context(), quota.Limit{Folder: path.MustParse(folder), Amount: quota.Amount{Bytes: bytes, Files: -1}}))
}

func changeGroup(t *testing.T, s *accounts.Store, name string, change func(*accounts.Group)) {
	t.Helper()
	_, err := s.UpdateGroup(t.Context(), name, 0, func(g *accounts.Group) error {
		change(g)
		return nil
	}, accounts.Guarded)
	if err != nil {
		t.Fatal(err)
	}
}

func some(n int64) policy.Quota { return policy.Quota{Bytes: &n} }

func folder(p string) *path.Path {
	f := path.MustParse(p)
	return &f
}

// A change that is refused after all leaves the quota.
func TestRefusedChangeLeavesTheQuota(t *testing.T) {
	w := newWorld(t)
	w.make("alice", bytes10)
	calls, refused := 0, errors.New("refused")
	_, err := w.Provisioner.Change(t.Context(), "alice", 0, func(a *accounts.Account) error {
		a.Quota = policy.Quota{}
		if calls++; calls == 1 {
			return nil // it is asked what is planned
		}
		return refused
	}, accounts.Guarded)
	if !errors.Is(err, refused) || w.limitOn("/home/alice") != 10 {
		t.Errorf("got %v and quota %d, want 10", err, w.limitOn("/home/alice"))
	}
}

// A group's quota for homes comes and goes with group and membership; a quota
// that somebody put on a home by hand stays.
func TestGroupQuotaIsKept(t *testing.T) {
	w := newWorld(t)
	g, err := w.Accounts.CreateGroup(t.Context(), accounts.Group{Group: policy.Group{Name: "staff"}})
	w.Must(err)
	w.make("alice", func(a *accounts.Account) { a.Groups = []string{g.ID} })
	w.make("bob", nil)
	w.byHand("/home/bob", 77)
	changeGroup(t, w.Accounts, "staff", func(g *accounts.Group) { g.Quota = some(30) })
	w.wantLimit("/home/alice", 30)
	changeGroup(t, w.Accounts, "staff", func(g *accounts.Group) { g.Quota = policy.Quota{} })
	w.wantLimit("/home/alice", -1)
	if got := w.limitOn("/home/bob"); got != 77 {
		t.Errorf("got quota %d of the other, want 77", got)
	}
}

// The quota of a group's folder is set, moves and goes with the group, and the
// folder need not be there yet.
func TestGroupFolderHasItsQuota(t *testing.T) {
	w := newWorld(t)
	_, err := w.Accounts.CreateGroup(t.Context(), accounts.Group{
		Group: policy.Group{Name: "design", Folder: folder("/groups/design"), FolderQuota: some(50)}, Kind: accounts.UserGroup,
	})
	w.Must(err)
	w.wantLimit("/groups/design", 50)
	changeGroup(t, w.Accounts, "design", func(g *accounts.Group) { g.FolderQuota = some(60) })
	w.wantLimit("/groups/design", 60)
	changeGroup(t, w.Accounts, "design", func(g *accounts.Group) { g.Folder = folder("/elsewhere") })
	w.wantLimit("/elsewhere", 60)
	w.wantLimit("/groups/design", -1)
	changeGroup(t, w.Accounts, "design", func(g *accounts.Group) { g.FolderQuota = policy.Quota{} })
	w.wantLimit("/elsewhere", -1)
	changeGroup(t, w.Accounts, "design", func(g *accounts.Group) { g.FolderQuota = some(70) })
	w.wantLimit("/elsewhere", 70)
	w.Must(w.Accounts.DeleteGroup(t.Context(), "design", 0, accounts.Guarded))
	w.wantLimit("/elsewhere", -1)
}

// Whoever has a quota on a folder first keeps it; it is the other's once the
// first has left.
func TestTwoQuotasOnOneFolder(t *testing.T) {
	w := newWorld(t)
	w.make("alice", bytes10)
	_, err := w.Accounts.CreateGroup(t.Context(), accounts.Group{
		Group: policy.Group{Name: "design", Folder: folder("/home/alice"), FolderQuota: some(50)}, Kind: accounts.UserGroup,
	})
	w.Must(err)
	w.keepQuotas()
	w.wantLimit("/home/alice", 10)
	_, err = w.Provisioner.Change(t.Context(), "alice", 0, func(a *accounts.Account) error {
		a.Quota = policy.Quota{}
		return nil
	}, accounts.Guarded)
	w.Must(err)
	w.keepQuotas()
	w.wantLimit("/home/alice", 50)
}

// The gateway is killed after a setting was changed and before the quotas
// followed it: the next start brings all of them in line, and leaves alone what
// was set by hand.
func TestQuotasFollowAfterAKill(t *testing.T) {
	st, dir := memory.New(), t.TempDir()
	t.Run("before", func(t *testing.T) {
		w := restart(t, st, dir, "1")
		g, err := w.Accounts.CreateGroup(t.Context(), accounts.Group{
			Group: policy.Group{Name: "staff", Quota: some(30), Folder: folder("/groups/staff"), FolderQuota: some(50)}, Kind: accounts.UserGroup,
		})
		w.Must(err)
		_, err = w.Accounts.CreateGroup(t.Context(), accounts.Group{
			Group: policy.Group{Name: "gone", Folder: folder("/groups/gone"), FolderQuota: some(5)}, Kind: accounts.UserGroup,
		})
		w.Must(err)
		w.make("alice", func(a *accounts.Account) { a.Groups = []string{g.ID} })
		w.make("bob", bytes10)
		w.make("carol", bytes10)
		w.byHand("/home/bob/projects", 77)
		for at, n := range map[string]int64{"/home/alice": 30, "/groups/staff": 50, "/groups/gone": 5, "/home/bob": 10} {
			w.wantLimit(at, n)
		}
	})
	offline(t, st, func(s *accounts.Store) {
		changeGroup(t, s, "staff", func(g *accounts.Group) { g.Quota, g.Folder = policy.Quota{}, folder("/groups/moved") })
		if err := s.DeleteGroup(t.Context(), "gone", 0, accounts.Guarded); err != nil {
			t.Fatal(err)
		}
		// Two change homes: each then has the place of the other.
		for name, home := range map[string]string{"bob": "/home/other", "carol": "/home/bob"} {
			_, err := s.Update(t.Context(), name, 0, func(a *accounts.Account) error {
				a.Home, a.Quota = *folder(home), some(20)
				return nil
			}, accounts.Guarded)
			if err != nil {
				t.Fatal(err)
			}
		}
	})
	w := restart(t, st, dir, "2")
	for at, n := range map[string]int64{
		"/home/alice": -1, "/groups/staff": -1, "/groups/moved": 50, "/groups/gone": -1,
		"/home/other": 20, "/home/bob": 20, "/home/carol": -1, "/home/bob/projects": 77,
	} {
		w.wantLimit(at, n)
	}
}

// offline changes accounts while no gateway runs.
func offline(t *testing.T, st state.Store, change func(*accounts.Store)) {
	t.Helper()
	s, err := accounts.Open(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	change(s)
	if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// Of several who make the same account at once, one does, and the quota is its.
func TestSameAccountAtOnceHasItsOwnQuota(t *testing.T) {
	for range 10 {
		w := newWorld(t)
		var all sync.WaitGroup
		var won atomic.Int64
		for i := range 4 {
			all.Go(func() {
				a := named("alice")
				n := int64(i + 1)
				a.Quota.Bytes = &n
				switch _, err := w.Create(t.Context(), a, "", false, true); {
				case err == nil:
					won.Add(n)
				case !errors.Is(err, accounts.ErrExists):
					t.Error(err)
				}
			})
		}
		all.Wait()
		if got := w.limitOn("/home/alice"); got != won.Load() {
			t.Fatalf("got quota %d, want %d", got, won.Load())
		}
	}
}
