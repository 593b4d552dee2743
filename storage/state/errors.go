package state

import (
	"errors"
	"fmt"
)

// Errors. A ConflictError answers errors.Is(err, ErrConflict).
var (
	ErrNotFound = errors.New("state: not found")
	ErrConflict = errors.New("state: the record has changed")
	ErrUnknown  = errors.New("state: the outcome is not known")
	ErrNotEmpty = errors.New("state: the store is not empty")
	ErrNewer    = errors.New("state: written by a newer version of the program")
	ErrClosed   = errors.New("state: closed")
	ErrInvalid  = errors.New("state: invalid argument")
	ErrAway     = errors.New("state: the store cannot be reached, or takes no changes")
	ErrBuried   = errors.New("state: the holder was declared dead")
	// ErrOvertaken is what an OvertakenError is.
	ErrOvertaken = errors.New("state: a later run appends under this name")
)

// ErrFull is the ErrAway of a store that answers, and has no room for what makes it
// larger. It was not made. What gives back, takes out or renews goes on.
var ErrFull error = fullError{}

type fullError struct{}

func (fullError) Error() string { return "state: the store is full" }

// Is makes ErrFull an ErrAway.
func (fullError) Is(target error) bool { return target == ErrAway }

// A ConflictError carries the revision that a check found, 0 where there is no record.
type ConflictError struct {
	Name     string
	Revision uint64
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("state: %q has revision %d", e.Name, e.Revision)
}

// Is makes a ConflictError an ErrConflict.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// A DamageError says that entries of a stream are not as they were written:
// those from First to Last cannot be read. Reading goes on after Last, reading
// back before First.
type DamageError struct {
	Stream      string
	First, Last uint64
	Where       string // for who has to look at it
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("state: entries %d to %d of the stream %q are damaged: %s", e.First, e.Last, e.Stream, e.Where)
}
