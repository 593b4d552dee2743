package sendfile

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A socket whose peer takes nothing; inMemory is asked when it was seen.
type unread struct {
	net.TCPConn
	pipe     int
	inMemory func() int
	had      int
}

var errFull = errors.New("the peer takes nothing")

func (u *unread) SyscallConn() (syscall.RawConn, error) { return rawUnread{u}, nil }

type rawUnread struct{ u *unread }

func (r rawUnread) Control(func(uintptr)) error   { return nil }
func (r rawUnread) Read(func(uintptr) bool) error { return nil }

func (r rawUnread) Write(f func(uintptr) bool) error {
	if f(uintptr(r.u.pipe)) {
		return nil
	}
	r.u.had = r.u.inMemory()
	return errFull
}

// Pages that are not in memory are there before write asks for them: while it waits
// for a disk that is slow or hangs, nobody could ask or close the socket.
func TestPagesAreThereBeforeTheyAreWritten(t *testing.T) {
	f, _ := fileOf(t, 4*window)
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		t.Fatal(err)
	}
	if inMemory(t, f) == window {
		t.Log("the folder of the tests is in memory: nothing was to be fetched")
		return
	}
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(ends[0])
	defer unix.Close(ends[1])
	var err error
	for err == nil {
		_, err = unix.Write(ends[1], make([]byte, 4096))
	}
	to := &unread{pipe: ends[1], inMemory: func() int { return inMemory(t, f) }}
	if n, err := ReadFrom(to, &io.LimitedReader{R: f, N: 4 * window}); n != 0 || !errors.Is(err, errFull) {
		t.Fatalf("%d bytes, %v", n, err)
	}
	if to.had != window {
		t.Errorf("%d bytes were there, want %d", to.had, window)
	}
}

// inMemory is how much of what is sent first is there.
func inMemory(t *testing.T, f *os.File) (n int) {
	t.Helper()
	b, err := unix.Mmap(int(f.Fd()), 0, window, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(b)
	for page := os.Getpagesize(); len(b) > n; n += page {
		if !present(b[n:]) {
			return n
		}
	}
	return n
}
