// Package traffic keeps accounts within what they may move: bytes per second in
// each direction and operations per second, shared fairly by an account's
// sessions, and bytes per day and month, over all nodes.
//
// Rates make who is too fast wait. What a day or month allows is taken before it
// is moved, so that it is never passed by a byte; it comes out of a lease that
// the node holds of a counter in the state. What a node had leased when it was
// killed counts as moved.
package traffic

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/storage/state"
)

// Limits bound one account; 0 is unlimited.
type Limits struct {
	UploadRate, DownloadRate int64 // bytes per second
	Operations               int64 // per second
	Day, Month               int64 // bytes, both directions together
	Zone                     *time.Location
}

// ErrSpent is what a *SpentError is.
var ErrSpent = errors.New("the allowance is spent")

// A SpentError says that a day or month allows no more before it has ended.
type SpentError struct {
	Period string // day | month
	Limit  int64
	Until  time.Time
}

func (e *SpentError) Error() string {
	return fmt.Sprintf("the %d bytes of this %s leave no room for it until %s", e.Limit, e.Period, e.Until.Format(time.RFC3339))
}

// Is makes a SpentError an ErrSpent.
func (e *SpentError) Is(target error) bool { return target == ErrSpent }

// A Traffic is the traffic of all accounts on this node.
type Traffic struct {
	store  state.Store
	holder string
	shared atomic.Bool // other nodes move for the same accounts

	mu       sync.Mutex // guards accounts, and who uses them
	accounts map[string]*account
	closed   bool
	closing  chan struct{} // closed with it
	settling sync.WaitGroup
}

// New keeps its counters in store; holder is the node in its epoch.
func New(store state.Store, holder string) *Traffic {
	return &Traffic{store: store, holder: holder, accounts: make(map[string]*account), closing: make(chan struct{})}
}

// Share says that other nodes move for the same accounts: little is leased ahead where
// little is left, since nobody else has it then.
func (t *Traffic) Share() { t.shared.Store(true) }

// An account is what its sessions share.
type account struct {
	free       atomic.Bool // nothing bounds it
	users      int         // its sessions, and the grants that are out
	settling   bool        // somebody sees to it that it is forgotten
	up, down   *pacer
	operations *pacer
	day, month *allowance

	setting sync.Mutex // guards limited, and makes a change of limits one step
	limited bool
}

// How far ahead of its rate an account may be: a second's worth of operations,
// since clients send them in flocks.
const (
	burstBytes      = 100 * time.Millisecond
	burstOperations = time.Second
)

// Join counts a session of the account with this id in. What bounds the account
// SetLimits says, of any of its sessions.
func (t *Traffic) Join(id string) *Session {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.accounts[id]
	if a == nil {
		a = &account{
			up: newPacer(burstBytes), down: newPacer(burstBytes), operations: newPacer(burstOperations),
			day: t.allowance(id, day), month: t.allowance(id, month),
		}
		a.free.Store(true)
		t.accounts[id] = a
	}
	a.users++
	return &Session{traffic: t, id: id, account: a}
}

func (t *Traffic) allowance(id string, k kind) *allowance {
	return newAllowance(t.store, t.holder, id, k, &t.shared)
}

// Close gives back what is leased and not used. Nobody joins or moves any more.
func (t *Traffic) Close(ctx context.Context) error {
	t.mu.Lock()
	if !t.closed {
		t.closed = true
		close(t.closing)
	}
	left := slices.Collect(maps.Values(t.accounts))
	t.mu.Unlock()
	t.settling.Wait()
	var failed error
	for _, a := range left {
		if ctx.Err() != nil {
			return errors.Join(failed, context.Cause(ctx))
		}
		failed = errors.Join(failed, a.settle(ctx))
	}
	return failed
}

func (a *account) settle(ctx context.Context) error {
	return errors.Join(a.day.settle(ctx), a.month.settle(ctx))
}

func (a *account) holds() bool { return a.day.holds() || a.month.holds() }

// again is how long what could not be given back waits for the next try.
const again = 10 * time.Second

// leave counts a session or grant out. The last one forgets the account, once
// what it leased is given back: nobody waits for the store here.
func (t *Traffic) leave(id string, a *account) {
	if a.users--; a.users > 0 || a.settling || t.closed {
		return
	}
	if !a.holds() {
		delete(t.accounts, id)
		return
	}
	a.settling = true
	t.settling.Go(func() { t.forget(id, a) })
}

// forget tries until the account is forgotten, in use again, or Close sees to it.
func (t *Traffic) forget(id string, a *account) {
	for !t.forgotten(id, a) {
		select {
		case <-t.closing:
			return
		case <-time.After(again):
		}
	}
}

func (t *Traffic) forgotten(id string, a *account) bool {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	failed := a.settle(ctx) != nil
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case a.users > 0:
	case !failed && !a.holds():
		delete(t.accounts, id)
	default:
		return false
	}
	a.settling = false
	return true
}

// Drop forgets what an account has moved, which is deleted: what it still moves
// here is refused, where anything of it is counted.
func (t *Traffic) Drop(ctx context.Context, id string) error {
	t.mu.Lock()
	a := t.accounts[id]
	t.mu.Unlock()
	kinds := []*allowance{t.allowance(id, day), t.allowance(id, month)}
	if a != nil {
		kinds = []*allowance{a.day, a.month}
	}
	var failed error
	for _, one := range kinds {
		failed = errors.Join(failed, one.drop(ctx))
	}
	if failed != nil {
		return fmt.Errorf("drop the traffic of a deleted account: %w", failed)
	}
	return nil
}
