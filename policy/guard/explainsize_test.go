package guard_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"gatehouse/policy"
	"gatehouse/policy/guard"
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
