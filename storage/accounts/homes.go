package accounts

import (
	"context"
	"errors"
	"iter"

	"gatehouse/policy/path"
	"gatehouse/storage/accounts/index"
	"gatehouse/storage/accounts/names"
	"gatehouse/storage/accounts/record"
	"gatehouse/storage/state"
	"gatehouse/storage/state/typed"
)

// A Making is a note that an account is being made and that its home may be
// there already, from a try that was cut short.
type Making struct {
	Home path.Path `json:"home"`
}

// A Leaving is a note that an account is gone and what is to become of its home.
// It stays until somebody has seen to that.
type Leaving struct {
	ID    string    `json:"id"`
	Name  string    `json:"username"`
	Home  path.Path `json:"home"`
	Files Files     `json:"files"`
}

// Files says what becomes of a deleted account's home.
type Files string

// The choices: keep moves the home aside, delete removes it.
const (
	KeepFiles   Files = "keep"
	DeleteFiles Files = "delete"
)

// Making returns the note of an account that is being made; ErrNotFound.
func (s *Store) Making(ctx context.Context, name string) (Making, error) {
	folded, err := names.Canonical(name)
	if err != nil {
		return Making{}, err
	}
	r, err := s.state.Get(ctx, record.Scope, makingPrefix+folded)
	if errors.Is(err, state.ErrNotFound) {
		return Making{}, ErrNotFound
	}
	if err != nil {
		return Making{}, err
	}
	var m Making
	return m, typed.Decode(r, &m)
}

// Begin notes that an account is being made, before its home is. Create ends
// the note; where it does not come to that, the note lets another try go on.
func (s *Store) Begin(ctx context.Context, name string, m Making) error {
	folded, err := names.Canonical(name)
	if err != nil {
		return err
	}
	p, err := typed.Put(makingPrefix+folded, m)
	if err != nil {
		return err
	}
	_, err = s.apply(ctx, state.Batch{Checks: []state.Check{{Name: namePrefix + folded}}, Puts: []state.Put{p}})
	if errors.Is(err, state.ErrConflict) {
		return ErrExists
	}
	return err
}

// Remove is Delete that leaves a note of what is to become of the home, in the
// same batch. Where the home holds another account's, deleting it is refused
// and keeping it leaves it where it is (the note's home is then the root).
func (s *Store) Remove(ctx context.Context, name string, revision uint64, files Files, o Option) (Leaving, error) {
	if files != KeepFiles && files != DeleteFiles {
		return Leaving{}, &InvalidError{Field: "files", Why: "is neither keep nor delete"}
	}
	e, err := s.find(name)
	if err != nil {
		return Leaving{}, err
	}
	other := s.HomeIn(e.Account.Home, e.Account.ID)
	if other != "" && files == DeleteFiles {
		return Leaving{}, &InvalidError{Field: "files", Why: "the home of " + other + " is the same or in it: keep them, or move that first"}
	}
	var note *Leaving
	_, err = s.remove(ctx, name, revision, func(a Account) *Leaving {
		note = &Leaving{ID: a.ID, Name: a.Name, Home: a.Home, Files: files}
		if other != "" {
			note.Home = path.Root
		}
		return note
	}, o)
	if err != nil {
		return Leaving{}, err
	}
	return *note, nil
}

// HomeIn names an account, but not the one with this id, whose home is the folder
// or in it; "" where there is none.
func (s *Store) HomeIn(folder path.Path, but string) string {
	for e := range s.index.HomesIn(folder, but) {
		return e.Account.Name
	}
	return ""
}

// Overlapping returns up to most accounts, but for the one with this id, whose
// homes are the folder, in it, or around it.
func (s *Store) Overlapping(folder path.Path, but string, most int) []Account {
	var list []Account
	for _, found := range []iter.Seq[*index.Entry]{s.index.HomesAround(folder, but), s.index.HomesIn(folder, but)} {
		for e := range found {
			if len(list) == most {
				return list
			}
			list = append(list, e.Account.Clone())
		}
	}
	return list
}

// Leaving returns the note of a deleted account whose home is still there;
// ErrNotFound.
func (s *Store) Leaving(ctx context.Context, id string) (Leaving, error) {
	r, err := s.state.Get(ctx, record.Scope, leavingPrefix+id)
	if errors.Is(err, state.ErrNotFound) {
		return Leaving{}, ErrNotFound
	}
	if err != nil {
		return Leaving{}, err
	}
	var l Leaving
	return l, typed.Decode(r, &l)
}

// Leavings returns the notes of deleted accounts whose homes are still there.
func (s *Store) Leavings(ctx context.Context) ([]Leaving, error) {
	var list []Leaving
	for after, more := "", true; more; {
		page, err := s.state.List(ctx, record.Scope, leavingPrefix, after, 500)
		if err != nil {
			return nil, err
		}
		for _, r := range page.Records {
			var l Leaving
			if err := typed.Decode(r, &l); err != nil {
				return nil, err
			}
			list = append(list, l)
			after = r.Name
		}
		more = page.More && len(page.Records) > 0
	}
	return list, nil
}

// Left ends the note of a deleted account, once its home has been seen to.
func (s *Store) Left(ctx context.Context, id string) error {
	_, err := s.apply(ctx, state.Batch{Deletes: []string{leavingPrefix + id}})
	return err
}
