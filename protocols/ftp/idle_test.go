package ftp

import (
	"runtime"
	"testing"
	"time"
)

// idleBytes is what an idle session may hold, beside what the kernel does: a
// session of other servers is a process or two.
const idleBytes = 48 << 10

// Many sessions that do nothing cost little memory, also once they have moved a
// large file: nothing that a transfer borrows stays with its session.
func TestIdleSessionsAreSmall(t *testing.T) {
	for name, protected := range map[string]bool{"in clear": false, "protected": true} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			p := s.Add("anna")
			s.Write("/home/anna/f", someBytes(1<<20))
			enter := func() {
				c := s.dial(t)
				if protected {
					c.secure(s.trust())
				}
				_ = c.login(p).get("RETR f")
			}
			enter()
			const n = 100
			before := held()
			for range n {
				enter()
			}
			// The clients are in the same process: what they hold is small, too.
			each := (held() - before) / n
			t.Logf("%d bytes a session, with its client", each)
			if each > idleBytes {
				t.Errorf("an idle session holds %d bytes", each)
			}
		})
	}
}

// held is how much of heap and stacks is in use.
func held() int64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC() // what pools lend goes with the second
		time.Sleep(10 * time.Millisecond)
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
