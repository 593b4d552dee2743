package guard_test

import (
	"io/fs"
	"testing"

	"gatehouse/policy"
	"gatehouse/policy/guard"
)

// Who has a wide grant, to what the living share, finds nothing of what deleted
// accounts left: neither in a listing nor by name, link, copy or search.
func TestNobodyFindsKeptHomes(t *testing.T) {
	w := newWorldWith(t, map[string]string{"/mnt/two": t.TempDir()})
	w.put("/.kept/old-1/secret", "s")
	w.put("/home/ann/f", "f")
	w.link("../../.kept/old-1", "/home/ann/way")
	system := w.tree.System("test", nil)
	w.must(system.Mkdir(t.Context(), tp("/mnt/two/.kept"), 0))
	w.must(system.Mkdir(t.Context(), tp("/mnt/two/.kept/old-2"), 0))
	u := w.user("wide", root("/"), granted("/", policy.Full))
	w.wantNames(u, "/", "home", "mnt")
	w.wantNames(u, "/mnt/two")
	for _, p := range []string{"/.kept", "/.kept/old-1", "/.kept/old-1/secret", "/mnt/two/.kept", "/mnt/two/.kept/old-2", "/home/ann/way/secret"} {
		_, err := u.Stat(t.Context(), tp(p))
		w.want(err, fs.ErrNotExist)
		_, err = u.List(t.Context(), tp(p))
		w.want(err, fs.ErrNotExist)
		_, err = u.download(p)
		w.want(err, fs.ErrNotExist)
		w.want(u.upload(p, "x"), fs.ErrNotExist)
		w.want(u.Mkdir(t.Context(), tp(p), 0), fs.ErrNotExist)
		w.want(u.RemoveAll(t.Context(), tp(p)), fs.ErrNotExist)
		w.want(u.Rename(t.Context(), tp(p), tp("/taken"), guard.KeepTarget), fs.ErrNotExist)
		w.want(u.Rename(t.Context(), tp("/home/ann/f"), tp(p), guard.ReplaceAny), fs.ErrNotExist)
		w.want(u.Copy(t.Context(), tp(p), tp("/taken"), guard.CopyHow{}), fs.ErrNotExist)
	}
	w.must(u.upload("/mnt/two/.keptlike", "x"))
	w.must(u.Copy(t.Context(), tp("/mnt/two"), tp("/home/taken"), guard.CopyHow{}))
	if w.exists("/home/taken/.kept") || !w.exists("/home/taken/.keptlike") {
		t.Error("a copy of all takes it along, or leaves more out")
	}
	if w.content("/.kept/old-1/secret") != "s" {
		t.Error("it changed")
	}
	got, err := w.tree.Explain(t.Context(), guard.Config{Effective: u.effective(), Door: policy.SFTP}, guard.WholeTree, policy.OpRead, tp("/.kept/old-1/secret"))
	w.must(err)
	if got.Rule != policy.RuleKept {
		t.Errorf("explain names %s", got.Rule)
	}
	admin := w.user("root", func(a *policy.Account, _ *guard.Config) { a.Role = policy.RoleAdmin })
	w.wantNames(admin, "/", ".kept", "home", "mnt")
	w.wantNames(admin, "/.kept/old-1", "secret")
	w.wantNames(admin, "/mnt/two/.kept", "old-2")
	w.must(admin.Copy(t.Context(), tp("/mnt/two"), tp("/home/whole"), guard.CopyHow{}))
	if !w.exists("/home/whole/.kept/old-2") {
		t.Error("an administrator's copy leaves something out")
	}
}
