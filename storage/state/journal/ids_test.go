package journal

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/storage/state"
)

// What an id came to is told again after a restart, from a segment that was
// sealed and from the last one, and forgotten when nobody tries it again.
func TestIDsOverARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, d := t.TempDir(), newDisk()
		j := openSmall(t, dir, d)
		ids := map[state.OperationID]uint64{}
		try := func(id state.OperationID) uint64 {
			t.Helper()
			p, err := j.Append(t.Context(), "log", id, make([]byte, 100), make([]byte, 100))
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		for n := range 60 {
			id := state.NewOperationID()
			if n%10 == 0 {
				id = state.OperationID(fmt.Sprint("of another kind ", n))
			}
			ids[id] = try(id)
		}
		for range 2 {
			for id, want := range ids {
				if p := try(id); p != want {
					t.Errorf("%s again came to %d, want %d", id, p, want)
				}
			}
			closed(t, j)
			time.Sleep(9 * time.Minute / 2)
			j = openSmall(t, dir, d)
		}
		time.Sleep(4 * time.Minute)
		for id, p := range ids {
			if again := try(id); again == p {
				t.Errorf("%s is known after 13 minutes", id)
			}
		}
		closed(t, j)
	})
}

func TestIDsAreBounded(t *testing.T) {
	var s ids
	now := time.Unix(1_000_000, 0)
	for n := range mostIDs + mostIDs/4 {
		s.remember(key{1, byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)}, uint64(n), now)
	}
	kept := 0
	for _, b := range s.buckets {
		kept += len(b.made)
	}
	if kept > mostIDs+mostIDs/16 || kept < mostIDs/2 {
		t.Errorf("%d ids are kept", kept)
	}
	s.forget(now.Add(20 * time.Minute))
	if len(s.buckets) != 0 || s.total != 0 {
		t.Errorf("%d ids are kept for ever", s.total)
	}
}
