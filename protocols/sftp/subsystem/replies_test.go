package subsystem

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// A client that has stopped reading is cut; one that is slow but goes on is not.
func TestStalledReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		cut := make(chan error, 1)
		out := newReplies(w, time.Minute, func(cause error) {
			cut <- cause
			w.CloseWithError(cause)
		})
		sent := make(chan error)
		go func() { sent <- out.send(make([]byte, 256<<10)) }() // ends with the pipe
		for range 5 {
			time.Sleep(50 * time.Second)
			io.ReadFull(r, make([]byte, Piece))
		}
		if len(cut) != 0 {
			t.Fatalf("a slow reader was cut: %v", <-cut)
		}
		time.Sleep(2 * time.Minute)
		if len(cut) == 0 || !errors.Is(<-cut, ErrStalled) {
			t.Error("a stalled reader was not cut")
		}
		if err := <-sent; err == nil {
			t.Error("the sender was not told")
		}
		if err := out.send([]byte("x")); err == nil {
			t.Error("packets go on after half of one was sent")
		}
	})
}
