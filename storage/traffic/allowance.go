package traffic

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/storage/state"
)

// The state has a scope for each account: a counter for each period in use, by
// its name, and a record that names them, so that those of old are dropped.
const (
	scope    = "traffic/"
	chunk    = 8 << 20 // leased at a time, where there is much room
	patience = 10 * time.Second
	// emptied is how long nothing more is asked for once nothing was left, so that
	// who tries in vain writes nothing.
	emptied = time.Second
)

// errDropped ends what an account that was deleted still moves, errBuried what goes
// through a run that others have declared dead.
var (
	errDropped = errors.New("the account is deleted")
	errBuried  = fmt.Errorf("this node was taken for dead: %w", state.ErrBuried)
)

// An allowance is what an account may move in the present period. Of what was
// taken it knows no more than that it counts as moved, until it is given back.
type allowance struct {
	store         state.Store
	holder, scope string
	kind          kind
	shared        *atomic.Bool
	op            chan struct{} // held during an operation at the store

	mu     sync.Mutex // guards what follows
	limit  int64      // 0 is unlimited
	zone   *time.Location
	period string    // "" before the first
	since  time.Time // from when on it stands
	until  time.Time // its end; zero where that is to be found out
	stale  bool      // the limit changed since the lease was granted
	empty  time.Time // when the store last had nothing left
	left   int64     // what nobody had leased when the store was last asked
	avail  int64     // leased and not taken
	moved  int64     // not booked yet; negative where what was booked came back
	gone   bool      // the account is deleted: nothing is booked any more
	used   time.Time // when something was last taken
	rests  bool      // somebody waits until nothing more is
	// stuck is an operation of which it is not known whether it was done: it is
	// made again, under its id, before any other.
	stuck *state.Lease
}

func newAllowance(s state.Store, holder, account string, k kind, shared *atomic.Bool) *allowance {
	return &allowance{store: s, holder: holder, scope: scope + account, kind: k, shared: shared, zone: time.UTC, op: make(chan struct{}, 1)}
}

// plenty is how much has to be left for something to be leased ahead where nodes share.
const plenty = 4 << 20

// ahead is how much is leased beyond what is asked for. a.mu is held.
func (a *allowance) ahead() int64 {
	if !a.shared.Load() {
		return min(chunk, a.limit/64)
	}
	if a.left < plenty {
		return 0
	}
	return min(chunk, a.left/64)
}

func (a *allowance) set(limit int64, zone *time.Location) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if zone != nil && zone.String() != a.zone.String() {
		a.zone, a.until = zone, time.Time{}
	}
	a.stale = a.stale || limit != a.limit
	a.limit = limit
}

// take takes up to n bytes, at least one, and names the period that they are of:
// none where there is no limit.
func (a *allowance) take(ctx context.Context, n int64) (got int64, period string, err error) {
	if got, period, ok := a.quick(n, n); ok {
		return got, period, nil
	}
	if err := a.lock(ctx); err != nil {
		return 0, "", err
	}
	defer a.unlock()
	if got, period, ok := a.quick(n, n); ok { // somebody else leased
		return got, period, nil
	}
	if !a.isEmpty() {
		if err := a.lease(ctx, n); err != nil {
			return 0, "", fmt.Errorf("ask for the %s's allowance: %w", a.kind.name, err)
		}
	}
	if got, period, ok := a.quick(1, n); ok {
		return got, period, nil
	}
	return 0, "", a.spent()
}

func (a *allowance) spent() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return &SpentError{Period: a.kind.name, Limit: a.limit, Until: a.until}
}

func (a *allowance) lock(ctx context.Context) error {
	select {
	case a.op <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (a *allowance) unlock() { <-a.op }

func (a *allowance) quick(least, most int64) (int64, string, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.limit == 0 {
		return most, "", true
	}
	if a.stale || a.avail < least || !a.current(time.Now()) {
		return 0, "", false
	}
	got := min(a.avail, most)
	a.avail -= got
	a.moved += got
	a.used = time.Now()
	return got, a.period, true
}

// current reports whether the period in use is the present one. a.mu is held.
func (a *allowance) current(now time.Time) bool {
	return now.Before(a.until) && !now.Before(a.since)
}

// isEmpty reports whether there was nothing left a moment ago.
func (a *allowance) isEmpty() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	return !a.stale && a.current(now) && now.Sub(a.empty) < emptied
}

// back takes n bytes back that were taken in a period and not moved.
func (a *allowance) back(n int64, period string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if period == "" || period != a.period || a.gone {
		return
	}
	leased := min(n, max(a.moved, 0))
	a.avail += leased
	a.moved -= n
	a.empty = time.Time{}
}

// lease books what was moved and asks for so much and some more. a.op is held.
func (a *allowance) lease(ctx context.Context, n int64) error {
	if err := a.begin(ctx); err != nil {
		return err
	}
	if err := a.resolve(ctx); err != nil {
		return err
	}
	a.mu.Lock()
	a.stale = false
	limit := a.limit
	a.stuck = a.booking()
	a.stuck.Min, a.stuck.Want, a.stuck.SetLimit = 1, n+a.ahead(), &limit
	a.mu.Unlock()
	if err := a.resolve(ctx); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.avail == 0 {
		a.empty = time.Now()
	}
	a.restLater(idle)
	return nil
}

// idle is how long what is leased ahead of need is kept from other nodes while nothing is
// taken of it.
const idle = time.Second

// restLater has what is leased given back once nothing was taken of it for so long. It
// ends when nothing is leased any more. a.mu is held.
func (a *allowance) restLater(after time.Duration) {
	if a.rests || !a.shared.Load() {
		return
	}
	a.rests = true
	time.AfterFunc(after, a.rest)
}

func (a *allowance) rest() {
	a.mu.Lock()
	a.rests = false
	wait, done := idle-time.Since(a.used), a.avail == 0
	if wait > 0 && !done {
		a.restLater(wait)
	}
	a.mu.Unlock()
	if wait > 0 || done {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = a.settle(ctx) // what the store does not take now goes back with the next that is asked for
}

// booking is an operation that books all that was moved and gives the lease
// back. a.mu is held.
func (a *allowance) booking() *state.Lease {
	op := &state.Lease{ID: state.NewOperationID(), Name: a.period, Holder: a.holder, Commit: a.moved, Release: a.avail}
	a.moved, a.avail = 0, 0
	return op
}

// resolve makes the operation that is stuck. It outlives who asked for it, since
// what was begun at the store is done all the same. a.op is held.
func (a *allowance) resolve(ctx context.Context) error {
	a.mu.Lock()
	op := a.stuck
	a.mu.Unlock()
	if op == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	v, err := a.store.Count(ctx, a.scope, *op)
	if errors.Is(err, state.ErrBuried) { // others have booked what was moved here
		a.mu.Lock()
		defer a.mu.Unlock()
		a.avail, a.moved, a.stuck = 0, 0, nil
		return errBuried
	}
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stuck = nil
	a.avail += v.Granted
	a.left = v.Limit - v.Used - v.Leased
	return nil
}

// begin goes over to the present period where another was in use. a.op is held.
func (a *allowance) begin(ctx context.Context) error {
	a.mu.Lock()
	same, zone, gone := a.current(time.Now()), a.zone, a.gone
	a.mu.Unlock()
	switch {
	case gone:
		return errDropped
	case same:
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	present, err := a.follow(ctx, time.Now().In(zone))
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.period != present {
		a.period, a.avail, a.moved, a.stuck = present, 0, 0, nil
	}
	a.since, a.until = a.kind.bounds(present, zone)
	a.empty = time.Time{}
	return nil
}

// follow finds the present period, and notes it where it is new. The counter of
// the last but one is dropped, whichever run of the program used it, and one of
// a clock that was wrong.
func (a *allowance) follow(ctx context.Context, now time.Time) (present string, err error) {
	last, before, err := a.periods(ctx)
	if err != nil {
		return "", err
	}
	present = a.kind.at(now, last)
	if present == last {
		return present, nil
	}
	old := before
	if last > present {
		last, old = before, last
	}
	if old != "" && old != present {
		if _, err := a.store.Count(ctx, a.scope, state.Drop{Name: old}); err != nil {
			return "", err
		}
	}
	if last == present {
		last = ""
	}
	put := state.Put{Name: a.kind.name, Value: formatPeriods(present, last)}
	_, err = a.store.Apply(ctx, state.Batch{Scope: a.scope, Puts: []state.Put{put}})
	return present, err
}

func (a *allowance) periods(ctx context.Context) (last, before string, err error) {
	r, err := a.store.Get(ctx, a.scope, a.kind.name)
	if err != nil && !errors.Is(err, state.ErrNotFound) {
		return "", "", err
	}
	last, before = parsePeriods(r.Value)
	return last, before, nil
}

// settle books what was moved and gives the lease back. Of a period that is over
// nothing is: its counter may be dropped already. Of a run that was declared dead
// nothing is left to be settled.
func (a *allowance) settle(ctx context.Context) error {
	if err := a.lock(ctx); err != nil {
		return err
	}
	defer a.unlock()
	if err := a.settleHeld(ctx); !errors.Is(err, errBuried) {
		return err
	}
	return nil
}

// settleHeld is settle, with a.op held.
func (a *allowance) settleHeld(ctx context.Context) error {
	a.mu.Lock()
	over := !a.current(time.Now())
	if over {
		a.avail, a.moved, a.stuck = 0, 0, nil
	}
	a.mu.Unlock()
	if over {
		return nil
	}
	if err := a.resolve(ctx); err != nil {
		return err
	}
	a.mu.Lock()
	if a.moved == 0 && a.avail == 0 {
		a.mu.Unlock()
		return nil
	}
	a.stuck = a.booking()
	a.mu.Unlock()
	return a.resolve(ctx)
}

// drop forgets all that is kept of a deleted account, and counts nothing more.
func (a *allowance) drop(ctx context.Context) error {
	if err := a.lock(ctx); err != nil {
		return err
	}
	defer a.unlock()
	a.mu.Lock()
	a.gone, a.avail, a.moved, a.stuck, a.until = true, 0, 0, nil, time.Time{}
	a.mu.Unlock()
	last, before, err := a.periods(ctx)
	if err != nil || last == "" {
		return err
	}
	for _, name := range []string{last, before} {
		if name == "" {
			continue
		}
		if _, err := a.store.Count(ctx, a.scope, state.Drop{Name: name}); err != nil {
			return err
		}
	}
	_, err = a.store.Apply(ctx, state.Batch{Scope: a.scope, Deletes: []string{a.kind.name}})
	return err
}

// holds reports whether there is something to settle.
func (a *allowance) holds() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.moved != 0 || a.avail != 0 || a.stuck != nil
}
