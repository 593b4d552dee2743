package sendfile

import (
	"errors"
	"io"
	"testing"
)

// A file that is cut off while it is sent ends the sending with an error: whoever
// touched what was mapped of it would be killed by a signal, and its last page would
// arrive with zeros behind the end.
func TestFileIsCutOff(t *testing.T) {
	const size = 64 << 20
	for name, left := range map[string]int64{"to nothing": 0, "within a page": 1<<20 + 100, "at a page": 1 << 20} {
		t.Run(name, func(t *testing.T) {
			f, content := fileOf(t, size)
			from, to := pair(t)
			ended := make(chan error, 1)
			go func() { // ends with what it sends
				_, err := ReadFrom(from, &io.LimitedReader{R: f, N: size})
				from.Close()
				ended <- err
			}()
			first := make([]byte, 2<<20) // so much was sent, and a piece of the file is mapped
			if _, err := io.ReadFull(to, first); err != nil {
				t.Fatal(err)
			}
			if string(first) != string(content[:len(first)]) {
				t.Error("the beginning is another")
			}
			if err := f.Truncate(left); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, to); err != nil {
				t.Fatal(err)
			}
			if err := <-ended; !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("got %v, want %v", err, io.ErrUnexpectedEOF)
			}
		})
	}
}
