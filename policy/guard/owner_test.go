package guard_test

import (
	"os"
	"syscall"
	"testing"
)

// An account that gets another owner on disk has it in sessions that are open.
func TestOwnerChangesInAnOpenSession(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("giving files away needs root")
	}
	w := newWorld(t)
	u := w.user("ann")
	w.must(u.upload("/before", "x"))
	u.FS.SetOwner(new(12345), new(23456))
	w.must(u.upload("/after", "x"))
	w.must(u.Mkdir(t.Context(), tp("/folder"), 0))
	for name, want := range map[string]uint32{"before": uint32(os.Getuid()), "after": 12345, "folder": 12345} {
		info, err := os.Stat(w.disk("/home/ann/" + name))
		w.must(err)
		if got := info.Sys().(*syscall.Stat_t).Uid; got != want {
			t.Errorf("%s belongs to %d, want %d", name, got, want)
		}
	}
}
