package guard_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"strings"
	"sync"
	"testing"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/storage/backend"
	"gatehouse/storage/events"
)

func revoke(a *policy.Account) { a.Grants = nil }

// A grant that is taken away cuts what was opened by it, reading, writing and
// listing, with the decision as the cause; everything else goes on.
func TestPolicyCutsHandles(t *testing.T) {
	w := newWorld(t)
	w.put("/share/f", "content")
	w.put("/share/g", "content")
	u := w.user("ann", granted("/share", policy.Full), root("/"))
	reader, err := u.Open(t.Context(), tp("/share/f"), guard.Open{Read: true})
	w.must(err)
	writer, err := u.Open(t.Context(), tp("/share/new"), newFile)
	w.must(err)
	staged, err := u.Open(t.Context(), tp("/share/g"), guard.Open{Write: true, Create: true, Truncate: true, Atomic: true})
	w.must(err)
	list, err := u.List(t.Context(), tp("/share"))
	w.must(err)
	own, err := u.Open(t.Context(), tp("/home/ann/own"), newFile)
	w.must(err)
	for _, f := range []*guard.File{writer, staged, own} {
		_, err := f.WriteAt([]byte("part"), 0)
		w.must(err)
	}
	broken := make(chan struct{})
	context.AfterFunc(reader.Context(), func() { close(broken) })
	u.take()

	u.change(revoke)

	<-broken
	var d *guard.DeniedError
	if !errors.As(context.Cause(reader.Context()), &d) || d.Rule == "" {
		t.Fatalf("the cause is %v", context.Cause(reader.Context()))
	}
	_, err = reader.ReadAt(make([]byte, 3), 0)
	w.want(err, fs.ErrPermission)
	_, err = reader.CopyTo(io.Discard, 0, -1)
	w.want(err, fs.ErrPermission)
	_, err = writer.WriteAt([]byte("more"), 4)
	w.want(err, fs.ErrPermission)
	_, err = writer.CopyFrom(strings.NewReader("more"), 4)
	w.want(err, fs.ErrPermission)
	w.want(writer.Truncate(0), fs.ErrPermission)
	w.want(writer.Sync(), fs.ErrPermission)
	w.want(writer.SetAttr(backend.Attr{Size: new(int64)}), fs.ErrPermission)
	_, err = list.Next(10)
	w.want(err, fs.ErrPermission)
	for _, f := range []*guard.File{reader, writer, staged} {
		w.want(f.Close(), fs.ErrPermission)
	}
	w.must(list.Close())
	if got := w.content("/share/new"); got != "part" {
		t.Errorf("of the upload in place %q is left", got)
	}
	if got := w.content("/share/g"); got != "content" {
		t.Errorf("the staged upload was put in place: %q", got)
	}
	for _, e := range u.take() {
		if e.Outcome != events.WasCut || e.Rule == "" {
			t.Errorf("got %+v", e)
		}
	}
	if own.Context().Err() != nil {
		t.Fatal("a handle that is still allowed was cut")
	}
	_, err = own.WriteAt([]byte("whole"), 0)
	w.must(err)
	w.must(own.Close())
	if len(w.staged()) > 0 {
		t.Fatal("left in staging")
	}
}

// Who loses write keeps what was opened for reading, and the other way round.
func TestPolicyCutsByRight(t *testing.T) {
	w := newWorld(t)
	w.put("/share/f", "content")
	u := w.stranger("eve", granted("/share", policy.Full))
	reader, err := u.Open(t.Context(), tp("/share/f"), guard.Open{Read: true})
	w.must(err)
	writer, err := u.Open(t.Context(), tp("/share/f"), guard.Open{Write: true})
	w.must(err)
	made, err := u.Open(t.Context(), tp("/share/made"), newFile)
	w.must(err)
	both, err := u.Open(t.Context(), tp("/share/f"), guard.Open{Read: true, Write: true})
	w.must(err)
	u.change(func(a *policy.Account) { a.Grants[0].Permissions = policy.Read | policy.Create })
	for f, cut := range map[*guard.File]bool{reader: false, writer: true, made: true, both: true} {
		if (f.Context().Err() != nil) != cut {
			t.Errorf("cut is %v, want %v", !cut, cut)
		}
	}
	for _, f := range []*guard.File{reader, writer, made, both} {
		_ = f.Close()
	}
	// A drop box's uploads go on with create alone.
	v := w.stranger("mal", granted("/share", policy.UploadOnly))
	f, err := v.Open(t.Context(), tp("/share/dropped"), newFile)
	w.must(err)
	v.change(func(*policy.Account) {})
	if f.Context().Err() != nil {
		t.Fatal("cut")
	}
	w.must(f.Close())
	// Who was shown all of a folder is not shown more with less.
	l, err := u.List(t.Context(), tp("/share"))
	if err == nil {
		t.Fatal("listed without list", l.Close())
	}
}

// What is reached through a link is judged again at both ends.
func TestPolicyCutsThroughLinks(t *testing.T) {
	w := newWorld(t)
	w.put("/data/f", "content")
	w.folder("/box")
	w.link("../data", "/box/link")
	for _, lost := range []int{0, 1} {
		u := w.stranger("eve", granted("/box", policy.Full), granted("/data", policy.Full))
		f, err := u.Open(t.Context(), tp("/box/link/f"), guard.Open{Read: true})
		w.must(err)
		d, err := u.List(t.Context(), tp("/box/link"))
		w.must(err)
		u.change(func(a *policy.Account) { a.Grants[lost].Permissions = policy.Create })
		_, err = f.ReadAt(make([]byte, 1), 0)
		w.want(err, fs.ErrPermission)
		_, err = d.Next(1)
		w.want(err, fs.ErrPermission)
		w.want(f.Close(), fs.ErrPermission)
		w.must(d.Close())
	}
}

// A policy that changes between judging and opening is not missed: whatever
// the order, no handle lives on that the last policy forbids.
func TestPolicyChangesDuringOpen(t *testing.T) {
	w := newWorld(t)
	w.put("/share/f", "content")
	u := w.stranger("eve")
	allowed := policy.Resolve(w.site, nil, func() policy.Account {
		a := u.account
		a.Grants = []policy.Grant{{Path: tp("/share"), Permissions: policy.Full, Recursive: true}}
		return a
	}())
	forbidden := policy.Resolve(w.site, nil, u.account)
	for range 300 {
		u.SetPolicy(allowed)
		var wg sync.WaitGroup
		var f *guard.File
		wg.Go(func() { f, _ = u.Open(t.Context(), tp("/share/f"), guard.Open{Read: true}) })
		u.SetPolicy(forbidden)
		wg.Wait()
		if f == nil {
			continue
		}
		if f.Context().Err() == nil {
			t.Fatal("a forbidden handle lives")
		}
		_ = f.Close()
	}
}

// A cut does not wait for a client that has stopped sending: the handle's
// context ends, the front end breaks the connection, and the read returns.
func TestCutWhileWaitingForTheNetwork(t *testing.T) {
	w := newWorld(t)
	u := w.stranger("eve", granted("/share", policy.Full))
	w.folder("/share")
	client, server := tcp(t)
	_, err := client.Write([]byte("some"))
	w.must(err)
	f, err := u.Open(t.Context(), tp("/share/f"), newFile)
	w.must(err)
	context.AfterFunc(f.Context(), func() { _ = server.Close() })
	done := make(chan error)
	go func() {
		_, err := f.CopyFrom(server, 0)
		done <- err
	}()
	for info, err := f.Stat(); err == nil && info.Size() < 4; info, err = f.Stat() {
	}
	u.change(revoke)
	if err := <-done; err == nil {
		t.Fatal("the copy ended well")
	}
	w.want(f.Close(), fs.ErrPermission)
	if got := w.content("/share/f"); got != "some" {
		t.Fatalf("what arrived is %q", got)
	}
}

func tcp(t *testing.T) (client, server *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Close()
		_ = s.Close()
	})
	return c.(*net.TCPConn), s.(*net.TCPConn)
}

// Closing the file system cuts all handles with its cause, and refuses what
// comes after.
func TestCloseCutsAll(t *testing.T) {
	w := newWorld(t)
	u := w.user("ann")
	cause := errors.New("the session was ended")
	f, err := u.Open(t.Context(), tp("/f"), newFile)
	w.must(err)
	d, err := u.List(t.Context(), tp("/"))
	w.must(err)
	u.FS.Close(cause)
	if got := context.Cause(f.Context()); got != cause {
		t.Fatalf("the cause is %v", got)
	}
	_, err = f.WriteAt([]byte("x"), 0)
	w.want(err, cause)
	_, err = d.Next(1)
	w.want(err, cause)
	_, err = u.Stat(t.Context(), tp("/f"))
	w.want(err, fs.ErrClosed)
	w.want(u.upload("/g", "x"), fs.ErrClosed)
	w.want(f.Close(), cause)
	w.must(d.Close())
	if w.exists("/home/ann/g") {
		t.Fatal("made by a closed session")
	}
}

// The handle does not die with the context that it was opened with, and its
// own does not end when it is closed well.
func TestHandleContext(t *testing.T) {
	w := newWorld(t)
	u := w.user("ann")
	ctx, cancel := context.WithCancel(t.Context())
	f, err := u.Open(ctx, tp("/f"), newFile)
	w.must(err)
	cancel()
	_, err = f.WriteAt([]byte("x"), 0)
	w.must(err)
	w.must(f.Close())
	if f.Context().Err() != nil {
		t.Fatal("the context ended with a good Close")
	}
	_, err = f.WriteAt([]byte("x"), 0)
	w.want(err, fs.ErrClosed)
	w.must(f.Close())
}
