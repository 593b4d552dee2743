package guard_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/backend/local"
	"gatehouse/storage/mount"
	"gatehouse/storage/quota"
)

// What explain says of an upload of some size is what becomes of it: to the byte,
// whether a quota bounds it or the largest upload, and whatever it replaces.
func TestExplainUploadToTheByte(t *testing.T) {
	tests := map[string]struct {
		at    string
		door  policy.Door
		most  int64
		bound policy.Rule
	}{
		"a new file":                     {"/new", policy.SFTP, 400, policy.RuleQuota},
		"over a file":                    {"/old", policy.SFTP, 500, policy.RuleQuota},
		"over a file, atomically":        {"/old", policy.WebDAV, 500, policy.RuleQuota},
		"over one of two names":          {"/one", policy.SFTP, 700, policy.RuleQuota},
		"atomically, the other keeps it": {"/one", policy.WebDAV, 400, policy.RuleQuota},
		"under a smaller quota":          {"/small/new", policy.SFTP, 50, policy.RuleQuota},
		"where the largest is less":      {"/wide/new", policy.SFTP, 800, policy.RuleLargestUpload},
		"over one where that counts too": {"/wide/old", policy.SFTP, 800, policy.RuleLargestUpload},
	}
	for name, tt := range tests {
		for _, more := range []int64{0, 1} {
			w := newWorld(t)
			w.put("/home/ann/old", strings.Repeat("o", 100))
			w.put("/home/ann/one", strings.Repeat("l", 300))
			w.must(os.Link(w.disk("/home/ann/one"), w.disk("/home/ann/two")))
			w.folder("/home/ann/small")
			w.put("/wide/old", "old")
			w.limit("/home/ann", 800, 100)
			w.limit("/home/ann/small", 50, 100)
			u := w.user("ann", grantedAt("/wide", policy.Full, "wide"), largest(800), through(tt.door))
			got, err := w.tree.ExplainUpload(t.Context(), guard.Config{Effective: u.effective(), Door: tt.door}, guard.WholeTree, policy.OpWrite, tp(tt.at), tt.most+more)
			w.must(err)
			if got.Upload == nil || got.Upload.Most != tt.most || got.Upload.Rule != tt.bound || got.Upload.Size != tt.most+more {
				t.Errorf("%s: got %+v, want %d by %s", name, got.Upload, tt.most, tt.bound)
			}
			err = u.upload(tt.at, strings.Repeat("x", int(tt.most+more)))
			if (err == nil) != got.Done() || (more == 0) != got.Done() {
				t.Errorf("%s, %d more than fits: ends with %v, and explain says %v", name, more, err, got.Obstacle)
			}
		}
	}
}

// Where no file fits any more there is no room for an empty one either, and
// writing over what is there goes on.
func TestExplainUploadWithoutRoomForAFile(t *testing.T) {
	w := newWorld(t)
	w.put("/home/ann/old", "old")
	w.limit("/home/ann", 1000, 1)
	u := w.user("ann")
	c := guard.Config{Effective: u.effective(), Door: policy.SFTP}
	got, err := w.tree.Explain(t.Context(), c, guard.WholeTree, policy.OpWrite, tp("/new"))
	w.must(err)
	if !errors.Is(got.Obstacle, quota.ErrExceeded) || got.Upload.Most != 0 || got.Upload.Rule != policy.RuleQuota || got.Upload.Size >= 0 {
		t.Errorf("a new file: got %+v, %+v", got.Obstacle, got.Upload)
	}
	got, err = w.tree.Explain(t.Context(), c, guard.WholeTree, policy.OpWrite, tp("/old"))
	w.must(err)
	if !got.Done() || got.Upload.Most != 1000 {
		t.Errorf("over the old one: got %+v, %+v", got.Obstacle, got.Upload)
	}
	// What is no upload has no size.
	for _, op := range []policy.Operation{policy.OpRead, policy.OpCreate, policy.OpDelete} {
		if got, err := w.tree.Explain(t.Context(), c, guard.WholeTree, op, tp("/old")); err != nil || got.Upload != nil {
			t.Errorf("%s: got %+v, %v", op, got.Upload, err)
		}
	}
}

// A smallDisk has room for 100 bytes more.
type smallDisk struct{ backend.Backend }

func (smallDisk) Space(context.Context, path.Path) (backend.Space, error) {
	return backend.Space{Bytes: 1000, FreeBytes: 100, Files: -1, FreeFiles: -1}, nil
}

func newSmallWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	b, err := local.Open(w.dir, local.Options{})
	w.must(err)
	w.open(mount.Mount{Path: tp("/"), Backend: smallDisk{b}, Sync: mount.SyncNone})
	w.put("/home/ann/old", strings.Repeat("o", 900))
	return w
}

// Until an upload takes the place of a file the disk holds both, whatever a quota
// counts. In place it holds one.
func TestExplainUploadOnASmallDisk(t *testing.T) {
	for name, tt := range map[string]struct {
		door  policy.Door
		quota int64
		most  int64
		bound policy.Rule
	}{
		"atomically":                     {policy.WebDAV, 0, 100, ""},
		"atomically, in a large quota":   {policy.WebDAV, 5000, 100, ""},
		"atomically, in a full quota":    {policy.WebDAV, 900, 100, ""},
		"in place":                       {policy.SFTP, 0, 1000, ""},
		"in place, where a quota bounds": {policy.SFTP, 950, 950, policy.RuleQuota},
	} {
		for more := range int64(2) {
			t.Run(fmt.Sprint(name, ", ", more, " more"), func(t *testing.T) {
				w := newSmallWorld(t)
				if tt.quota > 0 {
					w.limit("/home/ann", tt.quota, 100)
				}
				u := w.user("ann", through(tt.door))
				got, err := w.tree.ExplainUpload(t.Context(), guard.Config{Effective: u.effective(), Door: tt.door}, guard.WholeTree, policy.OpWrite, tp("/old"), tt.most+more)
				w.must(err)
				if got.Upload.Most != tt.most || got.Upload.Rule != tt.bound || got.Done() != (more == 0) {
					t.Errorf("%d bytes: got %+v, %v, want at most %d by %q", tt.most+more, got.Upload, got.Obstacle, tt.most, tt.bound)
				}
				f, err := u.Open(t.Context(), tp("/old"), guard.Open{Write: true, Create: true, Truncate: true, Size: tt.most + more})
				if (err == nil) != got.Done() {
					t.Errorf("%d bytes, announced: %v", tt.most+more, err)
				}
				if err == nil {
					f.Abort(nil)
					w.must(f.Close())
				}
			})
		}
	}
}

// Who says beforehand that there will be more than the disk has room for is refused
// before what stands there is emptied, or anything made.
func TestAnnouncedBeyondTheDisk(t *testing.T) {
	w := newSmallWorld(t)
	u := w.user("ann")
	for _, p := range []string{"/old", "/new"} {
		_, err := u.Open(t.Context(), tp(p), guard.Open{Write: true, Create: true, Truncate: true, Size: 1001})
		w.want(err, backend.ErrNoSpace)
	}
	if got := len(w.content("/home/ann/old")); got != 900 || w.exists("/home/ann/new") {
		t.Errorf("the old file has %d bytes; the new one is there: %v", got, w.exists("/home/ann/new"))
	}
}

// An empty file needs no room but for a file, and no size is so large that it fits.
func TestExplainUploadOfExtremeSizes(t *testing.T) {
	w := newWorld(t)
	w.put("/home/ann/old", strings.Repeat("o", 100))
	w.limit("/home/ann", 100, 100)
	u := w.user("ann")
	c := guard.Config{Effective: u.effective(), Door: policy.SFTP}
	got, err := w.tree.ExplainUpload(t.Context(), c, guard.WholeTree, policy.OpWrite, tp("/new"), 0)
	w.must(err)
	if err := u.upload("/new", ""); err != nil || !got.Done() {
		t.Errorf("an empty file: ends with %v, and explain says %v", err, got.Obstacle)
	}
	for _, p := range []string{"/huge", "/old"} {
		got, err = w.tree.ExplainUpload(t.Context(), c, guard.WholeTree, policy.OpWrite, tp(p), math.MaxInt64)
		w.must(err)
		if !errors.Is(got.Obstacle, quota.ErrExceeded) {
			t.Errorf("%s of the largest size: explain says %v", p, got.Obstacle)
		}
	}
}
