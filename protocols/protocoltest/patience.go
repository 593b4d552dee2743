package protocoltest

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// attempts is how often a case about time is tried.
const attempts = 3

// Patiently tries a case about real time again, from the start, when it fails:
// a machine that stands still for longer than the case allows breaks it through
// nobody's fault. What fails each time has failed.
func Patiently(t *testing.T, try func(t testing.TB)) {
	t.Helper()
	for n := range attempts {
		a := &attempt{TB: t, last: n == attempts-1}
		a.run(try)
		if !a.failed.Load() {
			return
		}
		if !a.last {
			t.Logf("attempt %d of %d failed: once more", n+1, attempts)
		}
	}
}

// An attempt is a test whose failure is the test's only when it is the last.
type attempt struct {
	testing.TB
	last   bool
	failed atomic.Bool

	mu       sync.Mutex
	cleanups []func()
}

func (a *attempt) run(try func(t testing.TB)) {
	a.Helper()
	a.alone(func() { try(a) })
	for cleanup := a.cleanup(); cleanup != nil; cleanup = a.cleanup() {
		a.alone(cleanup)
	}
}

// cleanup takes the one that came last; nil when there is none left.
func (a *attempt) cleanup() func() {
	a.mu.Lock()
	defer a.mu.Unlock()
	last := len(a.cleanups) - 1
	if last < 0 {
		return nil
	}
	f := a.cleanups[last]
	a.cleanups = a.cleanups[:last]
	return f
}

// alone waits for f in a goroutine that FailNow can end.
func (a *attempt) alone(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

func (a *attempt) Cleanup(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cleanups = append(a.cleanups, f)
}

func (a *attempt) Failed() bool { return a.failed.Load() }

func (a *attempt) Fail() {
	a.failed.Store(true)
	if a.last {
		a.TB.Fail()
	}
}

func (a *attempt) FailNow() {
	a.Fail()
	runtime.Goexit()
}

func (a *attempt) Error(args ...any) {
	a.Helper()
	a.Log(args...)
	a.Fail()
}

func (a *attempt) Errorf(format string, args ...any) {
	a.Helper()
	a.Logf(format, args...)
	a.Fail()
}

func (a *attempt) Fatal(args ...any) {
	a.Helper()
	a.Log(args...)
	a.FailNow()
}

func (a *attempt) Fatalf(format string, args ...any) {
	a.Helper()
	a.Logf(format, args...)
	a.FailNow()
}
