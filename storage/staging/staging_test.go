package staging_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/mount"
	"gatehouse/storage/staging"
)

func TestUploadAppearsWhole(t *testing.T) {
	s := newSite(t, plain)
	s.put("/a", "old")
	u := s.stage("/a", "new")
	s.holds(map[string]string{"/a": "old"})
	s.must(u.Commit(t.Context(), true))
	s.holds(map[string]string{"/a": "new"})
	s.nothingStaged()
	if err := u.Commit(t.Context(), true); !errors.Is(err, staging.ErrClosed) {
		t.Errorf("second commit: got %v, want ErrClosed", err)
	}
	u.Discard()
	s.holds(map[string]string{"/a": "new"})
}

func TestUploadToOtherMount(t *testing.T) {
	s := newSite(t, plain)
	s.must(s.stage("/far/a", "content").Commit(t.Context(), false))
	if seen, _ := contents(t, s.far); seen["/a"] != "content" {
		t.Errorf("the other mount holds %v, want the upload", seen)
	}
	s.holds(map[string]string{})
	s.nothingStaged()
}

func TestDiscard(t *testing.T) {
	s := newSite(t, plain)
	s.put("/a", "old")
	u := s.stage("/a", "half")
	u.Discard()
	u.Discard()
	s.holds(map[string]string{"/a": "old"})
	s.nothingStaged()
	if err := u.Commit(t.Context(), true); !errors.Is(err, staging.ErrClosed) {
		t.Errorf("commit after discard: got %v, want ErrClosed", err)
	}
}

// A client that goes away must not leave its upload behind.
func TestDiscardAfterClientIsGone(t *testing.T) {
	s := newSite(t, plain)
	ctx, cancel := context.WithCancel(t.Context())
	u, err := s.area.Create(ctx, at("/a"), backend.How{})
	s.must(err)
	cancel()
	if err := u.Commit(ctx, false); !errors.Is(err, context.Canceled) {
		t.Errorf("commit: got %v, want context.Canceled", err)
	}
	s.holds(map[string]string{})
	s.nothingStaged()
}

func TestCommitKeepsWhatCameMeanwhile(t *testing.T) {
	s := newSite(t, plain)
	u := s.stage("/a", "mine")
	s.put("/a", "theirs")
	err := u.Commit(t.Context(), false)
	if !errors.Is(err, fs.ErrExist) {
		t.Errorf("commit: got %v, want fs.ErrExist", err)
	}
	if strings.Contains(err.Error(), mount.Reserved) || !strings.Contains(err.Error(), " /a:") {
		t.Errorf("the error names another path than the upload's: %v", err)
	}
	s.holds(map[string]string{"/a": "theirs"})
	s.nothingStaged()
}

func TestCommitOfOneOfMany(t *testing.T) {
	s := newSite(t, plain)
	var uploads []*staging.Upload
	for i := range 10 {
		uploads = append(uploads, s.stage("/a", fmt.Sprint(i)))
	}
	won := make(chan int, len(uploads))
	var wg sync.WaitGroup
	for i, u := range uploads {
		wg.Go(func() {
			switch err := u.Commit(t.Context(), false); {
			case err == nil:
				won <- i
			case !errors.Is(err, fs.ErrExist):
				t.Errorf("commit: got %v, want success or fs.ErrExist", err)
			}
		})
	}
	wg.Wait()
	close(won)
	if len(won) != 1 {
		t.Fatalf("%d commits took place, want 1", len(won))
	}
	s.holds(map[string]string{"/a": fmt.Sprint(<-won)})
	s.nothingStaged()
}

func TestCommitWhereNothingCanBe(t *testing.T) {
	s := newSite(t, plain)
	s.put("/dir/x", "x")
	s.put("/plain", "a file")
	s.put("/gone/x", "")
	cases := map[string]error{"/dir": backend.ErrIsDir, "/plain/y": backend.ErrNotDir, "/gone/y": fs.ErrNotExist}
	uploads := make(map[string]*staging.Upload)
	for target := range cases {
		uploads[target] = s.stage(target, "new")
	}
	s.must(os.RemoveAll(s.dir + "/gone"))
	for target, want := range cases {
		if err := uploads[target].Commit(t.Context(), true); !errors.Is(err, want) {
			t.Errorf("commit to %s: got %v, want %v", target, err, want)
		}
	}
	s.holds(map[string]string{"/dir/x": "x", "/plain": "a file"})
	s.nothingStaged()
	for target, want := range map[string]error{
		"/": fs.ErrExist, "/far": fs.ErrExist,
		"/.gatehouse": fs.ErrInvalid, "/far/.Gatehouse": fs.ErrInvalid, "/.gatehouse/x": fs.ErrNotExist,
	} {
		if _, err := s.area.Create(t.Context(), at(target), backend.How{}); !errors.Is(err, want) {
			t.Errorf("upload to %s: got %v, want %v", target, err, want)
		}
	}
}

func TestBound(t *testing.T) {
	s := newSite(t, plain)
	a := s.start("2", 2)
	one, err := a.Create(t.Context(), at("/1"), backend.How{})
	s.must(err)
	two, err := a.Create(t.Context(), at("/far/2"), backend.How{})
	s.must(err)
	for range 3 {
		if _, err := a.Create(t.Context(), at("/3"), backend.How{}); !errors.Is(err, staging.ErrTooMany) {
			t.Fatalf("third upload: got %v, want ErrTooMany", err)
		}
	}
	one.Discard()
	one.Discard()
	three, err := a.Create(t.Context(), at("/3"), backend.How{})
	s.must(err)
	s.must(two.Commit(t.Context(), false))
	four, err := a.Folder(t.Context(), at("/4"))
	s.must(err)
	if _, err := a.Create(t.Context(), at("/5"), backend.How{}); !errors.Is(err, staging.ErrTooMany) {
		t.Errorf("one too many: got %v, want ErrTooMany", err)
	}
	three.Discard()
	four.Discard()
	s.nothingStaged()
}

func TestNewFileTakesModeAndOwner(t *testing.T) {
	s := newSite(t, plain)
	uid := os.Getuid()
	if uid == 0 {
		uid = 12345
	}
	u, err := s.area.Create(t.Context(), at("/a"), backend.How{Read: true, Mode: 0o604, UID: &uid})
	s.must(err)
	s.must(u.Commit(t.Context(), false))
	i, err := s.table.Stat(t.Context(), at("/a"))
	s.must(err)
	if i.Mode != 0o604 || i.UID != uid {
		t.Errorf("got mode %v and owner %d, want 0604 and %d", i.Mode, i.UID, uid)
	}
}

func TestStagingIsOutOfSight(t *testing.T) {
	s := newSite(t, plain)
	u := s.stage("/a", "secret")
	defer u.Discard()
	d, err := s.table.List(t.Context(), path.Root)
	s.must(err)
	defer d.Close()
	some, _ := d.Next(100)
	if len(some) != 1 || some[0].Name != "far" {
		t.Errorf("listed %v, want nothing but the mount point", some)
	}
	found, err := filepath.Glob(s.dir + "/.gatehouse/staging/node-a-1/*")
	s.must(err)
	if len(found) != 1 {
		t.Fatalf("staged on disk: %q, want one file", found)
	}
	for _, p := range []string{"/.gatehouse", "/.gatehouse/staging", strings.TrimPrefix(found[0], s.dir)} {
		if _, err := s.table.Stat(t.Context(), at(p)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("stat %s: got %v, want fs.ErrNotExist", p, err)
		}
	}
	i, err := os.Stat(s.dir + "/.gatehouse")
	s.must(err)
	if i.Mode().Perm() != 0o700 {
		t.Errorf("the reserved folder has mode %v, want 0700", i.Mode())
	}
}

func TestReservedFolderRemovedOnDisk(t *testing.T) {
	s := newSite(t, plain)
	s.must(os.RemoveAll(s.dir + "/.gatehouse"))
	s.must(s.stage("/a", "content").Commit(t.Context(), false))
	s.put("/b", "old")
	s.must(os.RemoveAll(s.dir + "/.gatehouse"))
	old, err := s.area.PutAside(t.Context(), at("/b"))
	s.must(err)
	s.must(old.Restore())
	s.holds(map[string]string{"/a": "content", "/b": "old"})
}

func TestDeadEpochs(t *testing.T) {
	s := newSite(t, plain)
	s.stage("/a", "half")
	s.stage("/far/b", "half")
	f, err := s.area.Folder(t.Context(), at("/tree"))
	s.must(err)
	s.must(f.Backend.Mkdir(t.Context(), f.Path.Append(at("/sub"))))
	other, err := staging.New(t.Context(), s.table, "node-a-b", "1", 10)
	s.must(err)
	theirs, err := other.Create(t.Context(), at("/theirs"), backend.How{})
	s.must(err)

	again := s.start("2", 10)
	s.must(theirs.Commit(t.Context(), false))
	s.nothingStaged()
	s.holds(map[string]string{"/theirs": ""})
	for _, dir := range []string{s.dir, s.far} {
		entries, err := os.ReadDir(dir + "/.gatehouse/staging")
		s.must(err)
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		if want := []string{"node-a-2", "node-a-b-1"}; !slices.Equal(names, want) {
			t.Errorf("staging folders: %q, want %q", names, want)
		}
	}
	if _, err := other.Create(t.Context(), at("/half"), backend.How{}); err != nil {
		t.Errorf("the other node cannot stage any more: %v", err)
	}
	s.must(again.Reap(t.Context(), "node-a-b", "1"))
	s.nothingStaged()
	if err := again.Reap(t.Context(), "node-a", "2"); err == nil {
		t.Error("a node cleared away its own staging")
	}
}

func TestNames(t *testing.T) {
	s := newSite(t, plain)
	for _, c := range [][2]string{{"", "1"}, {"a", ""}, {"a", "1-2"}, {"a/b", "1"}, {"a", "1\x00"}, {strings.Repeat("x", 255), "1"}} {
		if _, err := staging.New(t.Context(), s.table, c[0], c[1], 1); err == nil {
			t.Errorf("node %q in epoch %q was taken", c[0], c[1])
		}
	}
}

func TestFolderAppearsAsOne(t *testing.T) {
	s := newSite(t, plain)
	f, err := s.area.Folder(t.Context(), at("/tree"))
	s.must(err)
	w, err := f.Backend.Open(t.Context(), f.Path.Append(at("/a")), backend.How{Write: true, Create: true})
	s.must(err)
	s.must(w.Close())
	s.holds(map[string]string{})
	s.must(f.Commit(t.Context()))
	s.holds(map[string]string{"/tree/a": ""})

	f, err = s.area.Folder(t.Context(), at("/tree"))
	s.must(err)
	if err := f.Commit(t.Context()); !errors.Is(err, fs.ErrExist) {
		t.Errorf("commit onto a folder: got %v, want fs.ErrExist", err)
	}
	s.holds(map[string]string{"/tree/a": ""})
	s.nothingStaged()
}
