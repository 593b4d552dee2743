package links

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gatehouse/storage/accounts/credentials"
	"gatehouse/storage/state"
	"gatehouse/storage/state/typed"
)

// Look returns the link with this secret and uses nothing up: what opens an
// address to look at it takes nothing away. ErrGone for every link that is not
// good any more, or never was one.
func (s *Store) Look(ctx context.Context, secret string) (Link, error) {
	l, _, err := s.look(ctx, secret)
	return l, err
}

func (s *Store) look(ctx context.Context, secret string) (Link, uint64, error) {
	hash := credentials.HashSecret(secret)
	l, revision, err := s.link(ctx, hash[:idLength])
	if err != nil {
		return Link{}, 0, err
	}
	if !credentials.Same(l.hash, hash) {
		return Link{}, 0, ErrGone
	}
	return l, revision, nil
}

// link reads the link with this id.
func (s *Store) link(ctx context.Context, id string) (Link, uint64, error) {
	if len(id) != idLength {
		return Link{}, 0, ErrGone
	}
	r, err := s.state.Get(ctx, scope, linkPrefix+id)
	if errors.Is(err, state.ErrNotFound) {
		return Link{}, 0, ErrGone
	}
	if err != nil {
		return Link{}, 0, fmt.Errorf("look for a link: %w", err)
	}
	l, err := decodeLink(r)
	if err != nil {
		return Link{}, 0, err
	}
	if !s.stands(l) {
		return Link{}, 0, ErrGone
	}
	return l, r.Revision, nil
}

func decodeLink(r state.Record) (Link, error) {
	var is stored
	if err := typed.Decode(r, &is); err != nil {
		return Link{}, err
	}
	is.Link.hash = is.Hash
	return is.Link, nil
}

// stands reports whether a reset link's account is as it was when the link was
// made: a new password ends what was put aside before it. So does disabling, which
// shows once it is enabled again; until then its status refuses by itself. An id
// never comes again, so a name that is made anew is not its account.
func (s *Store) stands(l Link) bool {
	if l.Kind != Reset {
		return true
	}
	now, there := s.accounts.Standing(l.Account)
	return there && now.Password == l.Standing.Password && (now.Disabled || now.Since.Equal(l.Standing.Since))
}

// Take uses a link up and returns it. Of several tries at once, on whichever
// nodes, one gets it; ErrGone for the others.
func (s *Store) Take(ctx context.Context, secret string) (Link, error) {
	l, revision, err := s.look(ctx, secret)
	if err != nil {
		return Link{}, err
	}
	return l, s.end(ctx, l, revision)
}

// end removes a link as it was read.
func (s *Store) end(ctx context.Context, l Link, revision uint64) error {
	b := state.Batch{
		Scope:   scope,
		Checks:  []state.Check{{Name: linkPrefix + l.ID, Revision: revision}},
		Deletes: []string{linkPrefix + l.ID},
	}
	if l.Kind == Reset {
		// A link that is there is the account's latest.
		b.Deletes = append(b.Deletes, resetPrefix+l.Account)
	}
	err := s.settle(ctx, b)
	if errors.Is(err, state.ErrConflict) {
		return ErrGone
	}
	if err != nil {
		return fmt.Errorf("end a link: %w", err)
	}
	return nil
}

// Return puts back a link that was taken for something that could not be
// done then, for the time that it has left.
func (s *Store) Return(ctx context.Context, l Link) error {
	left := time.Until(l.Expires)
	if left <= 0 || l.hash == "" || !s.stands(l) {
		return nil
	}
	b, err := batch(l, left)
	if err != nil {
		return err
	}
	if l.Kind == Reset {
		b.Checks = append(b.Checks, state.Check{Name: resetPrefix + l.Account})
	}
	// Where there is a newer one this one stays ended.
	if err := s.settle(ctx, b); err != nil && !errors.Is(err, state.ErrConflict) {
		return fmt.Errorf("put a link back: %w", err)
	}
	return nil
}

// Revoke ends the link of this kind with this id, and returns what it was;
// ErrGone.
func (s *Store) Revoke(ctx context.Context, kind Kind, id string) (Link, error) {
	l, revision, err := s.link(ctx, id)
	if err != nil {
		return Link{}, err
	}
	if l.Kind != kind {
		return Link{}, ErrGone
	}
	return l, s.end(ctx, l, revision)
}

// List returns the links of a kind that are still good, newest first.
func (s *Store) List(ctx context.Context, kind Kind) ([]Link, error) {
	list, err := s.links(ctx, func(l Link) bool { return l.Kind == kind && s.stands(l) })
	slices.SortStableFunc(list, func(a, b Link) int { return b.Created.Compare(a.Created) })
	return list, err
}

func (s *Store) links(ctx context.Context, keep func(Link) bool) ([]Link, error) {
	var list []Link
	err := typed.All(ctx, s.state, scope, linkPrefix, func(r state.Record) error {
		l, err := decodeLink(r)
		if err == nil && keep(l) {
			list = append(list, l)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the links: %w", err)
	}
	return list, nil
}

// Drop ends the links that set a deleted account's password, and the
// invitations that it made.
func (s *Store) Drop(ctx context.Context, accountID string) error {
	list, err := s.links(ctx, func(l Link) bool { return l.Account == accountID || l.By == accountID })
	if err != nil {
		return err
	}
	for part := range slices.Chunk(list, 200) {
		b := state.Batch{Scope: scope}
		for _, l := range part {
			b.Deletes = append(b.Deletes, linkPrefix+l.ID)
		}
		if err := s.settle(ctx, b); err != nil {
			return fmt.Errorf("end links: %w", err)
		}
	}
	return nil
}
