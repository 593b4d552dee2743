package guard_test

import (
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/storage/backend"
)

// ifMatch opens an upload that is to replace a file as it is now.
func (u *user) ifMatch(p string) *guard.File {
	u.w.t.Helper()
	i, err := u.Stat(u.w.t.Context(), tp(p))
	u.w.must(err)
	f, err := u.Open(u.w.t.Context(), tp(p), guard.Open{Write: true, Create: true, Truncate: true, Atomic: true, Match: i.ETag()})
	u.w.must(err)
	_, err = f.WriteAt([]byte("put"), 0)
	u.w.must(err)
	return f
}

// Who replaces a file as it was knows what it was: nobody writes to it in place
// between the moment that it is compared and the moment that it goes.
func TestNobodyWritesToWhatIsCompared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, disk := newWatchedWorld(t)
		u := w.user("ann")
		w.must(u.upload("/f", "first"))
		other, err := u.Open(t.Context(), tp("/f"), guard.Open{Write: true})
		w.must(err)
		done := make(chan error, 1)
		// What is staged is given the properties of the old one last.
		disk.looked = func() {}
		put := u.ifMatch("/f")
		w.must(u.SetProperties(t.Context(), tp("/f"), map[string][]byte{"{x}color": []byte("red")}))
		disk.looked = func() {
			disk.looked = func() {}
			go func() { _, err := other.WriteAt([]byte("SFTP!"), 0); done <- err }()
			synctest.Wait()
			select {
			case <-done:
				t.Error("somebody wrote to the file after it was compared")
				done <- nil
			default:
			}
		}
		w.must(put.Close())
		<-done
		if got := w.content("/home/ann/f"); got != "put" {
			t.Errorf("the file holds %q", got)
		}
		_ = other.Close()
	})
}

// A write to the file is under way when it would be replaced: the file is not what
// its entity tag says.
func TestWhatIsBeingWrittenHasChanged(t *testing.T) {
	w, disk := newWatchedWorld(t)
	u := w.user("ann")
	w.must(u.upload("/f", "first"))
	begun, goOn := make(chan struct{}), make(chan struct{})
	put := u.ifMatch("/f")
	disk.wrote = func() { close(begun); <-goOn }
	other, err := u.Open(t.Context(), tp("/f"), guard.Open{Write: true})
	w.must(err)
	done := make(chan error, 1)
	go func() { _, err := other.WriteAt([]byte("SFTP!"), 0); done <- err }()
	<-begun
	w.want(put.Close(), guard.ErrChanged)
	close(goOn)
	w.must(<-done)
	w.must(other.Close())
	if got := w.content("/home/ann/f"); got != "SFTP!" {
		t.Errorf("the file holds %q", got)
	}
}

// A client sets the time that a file has: neither that nor what the file holds
// changes, and its entity tag stays. Another content never has the tag of this one.
func TestTheSameTimeAgain(t *testing.T) {
	for name, how := range map[string]func(u *user, a backend.Attr) error{
		"by name": func(u *user, a backend.Attr) error { return u.SetAttr(u.w.t.Context(), tp("/f"), a) },
		"open": func(u *user, a backend.Attr) error {
			f, err := u.Open(u.w.t.Context(), tp("/f"), guard.Open{Write: true})
			u.w.must(err)
			u.w.must(f.SetAttr(a))
			return f.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			u := w.user("ann", uploads(policy.InPlace))
			w.must(u.upload("/f", "aaaa"))
			at := time.Unix(1000, 0)
			w.must(how(u, backend.Attr{Modified: &at}))
			first := u.tag("/f")
			w.must(how(u, backend.Attr{Modified: &at, Accessed: &at}))
			if got := u.tag("/f"); got != first {
				t.Errorf("the tag is %s, want %s", got, first)
			}
			w.must(u.upload("/f", "bbbb"))
			w.must(how(u, backend.Attr{Modified: &at}))
			if got := u.tag("/f"); got == first {
				t.Errorf("another content has the tag %s", got)
			}
		})
	}
}

func (u *user) tag(p string) string {
	u.w.t.Helper()
	i, err := u.Stat(u.w.t.Context(), tp(p))
	u.w.must(err)
	return i.ETag()
}
