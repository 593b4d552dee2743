package admin_test

import (
	"testing"
	"time"
)

// eventually waits for what a changed policy brings about, for a second.
func eventually(t *testing.T, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not hold after a second")
		}
	}
}
