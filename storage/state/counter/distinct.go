package counter

import (
	"maps"
	"time"

	"gatehouse/storage/state"
)

// A Distinct is a set whose members live for a while: a zero time is no end.
type Distinct struct {
	Members map[string]time.Time `json:"members,omitempty"`
}

func (d *Distinct) do(op state.Distinct, now time.Time) state.CounterValue {
	now = now.Round(0).UTC()
	maps.DeleteFunc(d.Members, func(_ string, end time.Time) bool {
		return !end.IsZero() && !end.After(now)
	})
	delete(d.Members, op.Remove)
	granted := d.add(op, now)
	return state.CounterValue{Count: int64(len(d.Members)), Granted: granted}
}

func (d *Distinct) add(op state.Distinct, now time.Time) int64 {
	if op.Add == "" {
		return 0
	}
	_, there := d.Members[op.Add]
	bound := state.MaxMembers
	if op.Max > 0 {
		bound = min(bound, op.Max)
	}
	if !there && len(d.Members) >= bound {
		return 0
	}
	var end time.Time
	if op.TTL > 0 {
		end = now.Add(op.TTL)
	}
	if d.Members == nil {
		d.Members = make(map[string]time.Time)
	}
	d.Members[op.Add] = end
	if there {
		return 2
	}
	return 1
}

func (d *Distinct) expires() time.Time {
	var last time.Time
	for _, end := range d.Members {
		if end.IsZero() {
			return end
		}
		if end.After(last) {
			last = end
		}
	}
	return last
}
