// Package quota keeps every folder's use within its limit, to the byte and file.
// Growth is reserved before it is written; what was reserved comes out of a
// lease that this node holds of an atomic counter in the state, where used and
// leased together never pass the limit.
//
// Each quota has a record (its folder, limit and id) and two counters, of bytes
// and of files. A node leases in chunks, which shrink as the limit comes near,
// hands out of them in memory, and books what was used within a second. A lease
// left by a node that died says that its last bookings are missing: the folder
// is then counted anew. How counting and writing get along: see count.go.
package quota

import (
	"context"
	"errors"
	"fmt"
	"math"

	"gatehouse/policy/path"
)

// Amount is bytes and files; both may be negative in a change.
type Amount struct{ Bytes, Files int64 }

// Unlimited is a figure of a Limit that bounds nothing.
const Unlimited = -1

// A Limit is what a folder may hold; a negative figure is unlimited. Owner says
// whose setting it is, where it follows one; a quota set by hand has none.
type Limit struct {
	Folder path.Path
	Amount
	Owner string
}

// Usage is a quota and what is used of it.
type Usage struct {
	Limit
	Used Amount
	// Counting is true while a quota on a filled folder is not yet enforced.
	Counting bool
	// Doubt is true while the figure may be too large, until it is counted anew.
	Doubt bool
}

// ErrExceeded is what an *ExceededError is.
var ErrExceeded = errors.New("quota exceeded")

// ErrBusy says that a folder changed all the while that it was counted. It is
// counted again by itself.
var ErrBusy = errors.New("the folder changes too much to be counted now")

// ErrAway says that the store of the quotas does not answer or takes nothing:
// what needs room is not begun.
var ErrAway = errors.New("quotas are not kept now")

// An ExceededError names the folder whose quota refused growth. Room is what
// was left of it, negative where it has no limit.
type ExceededError struct {
	Folder path.Path
	Room   Amount
}

func (e *ExceededError) Error() string { return fmt.Sprintf("quota of %s exceeded", e.Folder) }

// Is makes an ExceededError an ErrExceeded.
func (e *ExceededError) Is(target error) bool { return target == ErrExceeded }

// A Walker counts what a folder holds: the sizes of regular files, and how many
// there are. Of a file that is open for writing it counts the size that is
// charged for it, and books what of a reservation is used before it begins, so
// that what it finds is what was committed. A folder that is not there
// (fs.ErrNotExist) holds nothing.
type Walker func(ctx context.Context, folder path.Path) (Amount, error)

func (a Amount) plus(b Amount) Amount {
	return Amount{Bytes: a.Bytes + b.Bytes, Files: a.Files + b.Files}
}

// within returns a with each figure between 0 and that of most.
func (a Amount) within(most Amount) Amount {
	return Amount{Bytes: max(0, min(a.Bytes, most.Bytes)), Files: max(0, min(a.Files, most.Files))}
}

// remainder returns what is left of a limit.
func remainder(limit, used int64) int64 {
	if limit < 0 {
		return math.MaxInt64
	}
	return max(limit-used, 0)
}
