package guard_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"math"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/events"
	"gatehouse/storage/quota"
)

// A handle for writing refuses to be read, and one for reading to be written:
// a wrong READ must never write.
func TestWrongDirection(t *testing.T) {
	w := newWorld(t)
	w.put("/home/ann/f", "content")
	u := w.user("ann")
	r, err := u.Open(t.Context(), tp("/f"), guard.Open{Read: true})
	w.must(err)
	x, err := u.Open(t.Context(), tp("/f"), guard.Open{Write: true})
	w.must(err)
	_, err = r.WriteAt([]byte("x"), 0)
	w.want(err, backend.ErrUnsupported)
	_, err = r.CopyFrom(strings.NewReader("x"), 0)
	w.want(err, backend.ErrUnsupported)
	w.want(r.Truncate(0), backend.ErrUnsupported)
	w.want(r.SetAttr(backend.Attr{Size: new(int64)}), backend.ErrUnsupported)
	b := []byte("buffer")
	_, err = x.ReadAt(b, 0)
	w.want(err, backend.ErrUnsupported)
	_, err = x.CopyTo(io.Discard, 0, 3)
	w.want(err, backend.ErrUnsupported)
	w.must(r.Close())
	w.must(x.Close())
	if w.content("/home/ann/f") != "content" || string(b) != "buffer" {
		t.Fatal("changed")
	}
	for _, how := range []guard.Open{{}, {Read: true, Create: true}, {Read: true, Truncate: true}, {Read: true, Exclusive: true}} {
		_, err := u.Open(t.Context(), tp("/f"), how)
		w.want(err, fs.ErrInvalid)
	}
	for _, bad := range []int64{-1, math.MaxInt64 - 1} {
		x, err := u.Open(t.Context(), tp("/f"), guard.Open{Write: true, Read: true})
		w.must(err)
		if _, err := x.WriteAt([]byte("xy"), bad); err == nil {
			t.Errorf("wrote at %d", bad)
		}
		if bad < 0 {
			_, err = x.ReadAt(b, bad)
			w.want(err, fs.ErrInvalid)
			w.want(x.Truncate(bad), fs.ErrInvalid)
		}
		w.must(x.Close())
	}
}

// Content goes in and out whole, through the kernel and past it, at any offset.
func TestTransfers(t *testing.T) {
	for _, how := range []policy.Uploads{policy.InPlace, policy.Atomic} {
		for _, plain := range []bool{true, false} {
			t.Run(string(how)+map[bool]string{true: "/plain", false: "/wrapped"}[plain], func(t *testing.T) {
				w := newWorld(t)
				u := w.user("ann", uploads(how))
				w.limit("/home/ann", 1<<30, 100)
				content := make([]byte, 9<<20+123)
				_, _ = rand.Read(content)
				client, server := tcp(t)
				var source io.Reader = server
				if !plain {
					source = io.MultiReader(server)
				}
				go func(client *net.TCPConn) {
					_, _ = client.Write(content)
					_ = client.CloseWrite()
				}(client)
				f, err := u.Open(t.Context(), tp("/f"), newFile)
				w.must(err)
				n, err := f.CopyFrom(source, 0)
				w.must(err)
				if n != int64(len(content)) {
					t.Fatalf("took %d", n)
				}
				w.must(f.Close())
				if w.content("/home/ann/f") != string(content) {
					t.Fatal("another content")
				}
				w.checkQuota("/home/ann")

				client, server = tcp(t)
				var to io.Writer = server
				if !plain {
					to = struct{ io.Writer }{server}
				}
				f, err = u.Open(t.Context(), tp("/f"), guard.Open{Read: true})
				w.must(err)
				got := make(chan []byte)
				go func() {
					b, _ := io.ReadAll(client)
					got <- b
				}()
				n, err = f.CopyTo(to, 100, -1)
				w.must(err)
				w.must(server.CloseWrite())
				if b := <-got; n != int64(len(content)-100) || !bytes.Equal(b, content[100:]) {
					t.Fatalf("sent %d, %d arrived", n, len(b))
				}
				var part bytes.Buffer
				_, err = f.CopyTo(&part, 5<<20, 7)
				w.must(err)
				if !bytes.Equal(part.Bytes(), content[5<<20:5<<20+7]) {
					t.Fatal("another part")
				}
				w.must(f.Close())
				all := u.take()
				if len(all) != 2 || all[0].Bytes != int64(len(content)) || all[1].Bytes != int64(len(content)-100+7) {
					t.Fatalf("got %+v", all)
				}
			})
		}
	}
}

// meanwhile has something done once, when so many bytes were written.
type meanwhile struct {
	left int
	do   func()
}

func (m *meanwhile) Write(b []byte) (int, error) {
	if m.left -= len(b); m.left <= 0 && m.do != nil {
		m.do()
		m.do = nil
	}
	return len(b), nil
}

// A file that is cut off below what was sent of it ends the sending with an error,
// also between two pieces: whoever takes the end of the stream for the end of the file
// would have a file that never was. One that still has that much has another end.
func TestCutOffBetweenPieces(t *testing.T) {
	w := newWorld(t)
	u := w.user("ann")
	const size, sent = 6 << 20, 4 << 20
	for to, want := range map[int64]error{1: io.ErrUnexpectedEOF, sent - 1: io.ErrUnexpectedEOF, sent: nil, sent + 1: nil} {
		w.put("/home/ann/f", strings.Repeat("a", size))
		f, err := u.Open(t.Context(), tp("/f"), guard.Open{Read: true})
		w.must(err)
		n, err := f.CopyTo(&meanwhile{sent, func() { w.must(os.Truncate(w.disk("/home/ann/f"), to)) }}, 0, -1)
		w.want(err, want)
		if n != max(sent, to) {
			t.Errorf("cut off at %d: sent %d", to, n)
		}
		w.must(f.Close())
	}
	f, err := u.Open(t.Context(), tp("/f"), guard.Open{Read: true})
	w.must(err)
	if n, err := f.CopyTo(io.Discard, size, -1); n != 0 || err != nil {
		t.Errorf("from behind the end: %d, %v", n, err)
	}
	w.must(f.Close())
}

// A mute backend's files do not tell how long they are, as those in /proc.
type mute struct{ backend.Backend }

func (b mute) Open(ctx context.Context, p path.Path, how backend.How) (backend.File, error) {
	f, err := b.Backend.Open(ctx, p, how)
	return muteFile{f}, err
}

type muteFile struct{ backend.File }

func (f muteFile) Stat() (backend.Info, error) {
	info, err := f.File.Stat()
	info.Size = 0
	return info, err
}

// A file that says less than it has is sent to its end: it was not cut off.
func TestSendingWhatDoesNotTellItsSize(t *testing.T) {
	w := &world{t: t, dir: t.TempDir()}
	m := w.mount("/", w.dir)
	m.Backend = mute{m.Backend}
	w.open(m)
	u := w.user("ann")
	const size = 6 << 20
	w.put("/home/ann/f", strings.Repeat("a", size))
	f, err := u.Open(t.Context(), tp("/f"), guard.Open{Read: true})
	w.must(err)
	if n, err := f.CopyTo(io.Discard, 0, -1); n != size || err != nil {
		t.Errorf("sent %d, %v", n, err)
	}
	w.must(f.Close())
}

// A stream fills a folder to its last byte and no further; one that ends just
// there ends well. Both ways in, both kinds of upload.
func TestStreamsMeetTheLimit(t *testing.T) {
	const limit = 300_000
	for _, how := range []policy.Uploads{policy.InPlace, policy.Atomic} {
		for _, size := range []int{limit - 1, limit, limit + 1, 3 * limit} {
			for _, plain := range []bool{true, false} {
				w := newWorld(t)
				u := w.user("ann", uploads(how))
				w.limit("/home/ann", limit, 10)
				client, server := tcp(t)
				var source io.Reader = server
				if !plain {
					source = io.MultiReader(server)
				}
				go func() {
					_, _ = client.Write(make([]byte, size))
					_ = client.CloseWrite()
				}()
				f, err := u.Open(t.Context(), tp("/f"), newFile)
				w.must(err)
				n, err := f.CopyFrom(source, 0)
				cerr := f.Close()
				if size <= limit {
					w.must(errors.Join(err, cerr))
				} else {
					w.want(err, quota.ErrExceeded)
				}
				if n != int64(min(size, limit)) {
					t.Errorf("%s %d: took %d", how, size, n)
				}
				if how == policy.Atomic && size > limit {
					if w.exists("/home/ann/f") {
						t.Error("half an upload was put in place")
					}
				} else if got := w.measure("/home/ann").Bytes; got != n {
					t.Errorf("%s %d: %d on disk", how, size, got)
				}
				w.checkQuota("/home/ann")
				_ = server.Close()
				_ = client.Close()
			}
		}
	}
}

// A source that breaks leaves what arrived in place, and nothing of a staged
// upload, even where the front end forgets to say that it broke.
func TestBrokenSource(t *testing.T) {
	for _, how := range []policy.Uploads{policy.InPlace, policy.Atomic} {
		for _, says := range []bool{true, false} {
			w := newWorld(t)
			u := w.user("ann", uploads(how))
			w.limit("/home/ann", 1<<20, 10)
			f, err := u.Open(t.Context(), tp("/f"), newFile)
			w.must(err)
			source := io.MultiReader(strings.NewReader("arrived"), iotest.ErrReader(os.ErrDeadlineExceeded))
			n, err := f.CopyFrom(source, 0)
			w.want(err, os.ErrDeadlineExceeded)
			if n != 7 {
				t.Fatal(n)
			}
			if says {
				f.Abort(err)
			}
			_ = f.Close()
			if inPlace := how == policy.InPlace; w.exists("/home/ann/f") != inPlace {
				t.Fatalf("%s: there is %v", how, !inPlace)
			}
			w.checkQuota("/home/ann")
			e := u.take()
			want := map[bool]string{true: events.Aborted, false: events.Failed}[says]
			if len(e) != 1 || e[0].Outcome != want || e[0].Bytes != 7 {
				t.Fatalf("got %+v", e)
			}
			if len(w.staged()) > 0 {
				t.Fatal("left in staging")
			}
		}
	}
}

// An upload larger than the largest is refused as early as it is known.
func TestLargestUpload(t *testing.T) {
	for _, how := range []policy.Uploads{policy.InPlace, policy.Atomic} {
		w := newWorld(t)
		u := w.user("ann", uploads(how), largest(10))
		_, err := u.Open(t.Context(), tp("/f"), guard.Open{Write: true, Create: true, Truncate: true, Size: 11})
		w.want(err, fs.ErrPermission)
		if w.exists("/home/ann/f") {
			t.Fatal("made")
		}
		f, err := u.Open(t.Context(), tp("/f"), newFile)
		w.must(err)
		n, err := f.WriteAt([]byte("0123456789ab"), 0)
		w.want(err, fs.ErrPermission)
		if n != 10 {
			t.Fatal(n)
		}
		w.want(f.Truncate(11), fs.ErrPermission)
		_ = f.Close()
		w.must(u.upload("/g", "0123456789"))
		eleven := int64(11)
		w.want(u.SetAttr(t.Context(), tp("/g"), backend.Attr{Size: &eleven}), fs.ErrPermission)
	}
}

// Modes of clients keep the owner's rights and lose setuid, setgid and sticky;
// those that a file is made with are under the mount's as under a umask.
func TestModes(t *testing.T) {
	for _, how := range []policy.Uploads{policy.InPlace, policy.Atomic} {
		w := newWorld(t)
		u := w.user("ann", uploads(how))
		check := func(p string, want fs.FileMode) {
			t.Helper()
			i, err := os.Lstat(w.disk("/home/ann" + p))
			w.must(err)
			if got := i.Mode() &^ fs.ModeDir; got != want {
				t.Errorf("%s has %v, want %v", p, got, want)
			}
		}
		for _, m := range []struct{ asked, got fs.FileMode }{
			{0, 0o640}, {0o644, 0o640}, {0o755, 0o750}, {0o777 | fs.ModeSetuid, 0o750}, {0o400, 0o600}, {0o001, 0o600},
		} {
			p := "/f" + m.asked.String()
			f, err := u.Open(t.Context(), tp(p), guard.Open{Write: true, Create: true, Mode: m.asked})
			w.must(err)
			w.must(f.Close())
			check(p, m.got)
		}
		w.must(u.Mkdir(t.Context(), tp("/d"), 0o777))
		check("/d", 0o750)
		w.must(u.Mkdir(t.Context(), tp("/e"), 0o100))
		check("/e", 0o700)
		all := fs.FileMode(0o777) | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky
		none, uid := fs.FileMode(0), 12345
		w.must(u.SetAttr(t.Context(), tp("/d"), backend.Attr{Mode: &all, UID: &uid}))
		check("/d", 0o777)
		w.must(u.SetAttr(t.Context(), tp("/d"), backend.Attr{Mode: &none}))
		check("/d", 0o700)
		f, err := u.Open(t.Context(), tp("/g"), newFile)
		w.must(err)
		w.must(f.SetAttr(backend.Attr{Mode: &all, UID: &uid}))
		w.must(f.Close())
		check("/g", 0o777)
		w.must(u.SetAttr(t.Context(), tp("/g"), backend.Attr{Mode: &none}))
		check("/g", 0o600)
		if i, _ := os.Lstat(w.disk("/home/ann/g")); owner(i) == uid {
			t.Error("a client changed the owner")
		}
		when := time.Unix(1_000_000_000, 5)
		w.must(u.SetAttr(t.Context(), tp("/g"), backend.Attr{Modified: &when, Accessed: &when}))
		info, err := u.Stat(t.Context(), tp("/g"))
		w.must(err)
		if !info.ModTime().Equal(when) || !info.Accessed().Equal(when) {
			t.Error(info.ModTime(), info.Accessed())
		}
	}
}

// Many write to one file at once, through several sessions: all of it arrives.
func TestConcurrentWriters(t *testing.T) {
	w := newWorld(t)
	const writers, blocks, size = 6, 40, 1000
	w.limit("/", writers*blocks*size, 100)
	want := make([]byte, writers*blocks*size)
	_, _ = rand.Read(want)
	var wg sync.WaitGroup
	for i := range writers {
		u := w.user("ann")
		wg.Go(func() {
			f, err := u.Open(t.Context(), tp("/f"), guard.Open{Write: true, Create: true})
			if err != nil {
				t.Error(err)
				return
			}
			for b := range blocks {
				off := (b*writers + i) * size
				if _, err := f.WriteAt(want[off:off+size], int64(off)); err != nil {
					t.Error(err)
				}
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if w.content("/home/ann/f") != string(want) {
		t.Fatal("another content")
	}
	w.checkQuota("/")
}
