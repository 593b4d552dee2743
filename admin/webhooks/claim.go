package webhooks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/storage/state"
)

// Of several nodes one sends: the one whose name the claim holds. It renews the
// claim as it goes; where it is gone, another takes over when the claim has run
// out, or as soon as it is known to have died. A gateway alone that comes back
// under its own name goes on at once.
const (
	claimFor   = time.Minute
	renewEvery = 20 * time.Second
)

// claim takes the sending for a node, or renews that it has it; false where
// another has.
func (s *store) claim(ctx context.Context, node string) (bool, error) {
	holder, revision, err := s.holder(ctx)
	if err != nil || holder != "" && holder != node {
		return false, err
	}
	err = s.apply(ctx, state.Batch{
		Checks: []state.Check{{Name: claimRecord, Revision: revision}},
		Puts:   []state.Put{{Name: claimRecord, Value: []byte(node), TTL: claimFor}},
	})
	if errors.Is(err, state.ErrConflict) {
		return false, nil // another was faster
	}
	return err == nil, err
}

// release gives the claim back, so that another node need not wait.
func (s *store) release(ctx context.Context, node string) error {
	holder, revision, err := s.holder(ctx)
	if err != nil || holder != node {
		return err
	}
	err = s.apply(ctx, state.Batch{Checks: []state.Check{{Name: claimRecord, Revision: revision}}, Deletes: []string{claimRecord}})
	if errors.Is(err, state.ErrConflict) {
		return nil
	}
	return err
}

// Bury gives back the claim of a run that has died; another takes over.
func (s *Service) Bury(ctx context.Context, node, epoch string) error {
	return s.release(ctx, node+"/"+epoch)
}

// holder is the node that sends, "" where none does.
func (s *store) holder(ctx context.Context) (node string, revision uint64, err error) {
	r, err := s.state.Get(ctx, scope, claimRecord)
	if errors.Is(err, state.ErrNotFound) {
		return "", 0, nil
	}
	if err != nil {
		return "", 0, fmt.Errorf("read which node sends webhooks: %w", err)
	}
	return string(r.Value), r.Revision, nil
}
