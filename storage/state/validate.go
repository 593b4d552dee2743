package state

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits of what a store takes. A scope or a stream has a name without NUL, a
// holder and a member are UTF-8; a record or a counter may have any name that is
// not empty.
const (
	MaxName  = 8 << 10
	MaxValue = 16 << 20
)

// Validate reports what makes a batch one that no store takes, as an ErrInvalid.
func (b Batch) Validate() error {
	if err := CheckScope(b.Scope); err != nil {
		return err
	}
	for _, c := range b.Checks {
		if err := checkName(c.Name); err != nil {
			return err
		}
	}
	written := make(map[string]bool, len(b.Puts)+len(b.Deletes))
	for _, p := range b.Puts {
		if len(p.Value) > MaxValue {
			return fmt.Errorf("%w: value of %q is too long", ErrInvalid, p.Name)
		}
		if p.TTL < 0 {
			return fmt.Errorf("%w: negative life of %q", ErrInvalid, p.Name)
		}
		if err := checkWritten(written, p.Name); err != nil {
			return err
		}
	}
	for _, name := range b.Deletes {
		if err := checkWritten(written, name); err != nil {
			return err
		}
	}
	return nil
}

func checkWritten(written map[string]bool, name string) error {
	if written[name] {
		return fmt.Errorf("%w: %q is written twice in a batch", ErrInvalid, name)
	}
	written[name] = true
	return checkName(name)
}

// CheckScope reports a name that no scope and no stream can have, as an ErrInvalid.
func CheckScope(name string) error {
	if strings.IndexByte(name, 0) >= 0 {
		return fmt.Errorf("%w: NUL in the scope %q", ErrInvalid, name)
	}
	return checkName(name)
}

// CheckAppend reports a stream, entries or a run that no store takes, as an ErrInvalid.
func CheckAppend(ctx context.Context, stream string, entries [][]byte) error {
	for _, e := range entries {
		if len(e) > MaxValue {
			return fmt.Errorf("%w: entry too long for the stream %q", ErrInvalid, stream)
		}
	}
	if err := CheckScope(stream); err != nil {
		return err
	}
	if run, ok := RunOf(ctx); ok {
		return run.validate()
	}
	if len(entries) == 0 {
		return fmt.Errorf("%w: nothing to append", ErrInvalid)
	}
	return nil
}

// CheckCounter reports an operation that no store takes, as an ErrInvalid.
func CheckCounter(scope string, op CounterOp) error {
	if err := CheckScope(scope); err != nil {
		return err
	}
	switch op := op.(type) {
	case Lease:
		return op.validate()
	case Window:
		if op.Period <= 0 || op.Max < 0 {
			return fmt.Errorf("%w: period or maximum of the window %q", ErrInvalid, op.Name)
		}
		return checkName(op.Name)
	case Distinct:
		if op.TTL < 0 || op.Max < 0 || len(op.Add) > MaxName || !utf8.ValidString(op.Add) {
			return fmt.Errorf("%w: life, maximum or member of the set %q", ErrInvalid, op.Name)
		}
		return checkName(op.Name)
	case Drop:
		return checkName(op.Name)
	}
	return fmt.Errorf("%w: counter operation %T", ErrInvalid, op)
}

func (op Lease) validate() error {
	switch {
	case op.Release < 0 || op.Min < 0 || op.Want < op.Min:
		return fmt.Errorf("%w: amounts of the lease on %q", ErrInvalid, op.Name)
	case op.Holder == "" && (op.Want > 0 || op.Release > 0 || op.ReleaseAll || op.Bury):
		return fmt.Errorf("%w: a lease on %q without a holder", ErrInvalid, op.Name)
	case len(op.Holder) > MaxName || !utf8.ValidString(op.Holder):
		return fmt.Errorf("%w: holder of %q", ErrInvalid, op.Name)
	}
	return checkName(op.Name)
}

func checkName(name string) error {
	if name == "" {
		return fmt.Errorf("%w: empty name", ErrInvalid)
	}
	if len(name) > MaxName {
		return fmt.Errorf("%w: name of %d bytes", ErrInvalid, len(name))
	}
	return nil
}
