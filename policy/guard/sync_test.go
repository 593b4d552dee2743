package guard_test

import (
	"context"
	"errors"
	"testing"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/policy/path"
	"gatehouse/storage/backend/backendtest"
	"gatehouse/storage/backend/local"
	"gatehouse/storage/mount"
)

// An awaited disk does something before it makes a folder durable.
type awaited struct {
	*backendtest.Power
	before func(folder path.Path)
}

func (d *awaited) Sync(ctx context.Context, folder path.Path) error {
	d.before(folder)
	return d.Power.Sync(ctx, folder)
}

// The folder of a new file is moved just when the file's name is made durable: it
// is, where it stands by then.
func TestNameIsSyncedWhereItIs(t *testing.T) {
	w := &world{t: t, dir: t.TempDir()}
	b, err := local.Open(w.dir, local.Options{})
	w.must(err)
	power, err := backendtest.NewPower(b)
	w.must(err)
	disk := &awaited{power, func(path.Path) {}}
	w.open(mount.Mount{Path: tp("/"), Backend: disk, Sync: mount.SyncClose})
	u := w.user("ann")
	w.folder("/home/ann/here")
	w.must(power.Settle())
	f, err := u.Open(t.Context(), tp("/here/f"), newFile)
	w.must(err)
	_, err = f.WriteAt([]byte("whole"), 0)
	w.must(err)
	disk.before = func(folder path.Path) {
		if folder == tp("/home/ann/here") {
			disk.before = func(path.Path) {}
			w.must(u.Rename(t.Context(), tp("/here"), tp("/away"), guard.KeepTarget))
		}
	}
	w.must(f.Close())
	if got := power.Least()["/home/ann/away/f"]; got.Text != "whole" {
		t.Errorf("what is left at its new place is %s", got)
	}
}

// A tree that takes the place of another is durable there before the first of the
// other is removed.
func TestReplacingTreeIsSyncedFirst(t *testing.T) {
	o := newOutage(t, mount.SyncClose, policy.Atomic)
	o.plays(makes("/new"), store("/new/f", "whole", false))
	removing := false
	o.power.Then = func() {
		removing = removing || !o.exists("/home/ann/d/in") && len(o.staged()) == 1
		if is := o.power.Least()["/home/ann/d/f"]; removing && is.Text != "whole" {
			t.Errorf("while what was there is removed, what replaces it is %s", is)
		}
	}
	o.must(o.user.Rename(t.Context(), tp("/new"), tp("/d"), guard.ReplaceAny))
	if !removing {
		t.Error("nothing was removed")
	}
}

// What cannot be made durable is not acknowledged.
func TestUnsyncedIsNotAcknowledged(t *testing.T) {
	w := &world{t: t, dir: t.TempDir()}
	b, err := local.Open(w.dir, local.Options{})
	w.must(err)
	power, err := backendtest.NewPower(b)
	w.must(err)
	disk := &broken{Power: power}
	w.open(mount.Mount{Path: tp("/"), Backend: disk, Sync: mount.SyncClose})
	u := w.user("ann")
	disk.err = errors.New("the disk is broken")
	for what, err := range map[string]error{
		"upload": u.upload("/f", "whole"),
		"mkdir":  u.Mkdir(t.Context(), tp("/d"), 0),
		"rename": u.Rename(t.Context(), tp("/f"), tp("/g"), guard.KeepTarget),
		"copy":   u.Copy(t.Context(), tp("/g"), tp("/h"), guard.CopyHow{}),
	} {
		if !errors.Is(err, disk.err) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// A broken disk makes no folder durable.
type broken struct {
	*backendtest.Power
	err error
}

func (d *broken) Sync(ctx context.Context, folder path.Path) error {
	if d.err != nil {
		return d.err
	}
	return d.Power.Sync(ctx, folder)
}
