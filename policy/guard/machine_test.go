package guard_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/storage/backend"
	"gatehouse/storage/quota"
)

// An opened file, in the guard and in the model.
type opened struct {
	f *guard.File
	n *inode
}

// TestModel: whatever several sessions do under nested quotas, the tree holds
// what the model says, and every ledger says what is on disk, to the byte and
// file. What is refused for want of room would have passed a limit.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		everything := []option{root("/"), granted("/", policy.Full)}
		sessions := []*user{
			w.user("root", append(everything, uploads(policy.InPlace))...),
			w.user("root", append(everything, uploads(policy.Atomic))...),
		}
		w.must(os.RemoveAll(w.disk("/home")))
		m := newModel()
		check := &machine{w: w, m: m, sessions: sessions, ctx: t}
		for _, p := range []string{"/a", "/a/b", "/c"} {
			w.must(sessions[0].Mkdir(t.Context(), tp(p), 0))
			check.rt = rt
			check.same("mkdir", nil, m.mkdir(p))
		}
		for i, p := range []string{"/", "/a", "/a/b", "/c"} {
			most := []int64{400, 250, 120, 150}[i]
			limit := quota.Amount{Bytes: rapid.Int64Range(0, most).Draw(rt, "bytes of "+p), Files: rapid.Int64Range(1, 12).Draw(rt, "files of "+p)}
			if rapid.IntRange(0, 4).Draw(rt, "unlimited") == 0 {
				limit.Bytes = -1
			}
			m.quotas[p] = limit
			w.limit(p, limit.Bytes, limit.Files)
		}
		rt.Repeat(check.actions())
		for _, o := range check.open {
			_ = o.f.Close()
		}
		check.agree()
	})
}

type machine struct {
	w        *world
	m        *model
	ctx      *testing.T
	sessions []*user
	open     []opened
	rt       *rapid.T
}

func (c *machine) path(rt *rapid.T, label string) string {
	depth := rapid.IntRange(1, 3).Draw(rt, label)
	p := ""
	for range depth {
		p += "/" + rapid.SampledFrom([]string{"a", "b", "c", "f", "g"}).Draw(rt, "name")
	}
	return p
}

func (c *machine) user(rt *rapid.T) *user { return rapid.SampledFrom(c.sessions).Draw(rt, "session") }

// same compares outcomes: done, no room, or refused for any other reason.
func (c *machine) same(what string, err, want error) {
	c.rt.Helper()
	switch {
	case want == nil && err != nil:
		c.rt.Fatalf("%s: %v, and should be done", what, err)
	case want != nil && err == nil:
		c.rt.Fatalf("%s: done, and should be %v", what, want)
	case errors.Is(want, errExceeded) != errors.Is(err, quota.ErrExceeded):
		c.rt.Fatalf("%s: %v, want %v", what, err, want)
	}
}

func (c *machine) actions() map[string]func(*rapid.T) {
	do := func(act func(rt *rapid.T)) func(rt *rapid.T) {
		return func(rt *rapid.T) {
			c.rt = rt
			act(rt)
		}
	}
	ctx := c.ctx.Context()
	replaces := []guard.Replace{guard.KeepTarget, guard.ReplaceFile, guard.ReplaceAny}
	return map[string]func(*rapid.T){
		"": do(func(*rapid.T) { c.agree() }),
		"mkdir": do(func(rt *rapid.T) {
			p := c.path(rt, "path")
			c.same("mkdir "+p, c.user(rt).Mkdir(ctx, tp(p), 0), c.m.mkdir(p))
		}),
		"upload":  do(c.upload),
		"upload2": do(c.upload),
		"remove": do(func(rt *rapid.T) {
			p := c.path(rt, "path")
			c.same("remove "+p, c.user(rt).Remove(ctx, tp(p)), c.m.remove(p))
		}),
		"rmdir": do(func(rt *rapid.T) {
			p := c.path(rt, "path")
			c.same("rmdir "+p, c.user(rt).RemoveDir(ctx, tp(p)), c.m.removeDir(p, false))
		}),
		"remove all": do(func(rt *rapid.T) {
			p := c.path(rt, "path")
			want := c.m.removeDir(p, true)
			if want != nil {
				want = c.m.remove(p)
			}
			c.same("remove all "+p, c.user(rt).RemoveAll(ctx, tp(p)), want)
		}),
		"rename":  do(func(rt *rapid.T) { c.rename(rt, replaces) }),
		"rename2": do(func(rt *rapid.T) { c.rename(rt, replaces) }),
		"copy": do(func(rt *rapid.T) {
			from, to := c.path(rt, "from"), c.path(rt, "to")
			how := guard.CopyHow{Replace: rapid.SampledFrom(replaces).Draw(rt, "replace"), Shallow: rapid.Bool().Draw(rt, "shallow")}
			err := c.user(rt).Copy(ctx, tp(from), tp(to), how)
			c.same(fmt.Sprintf("copy %s %s %+v", from, to, how), err, c.m.copy(from, to, how.Replace, how.Shallow))
		}),
		"link": do(func(rt *rapid.T) {
			from, to := c.path(rt, "from"), c.path(rt, "to")
			c.same("link "+from+" "+to, c.user(rt).Link(ctx, tp(from), tp(to)), c.m.link(from, to))
		}),
		"set size": do(func(rt *rapid.T) {
			p, size := c.path(rt, "path"), rapid.IntRange(0, 100).Draw(rt, "size")
			n, s := c.m.nodes[p], int64(size)
			err := c.user(rt).SetAttr(ctx, tp(p), backend.Attr{Size: &s})
			c.same(fmt.Sprintf("set size of %s to %d", p, size), err, c.resize(n, p, size))
		}),
		"open":   do(c.openFile),
		"resume": do(c.resume),
		"staged": do(c.staged),
		"write":  do(c.write),
		"resize": do(func(rt *rapid.T) {
			o, p := c.pick(rt)
			size := rapid.IntRange(0, 100).Draw(rt, "size")
			want := c.resize(o.n, p, size)
			if p == "" && size > len(o.n.data) {
				want = errModel // it has no name any more, and cannot grow
			}
			c.same("resize "+p, o.f.Truncate(int64(size)), want)
		}),
		"close": do(func(rt *rapid.T) {
			o, _ := c.pick(rt)
			c.same("close", o.f.Close(), nil)
			c.open = slices.DeleteFunc(c.open, func(x opened) bool { return x.f == o.f })
		}),
	}
}

func (c *machine) rename(rt *rapid.T, replaces []guard.Replace) {
	from, to := c.path(rt, "from"), c.path(rt, "to")
	r := rapid.SampledFrom(replaces).Draw(rt, "replace")
	err := c.user(rt).Rename(c.ctx.Context(), tp(from), tp(to), r)
	c.same(fmt.Sprintf("rename %s %s %d", from, to, r), err, c.m.rename(from, to, r))
}

func (c *machine) resize(n *inode, p string, size int) error {
	if n == nil || n.dir {
		return errModel
	}
	if grow := size - len(n.data); grow > 0 {
		if p != "" && grow > c.m.room(p) {
			return errExceeded
		}
		if p == "" {
			return errModel
		}
		n.data = append(n.data, make([]byte, grow)...)
	}
	n.data = n.data[:size]
	return nil
}

// upload is one of a whole file, in place by one session and staged by the other.
func (c *machine) upload(rt *rapid.T) {
	p := c.path(rt, "path")
	data := rapid.SliceOfN(rapid.Byte(), 0, 80).Draw(rt, "data")
	u := c.user(rt)
	err := u.upload(p, string(data))
	if u == c.sessions[1] {
		c.same("put "+p, err, c.m.put(p, data))
		return
	}
	n, want := c.m.open(p)
	if want == nil {
		_, want = c.m.write(n, p, 0, data)
	}
	c.same("write "+p, err, want)
}

func (c *machine) openFile(rt *rapid.T) {
	if len(c.open) == 5 {
		rt.Skip("enough are open")
	}
	p := c.path(rt, "path")
	f, err := c.sessions[0].Open(c.ctx.Context(), tp(p), newFile)
	n, want := c.m.open(p)
	c.same("open "+p, err, want)
	if err == nil {
		c.open = append(c.open, opened{f, n})
	}
}

// resume opens what is there and leaves its content; the writes come later.
func (c *machine) resume(rt *rapid.T) {
	if len(c.open) == 5 {
		rt.Skip("enough are open")
	}
	p := c.path(rt, "path")
	f, err := c.sessions[0].Open(c.ctx.Context(), tp(p), guard.Open{Write: true})
	n := c.m.nodes[p]
	var want error
	if n == nil || n.dir {
		want = errModel
	}
	c.same("resume "+p, err, want)
	if err == nil {
		c.open = append(c.open, opened{f, n})
	}
}

// staged is an upload in pieces, the last first, which is put in place or given
// up: then nothing has happened, whatever it had reserved.
func (c *machine) staged(rt *rapid.T) {
	p := c.path(rt, "path")
	pieces := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 1, 40), 0, 4).Draw(rt, "pieces")
	givenUp := rapid.Bool().Draw(rt, "given up")
	data := slices.Concat(pieces...)
	f, err := c.sessions[1].Open(c.ctx.Context(), tp(p), newFile)
	if err == nil {
		end := int64(len(data))
		for _, piece := range slices.Backward(pieces) {
			end -= int64(len(piece))
			if _, err = f.WriteAt(piece, end); err != nil {
				break
			}
		}
		if givenUp || err != nil {
			f.Abort(err)
		}
		if closed := f.Close(); err == nil && !givenUp {
			err = closed
		}
	}
	switch {
	case !givenUp:
		c.same("put "+p, err, c.m.put(p, data))
	case err != nil:
		c.same("put "+p+" and give it up", err, c.m.clone().put(p, data))
	}
}

func (c *machine) pick(rt *rapid.T) (opened, string) {
	if len(c.open) == 0 {
		rt.Skip("nothing is open")
	}
	o := c.open[rapid.IntRange(0, len(c.open)-1).Draw(rt, "file")]
	return o, c.m.nameOf(o.n)
}

func (c *machine) write(rt *rapid.T) {
	o, p := c.pick(rt)
	off := rapid.IntRange(0, 60).Draw(rt, "off")
	data := rapid.SliceOfN(rapid.Byte(), 0, 60).Draw(rt, "data")
	n, err := o.f.WriteAt(data, int64(off))
	if p == "" && off+len(data) > len(o.n.data) && len(data) > 0 {
		c.same("write to what is gone", err, errModel)
		return
	}
	wrote, want := c.m.write(o.n, p, off, data)
	c.same("write "+p, err, want)
	if n != wrote {
		rt.Fatalf("wrote %d to %s, want %d", n, p, wrote)
	}
}

// agree compares the disk and the ledgers with the model.
func (c *machine) agree() {
	found := map[string]bool{}
	c.w.must(filepath.WalkDir(c.w.dir, func(p string, d fs.DirEntry, err error) error {
		name := strings.TrimPrefix(p, c.w.dir)
		if err != nil || name == "" {
			return err
		}
		if d.Name() == ".gatehouse" {
			return filepath.SkipDir
		}
		n := c.m.nodes[name]
		if n == nil || n.dir != d.IsDir() {
			c.rt.Fatalf("%s should not be there", name)
		}
		found[name] = true
		if d.IsDir() {
			return nil
		}
		if got := c.w.content(name); got != string(n.data) {
			c.rt.Fatalf("%s holds %q, want %q", name, got, n.data)
		}
		return nil
	}))
	if len(found) != len(c.m.nodes) {
		c.rt.Fatalf("%d names on disk, want %d", len(found), len(c.m.nodes))
	}
	// Asking for the space books what writers have reserved ahead.
	if _, err := c.sessions[0].Space(c.ctx.Context(), tp("/")); err != nil {
		c.rt.Fatal(err)
	}
	all, err := c.w.quotas.List(c.ctx.Context())
	c.w.must(err)
	if len(all) != len(c.m.quotas) {
		c.rt.Fatalf("quotas %+v, want %+v", all, c.m.quotas)
	}
	for _, q := range all {
		p := q.Folder.String()
		if got, want := q.Used, c.m.used(p); got != want || q.Amount != c.m.quotas[p] {
			c.rt.Fatalf("quota of %s: %+v of %+v, want %+v of %+v", p, got, q.Amount, want, c.m.quotas[p])
		}
	}
	if left := c.w.staged(); len(left) > 0 {
		c.rt.Fatalf("left in staging: %q", left)
	}
}
