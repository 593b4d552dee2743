package guard_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/policy/guard"
	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/backend/backendtest"
	"gatehouse/storage/backend/local"
	"gatehouse/storage/mount"
)

// A patient disk can lose power, counts what it makes durable, and refuses it where
// it is told to.
type patient struct {
	*backendtest.Power
	before func(folder path.Path)       // called before a folder is made durable
	folder func(folder path.Path) error // why it is not
	file   func() error                 // why a file is not
	synced int
}

func (d *patient) Sync(ctx context.Context, folder path.Path) error {
	d.synced++
	if d.before != nil {
		d.before(folder)
	}
	if d.folder != nil {
		if err := d.folder(folder); err != nil {
			return err
		}
	}
	return d.Power.Sync(ctx, folder)
}

func (d *patient) Open(ctx context.Context, p path.Path, how backend.How) (backend.File, error) {
	f, err := d.Power.Open(ctx, p, how)
	if err != nil {
		return nil, err
	}
	return patientFile{f, d}, nil
}

type patientFile struct {
	backend.File
	disk *patient
}

func (f patientFile) Sync() error {
	f.disk.synced++
	if f.disk.file != nil {
		if err := f.disk.file(); err != nil {
			return err
		}
	}
	return f.File.Sync()
}

func newPatient(t testing.TB) (*world, *patient, *user) {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	b, err := local.Open(w.dir, local.Options{})
	w.must(err)
	power, err := backendtest.NewPower(b)
	w.must(err)
	disk := &patient{Power: power}
	w.open(mount.Mount{Path: tp("/"), Backend: disk, Sync: mount.SyncClose})
	u := w.user("ann")
	w.must(power.Settle())
	return w, disk, u
}

// shared is a disk that somebody else closes.
type shared struct{ backend.Backend }

func (shared) Close() error { return nil }

func (d *patient) lasts(t testing.TB, p, text string) {
	t.Helper()
	if got := d.Least()[p]; got.Text != text {
		t.Errorf("%s was acknowledged, and %s is left of it, want %q", p, got, text)
	}
}

var errBroken = errors.New("the disk is broken")

// once is an error the first time.
func once(err error) func() error {
	return func() error {
		now := err
		err = nil
		return now
	}
}

// The folder of a new file cannot be made durable: its client hears it and comes
// again. The second upload is not acknowledged by what the first has left.
func TestUploadAgainAfterAFailedSync(t *testing.T) {
	w, disk, u := newPatient(t)
	fail := once(errBroken)
	disk.folder = func(path.Path) error { return fail() }
	w.want(u.upload("/f", "whole"), errBroken)
	w.must(u.upload("/f", "again"))
	disk.lasts(t, "/home/ann/f", "again")
}

// A file is made by a lock, which under close need not last; what is then written
// into it in place has to.
func TestUploadIntoWhatALockMade(t *testing.T) {
	w, disk, u := newPatient(t)
	l, created, err := u.Lock(t.Context(), tp("/f"), guard.LockRequest{Timeout: time.Minute})
	w.must(err)
	w.must(u.Unlock(t.Context(), tp("/f"), l.Token))
	w.must(u.upload("/f", "whole"))
	if !created {
		t.Error("the lock made nothing")
	}
	disk.lasts(t, "/home/ann/f", "whole")
}

// The gateway is killed while a file is uploaded in place, and the next one goes on.
func TestUploadResumedAfterAKill(t *testing.T) {
	w, disk, u := newPatient(t)
	f, err := u.Open(t.Context(), tp("/f"), newFile)
	w.must(err)
	_, err = f.WriteAt([]byte("wh"), 0)
	w.must(err)
	next := &world{t: t, dir: w.dir}
	next.open(mount.Mount{Path: tp("/"), Backend: shared{disk}, Sync: mount.SyncClose})
	g, err := next.user("ann").Open(t.Context(), tp("/f"), guard.Open{Write: true, Create: true, Resume: true})
	w.must(err)
	_, err = g.WriteAt([]byte("ole"), 2)
	w.must(err)
	w.must(g.Close())
	disk.lasts(t, "/home/ann/f", "whole")
}

// All had been written when the gateway was killed: the client that goes on at the
// end sends nothing, and what it then hears is that its file is there.
func TestUploadResumedAtItsEnd(t *testing.T) {
	w, disk, u := newPatient(t)
	w.put("/home/ann/f", "")
	w.must(disk.Settle())
	w.put("/home/ann/f", "whole") // by the gateway that was killed
	g, err := u.Open(t.Context(), tp("/f"), guard.Open{Write: true, Create: true, Resume: true})
	w.must(err)
	_, err = g.CopyFrom(strings.NewReader(""), 5)
	w.must(err)
	w.must(g.Close())
	disk.lasts(t, "/home/ann/f", "whole")
}

// Writing over an old file syncs its folder once, not each time; and who has opened
// for writing what this gateway has made durable, and writes nothing, syncs nothing.
func TestOldNamesAreNotSyncedAgain(t *testing.T) {
	w, disk, u := newPatient(t)
	w.put("/home/ann/f", "old")
	for i, want := range []int{2, 1, 1} {
		disk.synced = 0
		w.must(u.upload("/f", "new"))
		if disk.synced != want {
			t.Errorf("the upload %d synced %d times, want %d", i, disk.synced, want)
		}
	}
	disk.synced = 0
	f, err := u.Open(t.Context(), tp("/f"), guard.Open{Read: true, Write: true})
	w.must(err)
	w.must(f.Close())
	if disk.synced != 0 {
		t.Error("nothing was written, and it was synced")
	}
}

// Ann makes a folder and Ben, who sees it there, uploads into it: no file is
// acknowledged in a folder that a power cut would take away.
func TestUploadIntoAFolderBeingMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, disk, u := newPatient(t)
		other := w.user("ann")
		done := make(chan error, 1)
		disk.before = func(folder path.Path) {
			disk.before = nil
			go func() { done <- other.upload("/d/f", "whole") }()
			synctest.Wait()
			select {
			case err := <-done:
				t.Errorf("uploaded into a folder that is not durable: %v", err)
				done <- err
			default:
			}
		}
		w.must(u.Mkdir(t.Context(), tp("/d"), 0))
		w.must(<-done)
		disk.lasts(t, "/home/ann/d/f", "whole")
	})
}

// A folder that could not be made durable is not taken for one by who makes it again.
func TestUnsyncedFolderIsNotThere(t *testing.T) {
	w, disk, u := newPatient(t)
	fail := once(errBroken)
	disk.folder = func(path.Path) error { return fail() }
	w.want(u.Mkdir(t.Context(), tp("/d"), 0), errBroken)
	w.must(u.Mkdir(t.Context(), tp("/d"), 0))
	if _, ok := disk.Least()["/home/ann/d"]; !ok {
		t.Error("it was acknowledged, and is lost")
	}
}

// The kernel tells once that it could not write: who asked for a sync has heard it,
// and CLOSE does not say that all is well.
func TestFailedSyncIsHeardAtClose(t *testing.T) {
	w, disk, u := newPatient(t)
	f, err := u.Open(t.Context(), tp("/f"), newFile)
	w.must(err)
	_, err = f.WriteAt([]byte("whole"), 0)
	w.must(err)
	disk.file = once(errBroken)
	w.want(f.Sync(), errBroken)
	w.want(f.Close(), errBroken)
}

// A file is linked and renamed, which waits for the disk. Who writes to it does not.
func TestWritersDoNotWaitForNames(t *testing.T) {
	w, disk, u := newPatient(t)
	w.must(u.upload("/f", "x"))
	f, err := u.Open(t.Context(), tp("/f"), guard.Open{Write: true})
	w.must(err)
	w.folder("/home/ann/d")
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"link", func() error { return u.Link(t.Context(), tp("/f"), tp("/g")) }},
		{"rename", func() error { return u.Rename(t.Context(), tp("/f"), tp("/h"), guard.KeepTarget) }},
		{"rename over a folder", func() error { return u.Rename(t.Context(), tp("/h"), tp("/d"), guard.ReplaceAny) }},
	} {
		waited := false
		disk.before = func(folder path.Path) {
			if folder != tp("/home/ann") {
				return
			}
			disk.before, waited = nil, true
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			done := make(chan error, 1)
			go func() { _, err := f.WriteAt([]byte("y"), 0); done <- err }()
			select {
			case err := <-done:
				w.must(err)
			case <-ctx.Done():
				t.Errorf("%s: a write waits for the disk to keep the name", step.what)
			}
		}
		w.must(step.do())
		if !waited {
			t.Errorf("%s: the name is not durable", step.what)
		}
	}
	w.must(f.Close())
	disk.lasts(t, "/home/ann/d", "y")
}

// A copy takes the place of a folder and its name cannot be made durable: what was
// replaced comes back at the next start, if a power cut takes the copy away.
func TestUnsyncedCopyKeepsWhatItReplaced(t *testing.T) {
	w, disk, u := newPatient(t)
	w.put("/home/ann/d/in", "old")
	w.put("/home/ann/n/in", "new")
	w.must(disk.Settle())
	disk.folder = func(folder path.Path) error {
		if folder == tp("/home/ann") {
			return errBroken
		}
		return nil
	}
	w.want(u.Copy(t.Context(), tp("/n"), tp("/d"), guard.CopyHow{Replace: guard.ReplaceAny}), errBroken)
	if got := w.staged(); len(got) != 2 {
		t.Errorf("of what was replaced there is %v, want it and the note of where it stood", got)
	}
}

// A name was durable once, and the disk then failed to keep that the file came back to
// it. Who writes to the file there is not told that it lasts.
func TestANameThatCameBackUnsynced(t *testing.T) {
	w, disk, u := newPatient(t)
	w.must(u.upload("/f", "first"))
	w.must(u.Rename(t.Context(), tp("/f"), tp("/g"), guard.KeepTarget))
	disk.folder = func(path.Path) error { return errBroken }
	w.want(u.Rename(t.Context(), tp("/g"), tp("/f"), guard.KeepTarget), errBroken)
	disk.folder = nil
	w.must(u.upload("/f", "again"))
	disk.lasts(t, "/home/ann/f", "again")
}

// A file is removed and another made, which may well get its identity: the name of
// that one is made durable by itself, whatever became of the first.
func TestANameOfAnotherFileIsSynced(t *testing.T) {
	for name, again := range map[string]func(u *user, disk *counting){
		"made in place": func(*user, *counting) {},
		"not durable when it was put there": func(u *user, disk *counting) {
			disk.err = errBroken
			u.w.want(u.uploadAtomic("/f"), errBroken)
			disk.err = nil
		},
		"not durable when it was copied": func(u *user, disk *counting) {
			disk.err = errBroken
			u.w.want(u.Copy(u.w.t.Context(), tp("/other"), tp("/f"), guard.CopyHow{}), errBroken)
			disk.err = nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{t: t, dir: t.TempDir()}
			b, err := local.Open(w.dir, local.Options{})
			w.must(err)
			disk := &counting{Backend: b}
			w.open(mount.Mount{Path: tp("/"), Backend: disk, Sync: mount.SyncClose})
			u := w.user("ann")
			w.put("/home/ann/other", "other")
			for range 20 { // the file system may give it another one
				w.must(u.upload("/f", "first"))
				w.must(u.Remove(t.Context(), tp("/f")))
				again(u, disk)
				disk.folders = 0
				w.must(u.upload("/f", "again"))
				if disk.folders != 1 {
					t.Fatalf("its folder was synced %d times", disk.folders)
				}
				w.must(u.Remove(t.Context(), tp("/f")))
			}
		})
	}
}

// A counting disk counts the folders that it makes durable.
type counting struct {
	backend.Backend
	folders int
	err     error
}

func (d *counting) Sync(ctx context.Context, folder path.Path) error {
	d.folders++
	if d.err != nil {
		return d.err
	}
	return d.Backend.Sync(ctx, folder)
}
