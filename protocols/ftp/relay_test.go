package ftp

import (
	"testing"
	"testing/synctest"
	"time"
)

// A short transfer leaves the commands to the goroutine that carried it out; a
// long one has another goroutine read on, once, and as long as transfers run
// nobody is forgotten.
func TestRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relieved := make(chan *conn, 4)
		r := newRelay(func(c *conn) { relieved <- c })
		short, long, later := new(conn), new(conn), new(conn)
		r.enter(short)
		r.enter(long)
		if r.leave(short) {
			t.Error("a short transfer was relieved")
		}
		time.Sleep(alone + alone/2)
		r.enter(later)
		time.Sleep(alone)
		synctest.Wait()
		if got := <-relieved; got != long {
			t.Error("somebody else was relieved first")
		}
		time.Sleep(alone)
		synctest.Wait()
		if got := <-relieved; got != later {
			t.Error("the later transfer was not relieved")
		}
		if !r.leave(long) || !r.leave(later) {
			t.Error("those who were relieved go on reading")
		}
		time.Sleep(10 * alone)
		synctest.Wait()
		if len(relieved) > 0 || r.ticking {
			t.Errorf("%d relieved again, ticking %t", len(relieved), r.ticking)
		}
		r.enter(short)
		time.Sleep(2 * alone)
		synctest.Wait()
		if !r.leave(short) {
			t.Error("not relieved after a rest")
		}
	})
}
