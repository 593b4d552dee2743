package state

import (
	"context"
	"fmt"
	"math"
	"time"
)

// A Run is one of those that append under a name, one after the other. Of two runs the
// later one has the greater number.
type Run struct {
	Name   string
	Number uint64
}

// RunLife is for how long a store that may be written by several processes remembers a
// run, since it was first used: what an earlier one had sent has arrived by then.
const RunLife = 7 * 24 * time.Hour

type runKey struct{}

// InRun makes the appends under a context those of a run. The first of them tells the
// stream of it; from then on those of earlier runs of that name are refused with an
// *OvertakenError, whenever they were sent.
func InRun(ctx context.Context, r Run) context.Context { return context.WithValue(ctx, runKey{}, r) }

// RunOf returns the run whose appends those under a context are, if of any.
func RunOf(ctx context.Context) (r Run, ok bool) {
	r, ok = ctx.Value(runKey{}).(Run)
	return r, ok
}

func (r Run) validate() error {
	if r.Number == 0 || r.Number > math.MaxInt64 {
		return fmt.Errorf("%w: number of a run of %q", ErrInvalid, r.Name)
	}
	return checkName(r.Name)
}

// An OvertakenError carries the number of the later run that a stream has seen. The
// append was not made.
type OvertakenError struct {
	Name   string
	Number uint64
}

func (e *OvertakenError) Error() string {
	return fmt.Sprintf("state: the later run %d appends under the name %q", e.Number, e.Name)
}

// Is makes an OvertakenError an ErrOvertaken.
func (e *OvertakenError) Is(target error) bool { return target == ErrOvertaken }
