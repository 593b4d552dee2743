package guard_test

import (
	"io/fs"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/policy/path"
)

func team(a *policy.Account) {
	a.Grants = append(a.Grants, policy.Grant{ID: "team", Path: tp("/groups/team"), Permissions: policy.Full, Recursive: true, At: "team"})
}

func teamed(a *policy.Account, _ *guard.Config) { team(a) }

// Somebody shares a folder under the name of a folder that the account has
// already, and so cannot get what the account's programs put there.
func TestNobodySharesIntoAnOwnFolder(t *testing.T) {
	w := newWorld(t)
	w.folder("/groups/team")
	w.put("/home/ann/team/diary", "d")
	u := w.user("ann")
	w.wantNames(u, "/team", "diary")
	u.change(team)
	w.must(u.upload("/team/more", "m"))
	w.wantNames(u, "/", "team")
	w.wantNames(u, "/team", "diary", "more")
	if w.exists("/groups/team/more") || !w.exists("/home/ann/team/more") {
		t.Fatal("it went elsewhere")
	}
	// The next session finds the same, and administrators can see it.
	next := w.user("ann", teamed)
	w.wantNames(next, "/team", "diary", "more")
	w.wantBehind(next, "team")
	// A client that makes its folder anew is not led elsewhere in between.
	w.must(next.RemoveAll(t.Context(), tp("/team")))
	_, err := next.Stat(t.Context(), tp("/team"))
	w.want(err, fs.ErrNotExist)
	w.must(next.Mkdir(t.Context(), tp("/team"), 0))
	w.must(next.upload("/team/again", "a"))
	if !w.exists("/home/ann/team/again") {
		t.Fatal("it went elsewhere")
	}
	// Once the name is free the shared folder appears.
	w.must(next.Rename(t.Context(), tp("/team"), tp("/mine"), guard.KeepTarget))
	w.wantNames(next, "/", "mine")
	last := w.user("ann", teamed)
	w.wantNames(last, "/", "mine", "team")
	w.wantNames(last, "/team")
	w.wantBehind(last)
}

// Who may make something in another's root cannot get what that account puts
// into a shared folder by taking its name.
func TestNobodyStandsBeforeASharedFolder(t *testing.T) {
	w := newWorld(t)
	w.folder("/groups/team")
	u := w.user("ann", teamed)
	w.wantNames(u, "/", "team")
	// Through the account's own root the name is taken.
	w.want(u.Mkdir(t.Context(), tp("/team"), 0), fs.ErrExist)
	w.must(u.upload("/f", "f"))
	w.want(u.Rename(t.Context(), tp("/f"), tp("/team"), guard.KeepTarget), fs.ErrExist)
	mal := w.stranger("mal", granted("/home/ann", policy.Full))
	w.must(mal.Mkdir(t.Context(), tp("/home/ann/team"), 0))
	w.must(u.upload("/team/plan", "p"))
	if !w.exists("/groups/team/plan") {
		t.Fatal("it went elsewhere")
	}
	w.wantNames(u, "/", "f", "team")
	u.change(func(a *policy.Account) { a.Limits.LargestUpload = 1000 })
	w.wantNames(u, "/team", "plan")
}

// What stands behind nothing: a name of which the account may not know, what is
// no file, and the shared folder itself.
func TestWhatTakesNoName(t *testing.T) {
	for name, make := range map[string]func(*world) *user{
		"a folder without a right on it": func(w *world) *user {
			w.put("/projects/team/secret", "s")
			return w.stranger("eve", teamed, granted("/projects/other", policy.Full), root("/projects"))
		},
		"a special file": func(w *world) *user {
			w.folder("/home/ann")
			w.must(unix.Mkfifo(w.disk("/home/ann/team"), 0o600))
			return w.user("ann", teamed)
		},
		"the shared folder": func(w *world) *user { return w.stranger("eve", teamed, root("/groups")) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.put("/groups/team/plan", "p")
			u := make(w)
			w.wantNames(u, "/team", "plan")
			w.wantBehind(u)
		})
	}
}

// Files, links and shells take a name as folders do.
func TestWhatTakesAName(t *testing.T) {
	for name, make := range map[string]func(*world) *user{
		"a file": func(w *world) *user { w.put("/home/ann/team", "f"); return w.user("ann", teamed) },
		"a link to nowhere": func(w *world) *user {
			w.folder("/home/ann")
			w.link("gone", "/home/ann/team")
			return w.user("ann", teamed)
		},
		"a folder that leads on": func(w *world) *user {
			w.folder("/p/team/x")
			return w.stranger("eve", teamed, granted("/p/team/x", policy.Read), root("/p"))
		},
		"a folder behind a link": func(w *world) *user {
			w.folder("/home/ann/real/team")
			w.link("real", "/home/ann/way")
			return w.user("ann", teamed, root("/home/ann/way"))
		},
		"a folder beyond the credential": func(w *world) *user {
			w.folder("/home/ann/team")
			return w.user("ann", teamed, within("/groups/team"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.put("/groups/team/plan", "p")
			u := make(w)
			if _, err := u.Stat(t.Context(), tp("/team/plan")); err == nil {
				t.Fatal("the shared folder is there")
			}
			w.wantBehind(u, "team")
		})
	}
}

func (w *world) wantBehind(u *user, want ...string) {
	w.t.Helper()
	got, err := w.tree.Behind(w.t.Context(), guard.Config{Effective: u.effective(), Door: policy.SFTP})
	w.must(err)
	names := []string{}
	for _, e := range got {
		if e.Path == (path.Path{}) {
			w.t.Errorf("%q leads nowhere", e.Name)
		}
		names = append(names, e.Name)
	}
	if !slices.Equal(names, slices.Concat([]string{}, want)) {
		w.t.Errorf("behind own names are %q, want %q", names, want)
	}
}
