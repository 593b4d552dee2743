package accounts

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gatehouse/storage/state"
)

// LookLink returns the link with this secret and uses nothing up: what opens an
// address to look at it takes nothing away. ErrLink for every link that is not
// good any more, or never was one.
func (s *Store) LookLink(ctx context.Context, secret string) (Link, error) {
	l, _, err := s.lookLink(ctx, secret)
	return l, err
}

func (s *Store) lookLink(ctx context.Context, secret string) (Link, uint64, error) {
	hash := HashSecret(secret)
	l, revision, err := s.link(ctx, hash[:linkIDLength])
	if err != nil {
		return Link{}, 0, err
	}
	if !same(l.hash, hash) {
		return Link{}, 0, ErrLink
	}
	return l, revision, nil
}

// link reads the link with this id.
func (s *Store) link(ctx context.Context, id string) (Link, uint64, error) {
	if len(id) != linkIDLength {
		return Link{}, 0, ErrLink
	}
	r, err := s.state.Get(ctx, linksScope, linkPrefix+id)
	if errors.Is(err, state.ErrNotFound) {
		return Link{}, 0, ErrLink
	}
	if err != nil {
		return Link{}, 0, fmt.Errorf("look for a link: %w", err)
	}
	l, err := decodeLink(r)
	if err != nil {
		return Link{}, 0, err
	}
	if !s.stands(l) {
		return Link{}, 0, ErrLink
	}
	return l, r.Revision, nil
}

func decodeLink(r state.Record) (Link, error) {
	var stored linkRecord
	if err := decode(r, &stored); err != nil {
		return Link{}, err
	}
	stored.Link.hash = stored.Hash
	return stored.Link, nil
}

// stands reports whether a reset link's account is still there. An id never
// comes again, so a name that is made anew is not its account.
func (s *Store) stands(l Link) bool {
	if l.Kind != LinkReset {
		return true
	}
	_, ok := s.index.byID(l.Account)
	return ok
}

// TakeLink uses a link up and returns it. Of several tries at once, on whichever
// nodes, one gets it; ErrLink for the others.
func (s *Store) TakeLink(ctx context.Context, secret string) (Link, error) {
	l, revision, err := s.lookLink(ctx, secret)
	if err != nil {
		return Link{}, err
	}
	return l, s.endLink(ctx, l, revision)
}

// endLink removes a link as it was read.
func (s *Store) endLink(ctx context.Context, l Link, revision uint64) error {
	b := state.Batch{
		Scope:   linksScope,
		Checks:  []state.Check{{Name: linkPrefix + l.ID, Revision: revision}},
		Deletes: []string{linkPrefix + l.ID},
	}
	if l.Kind == LinkReset {
		// A link that is there is the account's latest.
		b.Deletes = append(b.Deletes, resetPrefix+l.Account)
	}
	err := s.settle(ctx, b)
	if errors.Is(err, state.ErrConflict) {
		return ErrLink
	}
	if err != nil {
		return fmt.Errorf("end a link: %w", err)
	}
	return nil
}

// ReturnLink puts back a link that was taken for something that could not be
// done then, for the time that it has left.
func (s *Store) ReturnLink(ctx context.Context, l Link) error {
	left := time.Until(l.Expires)
	if left <= 0 || l.hash == "" || !s.stands(l) {
		return nil
	}
	b, err := linkBatch(l, left)
	if err != nil {
		return err
	}
	if l.Kind == LinkReset {
		b.Checks = append(b.Checks, state.Check{Name: resetPrefix + l.Account})
	}
	// Where there is a newer one this one stays ended.
	if err := s.settle(ctx, b); err != nil && !errors.Is(err, state.ErrConflict) {
		return fmt.Errorf("put a link back: %w", err)
	}
	return nil
}

// RevokeLink ends the link of this kind with this id, and returns what it was;
// ErrLink.
func (s *Store) RevokeLink(ctx context.Context, kind LinkKind, id string) (Link, error) {
	l, revision, err := s.link(ctx, id)
	if err != nil {
		return Link{}, err
	}
	if l.Kind != kind {
		return Link{}, ErrLink
	}
	return l, s.endLink(ctx, l, revision)
}

// Links returns the links of a kind that are still good, newest first.
func (s *Store) Links(ctx context.Context, kind LinkKind) ([]Link, error) {
	list, err := s.links(ctx, func(l Link) bool { return l.Kind == kind && s.stands(l) })
	slices.SortStableFunc(list, func(a, b Link) int { return b.Created.Compare(a.Created) })
	return list, err
}

func (s *Store) links(ctx context.Context, keep func(Link) bool) ([]Link, error) {
	var list []Link
	for after, more := "", true; more; {
		page, err := s.state.List(ctx, linksScope, linkPrefix, after, 500)
		if err != nil {
			return nil, fmt.Errorf("list the links: %w", err)
		}
		for _, r := range page.Records {
			l, err := decodeLink(r)
			if err != nil {
				return nil, err
			}
			if keep(l) {
				list = append(list, l)
			}
			after = r.Name
		}
		more = page.More && len(page.Records) > 0
	}
	return list, nil
}

// dropLinks ends the links that set a deleted account's password, and the
// invitations that it made.
func (s *Store) dropLinks(ctx context.Context, accountID string) error {
	list, err := s.links(ctx, func(l Link) bool { return l.Account == accountID || l.By == accountID })
	if err != nil {
		return err
	}
	for part := range slices.Chunk(list, 200) {
		b := state.Batch{Scope: linksScope}
		for _, l := range part {
			b.Deletes = append(b.Deletes, linkPrefix+l.ID)
		}
		if err := s.settle(ctx, b); err != nil {
			return fmt.Errorf("end links: %w", err)
		}
	}
	return nil
}
