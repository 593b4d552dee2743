package quota

import (
	"math"
	"sync/atomic"
	"time"

	"gatehouse/storage/state"
)

// A figure is the bytes or the files of one quota, as this node deals with
// them. Its methods are called with the pool's lock held; it knows no store.
//
// What is held at the store is split up: held = avail + out + pending.
type figure struct {
	name  string // of the counter
	chunk int64  // how much is leased at a time, where there is much room
	// eager is how much that is now: twice as much each time that a lease is used
	// up within a round, up to mostChunks.
	eager int64
	asked time.Time

	limit, used, leased int64 // the store's, as last heard; leased by all nodes
	others              bool  // another node held a lease then

	held    int64 // leased to this node
	avail   int64 // of it: to be handed out
	out     int64 // of it: handed out, not yet written
	pending int64 // of it: written, and not yet booked as used
	freed   int64 // removed, and not yet booked
	booked  int64 // all that this node ever committed at the store

	recounts int64 // how often used was set, as last heard
	// share is not nil where other nodes write: what is written is not set against
	// what is removed then, since each counts for itself if one of them counts.
	share *atomic.Pointer[Sharing]

	// stuck is an operation of which nobody knows whether it was done. It is
	// done again, by its id, before any other.
	stuck *state.Lease
	since time.Time
}

// take hands out between least and most of what is there.
func (f *figure) take(least, most int64) (int64, bool) {
	if most == 0 {
		return 0, true
	}
	if f.avail < max(least, 1) {
		return 0, false
	}
	got := min(f.avail, most)
	f.avail -= got
	f.out += got
	return got, true
}

// commit ends what was handed out: so much of it was written.
func (f *figure) commit(granted, used int64) {
	f.out -= granted
	f.pending += used
	f.avail += granted - used
	f.net()
}

// write notes what was written without having been handed out.
func (f *figure) write(n int64) {
	f.pending += n
	f.net()
}

// release notes what was removed.
func (f *figure) release(n int64) {
	f.freed += n
	f.net()
}

// net sets what was written against what was removed: neither needs the store
// then. One of the two is always 0, but where other nodes write.
func (f *figure) net() {
	if f.shared() {
		return
	}
	n := min(f.pending, f.freed)
	f.pending -= n
	f.freed -= n
	f.avail += n
}

func (f *figure) shared() bool { return f.share.Load() != nil }

// free is what the store could still lease, once what is freed is booked.
func (f *figure) free() int64 {
	if f.limit < 0 {
		return math.MaxInt64
	}
	return f.limit - f.used - f.leased + f.freed
}

// room is what could still be written by this node as far as it knows.
func (f *figure) room() int64 {
	if f.limit < 0 {
		return Unlimited
	}
	return max(f.free(), 0) + f.avail
}

// mostChunks bounds what is leased at a time to somebody who writes without end.
const mostChunks = 16

// want is how much to lease now where so much is missing: a chunk more, several
// to who uses them up fast, or half of what then is left.
func (f *figure) want(missing int64) int64 {
	now := time.Now()
	if f.eager = min(2*f.eager, mostChunks*f.chunk); f.eager == 0 || now.Sub(f.asked) > round {
		f.eager = f.chunk
	}
	f.asked = now
	return missing + min(f.eager, max(f.free()-missing, 0)/2)
}

// dirty reports that something is to be booked.
func (f *figure) dirty() bool { return f.pending != 0 || f.freed != 0 || f.stuck != nil }

// An ask is what an operation does beside booking what is pending and freed.
type ask struct {
	least, want int64
	giveBack    bool // all that is not handed out
	limit, used *int64
	at          uint64 // the revision of the record that limit is of
	since       *int64 // what all had committed when used was counted
}

// begin makes an operation of what is pending and freed, and of a. It counts as
// stuck until done or undo is called.
func (f *figure) begin(holder string, a ask) state.Lease {
	op := state.Lease{
		ID: state.NewOperationID(), Name: f.name, Holder: holder,
		Commit: f.pending, Min: a.least, Want: a.want, SetLimit: a.limit, LimitAt: a.at, SetUsed: a.used,
	}
	if a.giveBack {
		op.Release = f.avail
	}
	f.avail -= op.Release
	f.held -= f.pending + op.Release
	f.pending = 0
	if !f.shared() {
		op.Commit -= f.freed
		f.freed = 0
	}
	if a.since != nil {
		since := *a.since + op.Commit // what is committed here was found, or is on top already
		op.Since = &since
	}
	f.stuck, f.since = &op, time.Now()
	return op
}

// beginFreed makes an operation of what is freed, which is booked unless somebody
// has counted since.
func (f *figure) beginFreed(holder string) state.Lease {
	recounts := f.recounts
	op := state.Lease{ID: state.NewOperationID(), Name: f.name, Holder: holder, Commit: -f.freed, Recounts: &recounts}
	f.freed = 0
	f.stuck, f.since = &op, time.Now()
	return op
}

// done takes in what an operation led to, beside what heard does.
// It reports whether the store holds another lease than it should: it has lost some,
// or more was written than was leased. Nothing is handed out of that then.
func (f *figure) done(op state.Lease, v state.CounterValue) (amiss bool) {
	f.stuck = nil
	amiss = f.held+v.Granted != v.Held
	f.held = v.Held
	f.avail += v.Granted
	f.booked += max(op.Commit, 0)
	if amiss {
		f.avail = max(0, v.Held-f.out-f.pending)
	}
	return amiss
}

// undo takes back an operation that was surely not done.
func (f *figure) undo(op state.Lease) {
	f.stuck = nil
	f.avail += op.Release
	f.held += op.Release + max(op.Commit, 0)
	f.pending += max(op.Commit, 0)
	f.release(max(-op.Commit, 0))
}

// heard takes in what the store says.
func (f *figure) heard(v state.CounterValue) {
	f.limit, f.used, f.leased = v.Limit, v.Used, v.Leased
	f.others = v.Leased > v.Held
}

// present is what is used, booked or not.
func (f *figure) present() int64 {
	now := f.used + f.pending - f.freed
	if f.stuck != nil {
		now += f.stuck.Commit
	}
	return max(now, 0)
}

// forget starts anew from what the store says, after an operation that stayed
// unknown for so long that its id is forgotten. What was pending is lost with
// it: the folder is to be counted.
func (f *figure) forget(v state.CounterValue) {
	f.stuck = nil
	f.held = v.Held
	f.avail = max(0, v.Held-f.out-f.pending)
}
