package memory

import (
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/storage/state"
	"gatehouse/storage/state/statetest"
)

func TestSuite(t *testing.T) {
	const keep = 50
	statetest.Run(t, func(*testing.T) state.Store {
		s := New()
		s.keep = keep
		return s
	}, statetest.Bubble(), statetest.ChangeLog(keep))
}

func TestWhatHasExpiredIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New()
		mortal := state.Batch{Scope: "s", ID: state.NewOperationID(), Puts: []state.Put{{Name: "a", TTL: time.Minute}}}
		if _, err := s.Apply(t.Context(), mortal); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Count(t.Context(), "s", state.Window{Name: "w", Period: time.Minute, Add: 1}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Minute)
		if _, err := s.Append(t.Context(), "log", "", []byte("e")); err != nil {
			t.Fatal(err)
		}
		if sc := s.scopes["s"]; len(s.made)+len(sc.records)+len(sc.names)+len(sc.counters) != 0 {
			t.Errorf("kept %+v and %+v", sc, s.made)
		}
	})
}
