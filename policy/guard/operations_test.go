package guard_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/storage/backend"
	"gatehouse/storage/events"
)

// An operation of the table below, on a folder that holds a file "old" of two
// bytes, an empty folder "void" and a folder "tree" with a file in it.
type operation struct {
	name  string
	needs policy.Permissions // all of them
	// also is a second set that will do.
	also policy.Permissions
	do   func(ctx context.Context, u *user, folder string) error
	kind events.Kind // of the one event, where it leaves one
}

const anything = policy.Permissions(0)

func operations() []operation {
	now := time.Unix(1_000_000_000, 0)
	open := func(name string, how guard.Open) func(context.Context, *user, string) error {
		return func(ctx context.Context, u *user, folder string) error {
			f, err := u.Open(ctx, tp(folder+name), how)
			if err != nil {
				return err
			}
			if how.Write {
				_, err = f.WriteAt([]byte("new content"), 0)
			}
			return errors.Join(err, f.Close())
		}
	}
	both := func(do func(ctx context.Context, u *user, from, to string) error, from, to string) func(context.Context, *user, string) error {
		return func(ctx context.Context, u *user, folder string) error { return do(ctx, u, folder+from, folder+to) }
	}
	rename := func(r guard.Replace) func(context.Context, *user, string, string) error {
		return func(ctx context.Context, u *user, from, to string) error { return u.Rename(ctx, tp(from), tp(to), r) }
	}
	copying := func(how guard.CopyHow) func(context.Context, *user, string, string) error {
		return func(ctx context.Context, u *user, from, to string) error { return u.Copy(ctx, tp(from), tp(to), how) }
	}
	on := func(name string, do func(context.Context, *user, string) error) func(context.Context, *user, string) error {
		return func(ctx context.Context, u *user, folder string) error { return do(ctx, u, folder+name) }
	}
	const (
		r = policy.Read
		l = policy.List
		c = policy.Create
		w = policy.Write
		d = policy.Delete
	)
	return []operation{
		{name: "stat", needs: anything, do: on("/old", func(ctx context.Context, u *user, p string) error {
			_, err := u.Stat(ctx, tp(p))
			return err
		})},
		{name: "lstat", needs: anything, do: on("/old", func(ctx context.Context, u *user, p string) error {
			_, err := u.Lstat(ctx, tp(p))
			return err
		})},
		{name: "realpath", needs: anything, do: on("/old", func(ctx context.Context, u *user, p string) error {
			_, err := u.RealPath(ctx, tp(p))
			return err
		})},
		{name: "space", needs: anything, do: on("/old", func(ctx context.Context, u *user, p string) error {
			_, err := u.Space(ctx, tp(p))
			return err
		})},
		{name: "properties", needs: anything, do: on("/old", func(ctx context.Context, u *user, p string) error {
			_, err := u.Properties(ctx, tp(p))
			return err
		})},
		{name: "locks", needs: anything, do: on("/old", func(ctx context.Context, u *user, p string) error {
			_, err := u.Locks(ctx, tp(p))
			return err
		})},
		{name: "list", needs: l, kind: events.ListFolder, do: on("/tree", func(ctx context.Context, u *user, p string) error {
			d, err := u.List(ctx, tp(p))
			if err != nil {
				return err
			}
			return d.Close()
		})},
		{name: "read", needs: r, kind: events.Download, do: open("/old", guard.Open{Read: true})},
		{name: "create", needs: c, also: w, kind: events.Upload, do: open("/new", guard.Open{Write: true, Create: true})},
		{name: "create exclusively", needs: c, also: w, kind: events.Upload, do: open("/new", guard.Open{Write: true, Create: true, Exclusive: true})},
		{name: "create to read", needs: c | r, also: w | r, kind: events.Upload, do: open("/new", guard.Open{Read: true, Write: true, Create: true})},
		{name: "create atomically", needs: c, also: w, kind: events.Upload, do: open("/new", guard.Open{Write: true, Create: true, Atomic: true})},
		{name: "overwrite", needs: w, kind: events.Upload, do: open("/old", guard.Open{Write: true})},
		{name: "truncate and write", needs: w, kind: events.Upload, do: open("/old", guard.Open{Write: true, Create: true, Truncate: true})},
		{name: "replace atomically", needs: w, kind: events.Upload, do: open("/old", guard.Open{Write: true, Create: true, Truncate: true, Atomic: true})},
		{name: "resume", needs: w, kind: events.Upload, do: open("/old", guard.Open{Write: true, Resume: true})},
		{name: "read and write", needs: r | w, kind: events.Upload, do: open("/old", guard.Open{Read: true, Write: true})},
		{name: "mkdir", needs: c, also: w, kind: events.Mkdir, do: on("/new", func(ctx context.Context, u *user, p string) error { return u.Mkdir(ctx, tp(p), 0o755) })},
		{name: "remove", needs: d, kind: events.Delete, do: on("/old", func(ctx context.Context, u *user, p string) error { return u.Remove(ctx, tp(p)) })},
		{name: "rmdir", needs: d, kind: events.Delete, do: on("/void", func(ctx context.Context, u *user, p string) error { return u.RemoveDir(ctx, tp(p)) })},
		{name: "remove a tree", needs: d, kind: events.Delete, do: on("/tree", func(ctx context.Context, u *user, p string) error { return u.RemoveAll(ctx, tp(p)) })},
		{name: "remove all of a file", needs: d, kind: events.Delete, do: on("/old", func(ctx context.Context, u *user, p string) error { return u.RemoveAll(ctx, tp(p)) })},
		{name: "rename", needs: d | c, also: d | w, kind: events.Rename, do: both(rename(guard.KeepTarget), "/old", "/new")},
		{name: "rename a tree", needs: d | c, also: d | w, kind: events.Rename, do: both(rename(guard.KeepTarget), "/tree", "/new")},
		{name: "rename onto a file", needs: d | w, kind: events.Rename, do: both(rename(guard.ReplaceFile), "/tree/leaf", "/old")},
		{name: "rename a file onto a tree", needs: d | c, also: d | w, kind: events.Rename, do: both(rename(guard.ReplaceAny), "/old", "/tree")},
		{name: "copy", needs: r | c, also: r | w, kind: events.Copy, do: both(copying(guard.CopyHow{}), "/old", "/new")},
		{name: "copy a tree", needs: r | l | c, also: r | l | w, kind: events.Copy, do: both(copying(guard.CopyHow{}), "/tree", "/new")},
		{name: "copy onto a file", needs: r | w, kind: events.Copy, do: both(copying(guard.CopyHow{Replace: guard.ReplaceFile}), "/tree/leaf", "/old")},
		{name: "copy onto a tree", needs: r | l | d | c, also: r | l | d | w, kind: events.Copy, do: both(copying(guard.CopyHow{Replace: guard.ReplaceAny}), "/void", "/tree")},
		{name: "set times", needs: w, kind: events.SetAttr, do: on("/old", func(ctx context.Context, u *user, p string) error {
			return u.SetAttr(ctx, tp(p), backend.Attr{Modified: &now})
		})},
		{name: "set size", needs: w, kind: events.SetAttr, do: on("/old", func(ctx context.Context, u *user, p string) error {
			return u.SetAttr(ctx, tp(p), backend.Attr{Size: new(int64)})
		})},
		{name: "set mode of a folder", needs: w, kind: events.SetAttr, do: on("/tree", func(ctx context.Context, u *user, p string) error {
			mode := fs.FileMode(0o700)
			return u.SetAttr(ctx, tp(p), backend.Attr{Mode: &mode})
		})},
		{name: "set times through a handle for reading", needs: r | w, kind: events.Download, do: on("/old", func(ctx context.Context, u *user, p string) error {
			f, err := u.Open(ctx, tp(p), guard.Open{Read: true})
			if err != nil {
				return err
			}
			return errors.Join(f.SetAttr(backend.Attr{Modified: &now}), f.Close())
		})},
		{name: "symlink", needs: c, also: w, kind: events.Link, do: on("/new", func(ctx context.Context, u *user, p string) error { return u.Symlink(ctx, "old", tp(p)) })},
		{name: "hard link", needs: r | w, kind: events.Link, do: both(func(ctx context.Context, u *user, from, to string) error {
			return u.Link(ctx, tp(from), tp(to))
		}, "/old", "/new")},
		{name: "set properties", needs: w, kind: events.Property, do: on("/old", func(ctx context.Context, u *user, p string) error {
			return u.SetProperties(ctx, tp(p), map[string][]byte{"{x}y": []byte("z")})
		})},
		{name: "lock", needs: w, kind: events.LockTree, do: on("/old", func(ctx context.Context, u *user, p string) error {
			_, _, err := u.Lock(ctx, tp(p), guard.LockRequest{})
			return err
		})},
		{name: "lock a free name", needs: c, also: w, kind: events.LockTree, do: on("/new", func(ctx context.Context, u *user, p string) error {
			_, created, err := u.Lock(ctx, tp(p), guard.LockRequest{})
			if err == nil && !created {
				return errors.New("nothing was created")
			}
			return err
		})},
	}
}

func (o operation) permits(rights policy.Permissions) bool {
	if rights == 0 {
		return false
	}
	if rights&policy.Write != 0 {
		rights |= policy.Create
	}
	return rights&o.needs == o.needs || o.also != 0 && rights&o.also == o.also
}

// Each operation asks for exactly the rights that the specification names: all
// sets of rights are tried. What is refused changes nothing, leaves an event
// with its rule, and looks like absence to who has no right at all.
func TestOperationsAskForRights(t *testing.T) {
	w := newWorld(t)
	w.site.Symlinks = policy.Allow
	u := w.stranger("eve")
	w.must(os.MkdirAll(w.disk("/share"), 0o750))
	for _, o := range operations() {
		for rights := policy.Permissions(0); rights <= policy.Full; rights++ {
			t.Run(fmt.Sprintf("%s/%s", o.name, strings.ReplaceAll(rights.String(), " ", "")), func(t *testing.T) {
				folder := fmt.Sprintf("/share/%s-%d", strings.ReplaceAll(o.name, " ", ""), rights)
				w.put(folder+"/old", "ab")
				w.folder(folder + "/void")
				w.put(folder+"/tree/leaf", "leaf")
				before := snapshot(t, w.disk(folder))
				u.change(func(a *policy.Account) {
					a.Grants = []policy.Grant{{Path: tp(folder), Permissions: rights, Recursive: true}}
				})
				u.take()
				err := o.do(t.Context(), u, folder)
				if o.permits(rights) {
					if err != nil {
						t.Fatalf("refused: %v", err)
					}
					checkEvent(t, u.take(), o.kind, events.OK)
					return
				}
				checkRefusal(t, err, folder, rights)
				if after := snapshot(t, w.disk(folder)); after != before {
					t.Fatalf("refused, and yet changed:\n%s\nwas\n%s", after, before)
				}
				if o.name == "set times through a handle for reading" && rights&policy.Read != 0 {
					return // the handle was opened, and closed well
				}
				checkEvent(t, u.take(), o.kind, events.Denied)
			})
		}
	}
}

func checkRefusal(t *testing.T, err error, folder string, rights policy.Permissions) {
	t.Helper()
	want := fs.ErrPermission
	if rights == 0 {
		want = fs.ErrNotExist
	}
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
	var d *guard.DeniedError
	if rights != 0 && (!errors.As(err, &d) || d.Rule == "" || d.Allowed) {
		t.Fatalf("no decision in %#v", err)
	}
	var pe *fs.PathError
	var le *os.LinkError
	if !errors.As(err, &pe) && !errors.As(err, &le) {
		t.Fatalf("got a %T", err)
	}
	if pe != nil && !strings.HasPrefix(pe.Path, folder) || le != nil && !strings.HasPrefix(le.Old, folder) {
		t.Fatalf("the error speaks of another path: %v", err)
	}
}

func checkEvent(t *testing.T, all []events.Event, kind events.Kind, outcome string) {
	t.Helper()
	if kind == "" {
		if len(all) > 0 {
			t.Fatalf("got events %+v, want none", all)
		}
		return
	}
	if len(all) != 1 {
		t.Fatalf("got %d events, want one: %+v", len(all), all)
	}
	e := all[0]
	if e.Kind != kind || e.Outcome != outcome {
		t.Fatalf("got %s %s, want %s %s: %+v", e.Kind, e.Outcome, kind, outcome, e)
	}
	if outcome == events.Denied && e.Rule == "" {
		t.Fatalf("the event has no rule: %+v", e)
	}
	if !strings.HasPrefix(e.Path, "/") {
		t.Fatalf("the event has no path: %+v", e)
	}
}

// snapshot describes all that is in a folder of the machine.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s %s", strings.TrimPrefix(p, dir), info.Mode())
		switch {
		case info.Mode().IsRegular():
			content, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %q %d", content, info.ModTime().UnixNano())
		case info.Mode().Type() == fs.ModeSymlink:
			to, err := os.Readlink(p)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " -> %s", to)
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
