package accounts

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"gatehouse/storage/accounts/record"
	"gatehouse/storage/state"
	"gatehouse/storage/state/typed"
)

// latestName is written last with every batch, once others write as well: who has
// heard of it has heard of all before it.
const latestName = "latest"

// behind is how long Current waits for what others have written; it comes within
// a second.
const behind = 2 * time.Second

// Share says that other nodes write to the state as well. It is called before
// anything is written.
func (s *Store) Share() { s.shared.Store(true) }

// Shared reports whether Share was called.
func (s *Store) Shared() bool { return s.shared.Load() }

// Seen is up to which revision this node knows of what others have written; 0
// where it is alone, and knows everything.
func (s *Store) Seen() uint64 {
	if !s.shared.Load() {
		return 0
	}
	return s.progress.present()
}

// Current waits until this node knows of what others had written when it was
// called, and returns Seen. It costs one look at the state, and nothing where the
// node is alone. An error says that this node may be behind.
func (s *Store) Current(ctx context.Context) (seen uint64, err error) {
	if !s.shared.Load() {
		return 0, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, behind, errBehind)
	defer cancel()
	err = s.CatchUpAll(ctx)
	return s.Seen(), err
}

// CatchUpAll is Current for who must know, and waits for as long as ctx lasts.
func (s *Store) CatchUpAll(ctx context.Context) error {
	if !s.shared.Load() {
		return nil
	}
	r, err := s.state.Get(ctx, record.Scope, latestName)
	if errors.Is(err, state.ErrNotFound) {
		return nil // nobody has written since there are several
	}
	if err == nil {
		err = s.progress.await(ctx, r.Revision)
	}
	if err != nil {
		return fmt.Errorf("catch up with the other nodes: %w", err)
	}
	return nil
}

// marked adds to a batch what tells others that it is complete.
func (s *Store) marked(b state.Batch) (state.Batch, error) {
	if !s.shared.Load() {
		return b, nil
	}
	p, err := typed.Put(latestName, struct{}{})
	b.Puts = append(b.Puts[:len(b.Puts):len(b.Puts)], p)
	return b, err
}

// errBehind says that what others wrote did not come in time.
var errBehind = fmt.Errorf("%w: what other nodes have changed is not heard of in time", state.ErrAway)

// progress is how far this node has followed the changes.
type progress struct {
	mu    sync.Mutex // guards what follows
	seen  uint64
	grown chan struct{} // closed when seen changes; nil where nobody waits
}

func (p *progress) present() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen
}

func (p *progress) reach(revision uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = revision
	if p.grown != nil {
		close(p.grown)
		p.grown = nil
	}
}

// next returns what is closed when there may be more, nil where revision is reached.
func (p *progress) next(revision uint64) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen >= revision {
		return nil
	}
	if p.grown == nil {
		p.grown = make(chan struct{})
	}
	return p.grown
}

func (p *progress) await(ctx context.Context, revision uint64) error {
	for grown := p.next(revision); grown != nil; grown = p.next(revision) {
		select {
		case <-grown:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
