package counter

import (
	"fmt"
	"maps"
	"math"
	"time"

	"gatehouse/storage/state"
)

// A Lease is a counter of things used up and given back.
type Lease struct {
	Limit int64            `json:"limit"`
	Used  int64            `json:"used"`
	Held  map[string]int64 `json:"held,omitempty"`
	// Grown is all that was ever committed, Recounts how often Used was set.
	Grown    int64 `json:"grown,omitempty"`
	Recounts int64 `json:"recounts,omitempty"`
	// LimitAt is the revision that Limit is of.
	LimitAt uint64 `json:"limit_at,omitempty"`
	// Buried is until when it is remembered of whom.
	Buried map[string]time.Time `json:"buried,omitempty"`
}

func (l *Lease) empty() bool {
	return l.Limit == 0 && l.LimitAt == 0 && l.Used == 0 && len(l.Held) == 0 && l.Grown == 0 && l.Recounts == 0
}

func (l *Lease) do(op state.Lease, now time.Time) (state.CounterValue, error) {
	if err := l.bury(op, now); err != nil {
		return state.CounterValue{}, err
	}
	l.commit(op)
	l.release(op)
	if op.SetLimit != nil && (op.LimitAt == 0 || op.LimitAt >= l.LimitAt) {
		l.Limit, l.LimitAt = max(*op.SetLimit, -1), op.LimitAt
	}
	if op.SetUsed != nil {
		l.set(op)
	}
	granted := l.grant(op)
	return state.CounterValue{
		Limit: l.Limit, Used: l.Used, Leased: l.leased(),
		Held: l.Held[op.Holder], Granted: granted, Holders: maps.Clone(l.Held),
		Grown: l.Grown, Recounts: l.Recounts,
	}, nil
}

// bury refuses what a buried holder does, and notes whom op buries.
func (l *Lease) bury(op state.Lease, now time.Time) error {
	if Looks(op) {
		return nil
	}
	if end, ok := l.Buried[op.Holder]; ok && end.After(now) && !op.Bury {
		return fmt.Errorf("%w: %q at %q", state.ErrBuried, op.Holder, op.Name)
	}
	maps.DeleteFunc(l.Buried, func(_ string, end time.Time) bool { return !end.After(now) })
	if op.Bury {
		l.remember(op.Holder, now)
	}
	return nil
}

// remember notes who is buried, in the place of who was first where there are many.
func (l *Lease) remember(holder string, now time.Time) {
	if l.Buried == nil {
		l.Buried = make(map[string]time.Time)
	}
	if _, ok := l.Buried[holder]; !ok && len(l.Buried) >= state.MaxBuried {
		first := ""
		for other, end := range l.Buried {
			if first == "" || end.Before(l.Buried[first]) {
				first = other
			}
		}
		delete(l.Buried, first)
	}
	l.Buried[holder] = now.Add(state.BuriedLife).UTC()
}

// set puts used at a counted figure.
func (l *Lease) set(op state.Lease) {
	l.Used = max(*op.SetUsed, 0)
	if op.Since != nil {
		l.Used = sum(l.Used, max(l.Grown-max(*op.Since, 0), 0))
	}
	l.Recounts = sum(l.Recounts, 1)
}

func (l *Lease) release(op state.Lease) {
	if op.ReleaseAll {
		l.hold(op.Holder, 0)
		return
	}
	l.hold(op.Holder, l.Held[op.Holder]-op.Release)
}

// commit books used even where the lease does not cover it: the things are
// there, and a counter that denied them would grant too much.
func (l *Lease) commit(op state.Lease) {
	if op.Commit < 0 {
		l.giveBack(op)
		return
	}
	if op.Covered && l.Held[op.Holder] < op.Commit {
		return
	}
	l.Used, l.Grown = sum(l.Used, op.Commit), sum(l.Grown, op.Commit)
	l.hold(op.Holder, l.Held[op.Holder]-op.Commit)
}

// giveBack books what is no longer used. One holder may give back what another has yet
// to commit: used is less than nothing until then.
func (l *Lease) giveBack(op state.Lease) {
	used := max(sum(l.Used, op.Commit), -math.MaxInt64)
	switch {
	case op.Recounts == nil:
		l.Used = max(used, min(l.Used, 0))
	case *op.Recounts == l.Recounts:
		l.Used = used
	}
}

func (l *Lease) grant(op state.Lease) int64 {
	if op.Want == 0 {
		return 0
	}
	limit := l.Limit
	if limit < 0 {
		limit = math.MaxInt64
	}
	taken := sum(l.Used, l.leased())
	granted := min(op.Want, max(sum(limit, -taken), 0))
	if granted < op.Min {
		return 0
	}
	l.hold(op.Holder, sum(l.Held[op.Holder], granted))
	return granted
}

func (l *Lease) hold(holder string, amount int64) {
	if amount <= 0 {
		delete(l.Held, holder)
		return
	}
	if l.Held == nil {
		l.Held = make(map[string]int64)
	}
	l.Held[holder] = amount
}

func (l *Lease) leased() int64 {
	var all int64
	for _, n := range l.Held {
		all = sum(all, n)
	}
	return all
}

// sum adds without passing the ends of the range.
func sum(a, b int64) int64 {
	c := a + b
	if a > 0 && b > 0 && c < 0 {
		return math.MaxInt64
	}
	if a < 0 && b < 0 && c >= 0 {
		return math.MinInt64
	}
	return c
}
