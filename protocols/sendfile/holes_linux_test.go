package sendfile

import (
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// Downloading a file with holes takes no room: what is mapped of a hole, tmpfs fills
// with memory that stays until the file is removed.
func TestHolesStayHoles(t *testing.T) {
	fd, err := unix.MemfdCreate("holes", unix.MFD_CLOEXEC) // a file of tmpfs
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "holes")
	defer f.Close()
	const size = 4 << 20
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	from, to := pair(t)
	go func() { // ends with what it sends
		_, _ = ReadFrom(from, &io.LimitedReader{R: f, N: size})
		from.Close()
	}()
	if n, err := io.Copy(io.Discard, to); err != nil || n != size {
		t.Fatalf("%d bytes, %v", n, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	if st.Blocks != 0 {
		t.Errorf("the file occupies %d bytes", st.Blocks*512)
	}
}
