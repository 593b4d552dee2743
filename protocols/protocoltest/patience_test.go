package protocoltest_test

import (
	"slices"
	"testing"

	"gatehouse/protocols/protocoltest"
)

// What breaks once is tried again from the start, when all that the first
// attempt opened is closed, and what it said is no failure.
func TestPatiently(t *testing.T) {
	for name, fail := range map[string]func(testing.TB){
		"an error": func(t testing.TB) { t.Errorf("too late by %d s", 1) },
		"an end":   func(t testing.TB) { t.Fatal("too late") },
	} {
		t.Run(name, func(t *testing.T) {
			var told []string
			tries := 0
			protocoltest.Patiently(t, func(t testing.TB) {
				told = append(told, "begin")
				t.Cleanup(func() { told = append(told, "closed") })
				t.Cleanup(func() {
					if t.Failed() {
						told = append(told, "failed")
					}
				})
				if tries++; tries == 1 {
					fail(t)
				}
			})
			if want := []string{"begin", "failed", "closed", "begin", "closed"}; !slices.Equal(told, want) {
				t.Errorf("got %v, want %v", told, want)
			}
		})
	}
}
