package guard_test

import (
	"slices"
	"strconv"
	"sync"
	"testing"

	"gatehouse/policy"
	"gatehouse/policy/guard"
)

func unteam(a *policy.Account) {
	a.Grants = slices.DeleteFunc(a.Grants, func(g policy.Grant) bool { return g.ID == "team" })
}

// Mallory shares a folder, takes it back until ann has made her own by that name,
// and shares it again: what ann puts there does not land with mallory.
func TestASharedFolderThatComesBackTakesNoOwnFolder(t *testing.T) {
	for name, make := range map[string]func(*world, *user) error{
		"made": func(_ *world, u *user) error { return u.Mkdir(u.w.t.Context(), tp("/team"), 0) },
		"moved": func(_ *world, u *user) error {
			return u.Rename(u.w.t.Context(), tp("/mine"), tp("/team"), guard.KeepTarget)
		},
		"copied": func(_ *world, u *user) error {
			return u.Copy(u.w.t.Context(), tp("/mine"), tp("/team"), guard.CopyHow{})
		},
		"elsewise": func(w *world, _ *user) error { return w.user("ann").Mkdir(w.t.Context(), tp("/team"), 0) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.folder("/groups/team")
			w.folder("/home/ann/mine")
			u := w.user("ann", teamed)
			w.wantNames(u, "/team")
			f, err := u.Open(t.Context(), tp("/team/open"), newFile)
			w.must(err)
			u.change(unteam)
			if _, err := f.WriteAt([]byte("secret"), 0); err == nil {
				t.Error("an open file outlives the share")
			}
			_ = f.Close()
			w.must(make(w, u))
			w.must(u.upload("/team/before", "b"))
			u.change(team)
			w.must(u.upload("/team/after", "a"))
			w.wantNames(u, "/team", "after", "before")
			if w.exists("/groups/team/after") || !w.exists("/home/ann/team/after") {
				t.Error("it went to who shares the folder")
			}
		})
	}
}

// What the session is making while the folder is shared stands as its own, though
// it was not there yet when the name was looked up.
func TestWhatIsMadeWhileASharedFolderAppears(t *testing.T) {
	for name, tt := range map[string]struct {
		op, below string
		how       policy.Uploads
		make      func(*user) error
	}{
		"a folder":    {"mkdir", "/home/ann/team", policy.InPlace, func(u *user) error { return u.Mkdir(u.w.t.Context(), tp("/team"), 0) }},
		"a file":      {"create", "/home/ann/team", policy.InPlace, func(u *user) error { return u.upload("/team", "t") }},
		"an upload":   {"create", outOfSight, policy.Atomic, func(u *user) error { return u.upload("/team", "t") }},
		"a rename":    {"rename", "/home/ann/mine", policy.InPlace, func(u *user) error { return u.Rename(u.w.t.Context(), tp("/mine"), tp("/team"), guard.KeepTarget) }},
		"a copy":      {"mkdir", outOfSight, policy.InPlace, func(u *user) error { return u.Copy(u.w.t.Context(), tp("/mine"), tp("/team"), guard.CopyHow{}) }},
		"a file copy": {"create", outOfSight, policy.InPlace, func(u *user) error { return u.Copy(u.w.t.Context(), tp("/f"), tp("/team"), guard.CopyHow{}) }},
		"a link":      {"symlink", "/home/ann/team", policy.InPlace, func(u *user) error { return u.Symlink(u.w.t.Context(), "/f", tp("/team")) }},
		"a hard link": {"link", "/home/ann/f", policy.InPlace, func(u *user) error { return u.Link(u.w.t.Context(), tp("/f"), tp("/team")) }},
	} {
		t.Run(name, func(t *testing.T) {
			w, b := newWatchedWorld(t)
			w.site.Symlinks = policy.Allow
			w.put("/groups/team/plan", "p")
			w.put("/home/ann/mine/own", "o")
			w.put("/home/ann/f", "f")
			u := w.user("ann", uploads(tt.how))
			b.once(tt.op, tt.below, func() {
				u.change(team)
				w.wantNames(u, "/team", "plan")
			})
			w.must(tt.make(u))
			if _, err := u.Stat(t.Context(), tp("/team/plan")); err == nil {
				t.Error("the shared folder stands before what the session made")
			}
			if _, err := u.Lstat(t.Context(), tp("/team")); err != nil {
				t.Errorf("what was made is not there: %v", err)
			}
			u.change(func(a *policy.Account) { a.Limits.LargestUpload = 1000 })
			if _, err := u.Stat(t.Context(), tp("/team/plan")); err == nil {
				t.Error("a changed policy brings the shared folder forward")
			}
		})
	}
}

// A share that is led elsewhere is another one; one that stays as it is is not
// looked up again because others come and go.
func TestAnEntryIsLookedUpAnewOnlyWhereItIsNew(t *testing.T) {
	w := newWorld(t)
	w.put("/groups/team/plan", "p")
	w.put("/groups/else/trap", "t")
	u := w.user("ann", teamed)
	w.wantNames(u, "/team", "plan")
	w.folder("/home/ann/team") // somebody else makes it
	u.change(func(a *policy.Account) {
		a.Grants = append(a.Grants, policy.Grant{ID: "x", Path: tp("/groups/else"), Permissions: policy.Full, Recursive: true, At: "x"})
	})
	w.wantNames(u, "/team", "plan")
	u.change(func(a *policy.Account) { a.Grants = a.Grants[:1] })
	w.wantNames(u, "/team", "plan")
	u.change(func(a *policy.Account) { a.Grants[0].Path = tp("/groups/else") })
	w.wantNames(u, "/team")
	// What is remembered of a root is of that root.
	u.change(func(a *policy.Account) { r := tp("/home/ann/team"); a.Root = &r })
	w.wantNames(u, "/", "team")
	w.wantNames(u, "/team", "trap")
}

// However a share comes and goes while a session makes its own folder: what it
// puts there afterwards lands in its own.
func TestAShareComesAndGoesMeanwhile(t *testing.T) {
	w := newWorld(t)
	w.folder("/groups/team")
	u := w.user("ann")
	without := u.effective()
	team(&u.account)
	with := u.effective()
	var done sync.WaitGroup
	stop := make(chan struct{})
	done.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				u.SetPolicy(with)
				_, _ = u.Stat(t.Context(), tp("/team/x"))
				u.SetPolicy(without)
			}
		}
	})
	for u.Mkdir(t.Context(), tp("/team"), 0) != nil {
	}
	for i := range 50 {
		w.must(u.upload("/team/"+strconv.Itoa(i), "s"))
	}
	close(stop)
	done.Wait()
	for i := range 50 {
		if !w.exists("/home/ann/team/" + strconv.Itoa(i)) {
			t.Fatalf("%d went to who shares the folder", i)
		}
	}
}
