// Package counter is the arithmetic of the state's counters, without a store:
// what a Lease, a Window and a Distinct do to a counter at a given time.
package counter

import (
	"errors"
	"fmt"
	"time"

	"gatehouse/storage/state"
)

// ErrKind says that a counter is of another kind than the operation.
var ErrKind = errors.New("state: the counter is of another kind")

// A State is a counter between operations, of one kind; the zero State is a
// counter that was never touched. It travels as JSON.
type State struct {
	Lease    *Lease    `json:"lease,omitempty"`
	Window   *Window   `json:"window,omitempty"`
	Distinct *Distinct `json:"distinct,omitempty"`
}

// Do applies a valid operation to the counter. After an error it is unchanged.
func (s *State) Do(op state.CounterOp, now time.Time) (state.CounterValue, error) {
	switch op := op.(type) {
	case state.Lease:
		if s.Window != nil || s.Distinct != nil {
			return state.CounterValue{}, fmt.Errorf("%w: %q", ErrKind, op.Name)
		}
		if s.Lease == nil {
			s.Lease = new(Lease)
		}
		return s.Lease.do(op, now)
	case state.Window:
		if s.Lease != nil || s.Distinct != nil {
			return state.CounterValue{}, fmt.Errorf("%w: %q", ErrKind, op.Name)
		}
		if s.Window == nil {
			s.Window = new(Window)
		}
		return s.Window.do(op, now), nil
	case state.Distinct:
		if s.Lease != nil || s.Window != nil {
			return state.CounterValue{}, fmt.Errorf("%w: %q", ErrKind, op.Name)
		}
		if s.Distinct == nil {
			s.Distinct = new(Distinct)
		}
		return s.Distinct.do(op, now), nil
	case state.Drop:
		*s = State{}
		return state.CounterValue{}, nil
	}
	return state.CounterValue{}, fmt.Errorf("%w: counter operation %T", state.ErrInvalid, op)
}

// Empty reports that the counter is as one never touched, and need not be kept.
func (s State) Empty() bool {
	switch {
	case s.Lease != nil:
		return s.Lease.empty()
	case s.Window != nil:
		return len(s.Window.Buckets) == 0
	case s.Distinct != nil:
		return len(s.Distinct.Members) == 0
	}
	return true
}

// Expires is when the counter will be empty if it is left alone; zero: never.
func (s State) Expires() time.Time {
	switch {
	case s.Window != nil:
		return s.Window.expires()
	case s.Distinct != nil:
		return s.Distinct.expires()
	}
	return time.Time{}
}

// Name returns the name of the counter that an operation works on, and its id.
func Name(op state.CounterOp) (string, state.OperationID) {
	switch op := op.(type) {
	case state.Lease:
		return op.Name, op.ID
	case state.Window:
		return op.Name, op.ID
	case state.Distinct:
		return op.Name, op.ID
	case state.Drop:
		return op.Name, op.ID
	}
	return "", ""
}

// Looks reports that an operation changes nothing.
func Looks(op state.CounterOp) bool {
	switch op := op.(type) {
	case state.Lease:
		return op == state.Lease{ID: op.ID, Name: op.Name, Holder: op.Holder}
	case state.Window:
		return op.Add == 0
	case state.Distinct:
		return op.Add == "" && op.Remove == ""
	}
	return false
}
