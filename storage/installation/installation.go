// Package installation tells installations apart: each has an identity, made once,
// that goes wherever its state goes. By it a gateway knows a store that has lost
// its state, or has another one's, from the store of a new installation.
package installation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gatehouse/storage/state"
	"gatehouse/storage/state/typed"
)

// In each of scopes the state has its identity under mark, and a record with a name
// of its own, which a batch can demand: it is made in the state of this installation,
// or not at all.
const (
	mark   = "installation"
	prefix = mark + "/"
)

// scopes are those in which nothing is written that is another installation's: who
// there is, what all nodes have alike, and who is a node. The first one decides.
var scopes = []string{"accounts", "secrets", "nodes"}

// Marks is how many records a scope has of its installation at the most.
const Marks = 2

// IsMark reports that a record of such a scope is no more than its identity.
func IsMark(name string) bool { return name == mark || strings.HasPrefix(name, prefix) }

// ErrForeign says that a store has not the state of this installation. It is a
// state.ErrAway: that state may be brought back.
var ErrForeign = fmt.Errorf("%w: it does not have the state of this installation", state.ErrAway)

// A ForeignError is an ErrForeign, with what was found.
type ForeignError struct {
	Known string // the installation that was expected
	Found string // the one that is there; empty: none
	Scope string // what is missing of Known, where it is there
}

func (e *ForeignError) Error() string {
	switch {
	case e.Found == "":
		return fmt.Sprintf("the store does not have the state of the installation %s: it has none, as if it were new", e.Known)
	case e.Found == e.Known:
		return fmt.Sprintf("the store has lost a part of the state of the installation %s: that of %q", e.Known, e.Scope)
	}
	return fmt.Sprintf("the store does not have the state of the installation %s, but that of %s", e.Known, e.Found)
}

// Is makes a ForeignError an ErrForeign and a state.ErrAway.
func (e *ForeignError) Is(target error) bool { return target == ErrForeign || target == state.ErrAway }

// An Installation is one whose state a store has.
type Installation struct {
	ID    string
	marks map[string]state.Check // by scope
}

// Open finds the installation whose state a store has. Who has served one before
// names it: a store that has none then, or another one's, is a *ForeignError. For
// who knows none ("") an identity is made where there is none: of several that ask
// at once all get the same, and what was written before becomes its state.
func Open(ctx context.Context, st state.Store, known string) (*Installation, error) {
	i := &Installation{ID: known, marks: make(map[string]state.Check)}
	err := i.read(ctx, st)
	if err == nil && known == "" {
		err = i.make(ctx, st)
	}
	var foreign *ForeignError
	if err != nil && !errors.As(err, &foreign) {
		return nil, fmt.Errorf("find the installation: %w", err)
	}
	return i, err
}

// Look returns the installation whose state a store has, "" for none.
func Look(ctx context.Context, st state.Store) (string, error) {
	r, err := st.Get(ctx, scopes[0], mark)
	if err != nil && !errors.Is(err, state.ErrNotFound) {
		return "", fmt.Errorf("find the installation: %w", err)
	}
	return string(r.Value), nil
}

// read takes in the marks that there are. The deciding one is written first, and
// read last: where it is missing, the others have lost it.
func (i *Installation) read(ctx context.Context, st state.Store) error {
	found := make(map[string]string)
	for _, scope := range slices.Backward(scopes) {
		id, err := i.readOne(ctx, st, scope)
		if err == nil {
			found[scope] = id
		} else if !errors.Is(err, state.ErrNotFound) {
			return err
		}
	}
	decided := found[scopes[0]]
	known := cmp.Or(i.ID, decided)
	for _, scope := range scopes {
		id, there := found[scope]
		switch {
		case there && known == "":
			return &ForeignError{Known: id}
		case there && id != known:
			return &ForeignError{Known: known, Found: id}
		case !there && i.ID != "":
			return &ForeignError{Known: known, Found: decided, Scope: scope}
		}
	}
	i.ID = known
	return nil
}

func (i *Installation) readOne(ctx context.Context, st state.Store, scope string) (id string, err error) {
	r, err := st.Get(ctx, scope, mark)
	if err != nil {
		return "", err
	}
	id = string(r.Value)
	i.marks[scope] = state.Check{Name: prefix + id, Revision: r.Revision} // both are written at once, and never again
	return id, nil
}

// make writes the marks that there are not, under a new identity where the deciding
// one is among them.
func (i *Installation) make(ctx context.Context, st state.Store) error {
	i.ID = cmp.Or(i.ID, typed.NewID())
	for n, scope := range scopes {
		if _, there := i.marks[scope]; there {
			continue
		}
		id, err := i.write(ctx, st, scope)
		switch {
		case err != nil:
			return err
		case n == 0:
			i.ID = id // another was faster
		case id != i.ID:
			return &ForeignError{Known: i.ID, Found: id}
		}
	}
	return nil
}

// write puts a mark, and returns the identity that the scope has then.
func (i *Installation) write(ctx context.Context, st state.Store, scope string) (id string, err error) {
	name := prefix + i.ID
	r, err := typed.Settle(ctx, st, state.Batch{
		Scope:  scope,
		Checks: []state.Check{{Name: mark}},
		Puts:   []state.Put{{Name: mark, Value: []byte(i.ID)}, {Name: name, Value: []byte(i.ID)}},
	})
	if errors.Is(err, state.ErrConflict) {
		return i.readOne(ctx, st, scope)
	}
	if err != nil {
		return "", err
	}
	i.marks[scope] = state.Check{Name: name, Revision: r.Revision}
	return i.ID, nil
}
