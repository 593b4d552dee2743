package state

import "time"

// A CounterOp is a Lease, a Window, a Distinct or a Drop. A counter begins at
// nothing, with limit 0, and stays of the kind of its first operation.
type CounterOp interface{ counterOp() }

// Lease works on a counter of things that are used up and given back: some are
// used, some are leased to holders who may use them, and used and leased
// together never pass the limit by a grant. One operation does, in this order:
// Release and Commit for Holder, then SetLimit and SetUsed, then the grant.
type Lease struct {
	ID     OperationID
	Name   string
	Holder string // a node in its epoch
	// Commit moves so much from Holder's lease to used; negative gives back used.
	// What is more than the lease is booked all the same: it is used already.
	Commit int64
	// Covered leaves out a Commit that Holder's lease does not cover: somebody who
	// takes Holder for dead has given that back, and counted what it did.
	Covered bool
	// Recounts, where not nil, leaves out a negative Commit unless used was set so
	// many times: a count since may have left out what it gives back. Such a Commit
	// may give back what another holder has not committed yet: used is negative then.
	Recounts *int64
	// Release gives so much of Holder's lease back. ReleaseAll all of it.
	Release    int64
	ReleaseAll bool
	// Min and Want ask for a lease of between Min and Want: as much as is free.
	// Where less than Min is free nothing is granted and nothing of the whole
	// operation is undone. Want 0 asks for none.
	Min, Want int64
	// SetLimit changes the limit; a negative one is unlimited. LimitAt, where not 0, is
	// the revision that says so: it is left out where the limit is of a later one.
	SetLimit *int64
	LimitAt  uint64
	// SetUsed puts used at a counted figure. With Since, which is Grown as counting
	// began, what was committed from then on is on top, whoever did it.
	SetUsed, Since *int64
	// Bury has all that comes of Holder from now on refused with ErrBuried, but what has
	// Bury too: Holder was declared dead, and what it sent before may still arrive. A
	// counter that is empty otherwise does not keep it.
	Bury bool
}

// BuriedLife is how long a counter remembers who was buried: longer than anything that
// was sent is under way.
const BuriedLife = 7 * 24 * time.Hour

// MaxBuried is how many it remembers at the most, the last ones: a node that fails
// again and again is buried every few seconds.
const MaxBuried = 64

// Window counts events in a sliding window. An event leaves the window a Period
// after it was counted, never earlier and by at most a 64th later.
type Window struct {
	ID     OperationID
	Name   string
	Period time.Duration
	Add    int64 // negative takes back, the newest first; 0 only looks
	// Max, where not 0, refuses (Granted 0) an Add that would pass it.
	Max int64
}

// Distinct counts the members of a bounded set; each member lives for TTL from
// when it was last added.
type Distinct struct {
	ID     OperationID
	Name   string
	Add    string        // a member; empty only looks
	Remove string        // a member, before Add
	TTL    time.Duration // 0: no end
	// Max, where not 0, refuses (Granted 0) a new member beyond it. No set grows
	// beyond MaxMembers.
	Max int
}

// MaxMembers is the most that a Distinct holds.
const MaxMembers = 4096

// Drop forgets a counter of any kind.
type Drop struct {
	ID   OperationID
	Name string
}

func (Lease) counterOp()    {}
func (Window) counterOp()   {}
func (Distinct) counterOp() {}
func (Drop) counterOp()     {}

// A CounterValue is a counter after an operation. Lease fills Limit (negative:
// unlimited), Used, Leased (of all holders), Held (of this one), Granted, Grown
// and Recounts; the others Count and Granted: 1 added, 0 refused or nothing to add, and for
// Distinct 2 where the member was there and has its life renewed.
type CounterValue struct {
	Limit, Used, Leased, Held, Granted int64
	Count                              int64
	// Grown is all that a Lease's commits ever added to used, and Recounts how often
	// used was set.
	Grown, Recounts int64
	// Holders is who holds a lease, and how much.
	Holders map[string]int64
}
