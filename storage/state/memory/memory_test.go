package memory

import (
	"testing"

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
