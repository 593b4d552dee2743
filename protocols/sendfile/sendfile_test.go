package sendfile

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// pair returns the two ends of a connection.
func pair(t *testing.T) (from, to *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	out, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	in, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = out.Close(), in.Close() })
	return in.(*net.TCPConn), out.(*net.TCPConn)
}

// fileOf makes a file of n bytes that do not repeat.
func fileOf(t *testing.T, n int64) (*os.File, []byte) {
	t.Helper()
	content := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(content)
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, content
}

// Whatever part is asked for arrives, and offset and rest say what did.
func TestAnyPartOfAFile(t *testing.T) {
	const size = 5<<19 + 77
	f, content := fileOf(t, size)
	rapid.Check(t, func(r *rapid.T) {
		off := rapid.Int64Range(0, size+10).Draw(r, "off")
		n := rapid.OneOf(rapid.Int64Range(0, size+10), rapid.Just(int64(least)), rapid.Just(int64(1<<40))).Draw(r, "n")
		from, to := pair(t)
		defer from.Close()
		defer to.Close()
		if _, err := f.Seek(off, io.SeekStart); err != nil {
			r.Fatal(err)
		}
		came := make(chan []byte, 1)
		go func() { // ends with the connection
			b, _ := io.ReadAll(to)
			came <- b
		}()
		limited := &io.LimitedReader{R: f, N: n}
		sent, err := ReadFrom(from, limited)
		if err != nil {
			r.Fatal(err)
		}
		from.Close()
		begin := min(off, size)
		want := content[begin : begin+min(n, size-begin)]
		if got := <-came; !bytes.Equal(got, want) || sent != int64(len(want)) {
			r.Fatalf("got %d bytes, %d sent, want %d", len(got), sent, len(want))
		}
		if at, err := f.Seek(0, io.SeekCurrent); err != nil || at != off+sent {
			r.Errorf("the offset is %d, want %d (%v)", at, off+sent, err)
		}
		if limited.N != n-sent {
			r.Errorf("%d bytes are left, want %d", limited.N, n-sent)
		}
	})
}

// Files of the kernel's say that they are empty and are not.
func TestFileThatHoldsMoreThanItSays(t *testing.T) {
	f, err := os.Open("/proc/version")
	if err != nil {
		t.Skip("there is no /proc")
	}
	defer f.Close()
	want, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	from, to := pair(t)
	if n, err := ReadFrom(from, &io.LimitedReader{R: f, N: 1 << 20}); err != nil || n != int64(len(want)) {
		t.Fatalf("%d bytes, %v", n, err)
	}
	from.Close()
	if got, _ := io.ReadAll(to); !bytes.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// A peer that takes nothing is waited for no longer than the deadline, and what it
// took counts.
func TestDeadline(t *testing.T) {
	f, _ := fileOf(t, 64<<20)
	from, _ := pair(t)
	if err := from.SetWriteDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	n, err := ReadFrom(from, &io.LimitedReader{R: f, N: 64 << 20})
	if !errors.Is(err, os.ErrDeadlineExceeded) || n == 0 || n == 64<<20 {
		t.Errorf("%d bytes, %v", n, err)
	}
	if at, _ := f.Seek(0, io.SeekCurrent); at != n {
		t.Errorf("the offset is %d, and %d bytes were sent", at, n)
	}
}

// Closing a connection ends the waiting for its peer.
func TestClosed(t *testing.T) {
	f, _ := fileOf(t, 64<<20)
	from, to := pair(t)
	go func() { // ends when it has read
		_, _ = io.ReadFull(to, make([]byte, 1<<20))
		from.Close()
	}()
	if _, err := ReadFrom(from, &io.LimitedReader{R: f, N: 64 << 20}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// A peer that leaves is an error, and no signal.
func TestPeerLeaves(t *testing.T) {
	f, _ := fileOf(t, 64<<20)
	from, to := pair(t)
	if err := to.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	go func() { // ends when it has read
		_, _ = io.ReadFull(to, make([]byte, 1<<20))
		to.Close()
	}()
	if n, err := ReadFrom(from, &io.LimitedReader{R: f, N: 64 << 20}); err == nil || n == 64<<20 {
		t.Errorf("%d bytes, %v", n, err)
	}
}
