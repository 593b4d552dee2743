package guard

import (
	"context"
	"io/fs"
	"sync"
	"sync/atomic"

	"gatehouse/policy"
)

// session is what the file systems of one session share.
type session struct {
	tree   *Tree
	config Config
	system bool
	rules  atomic.Pointer[rules]
	owns   atomic.Pointer[owner]
	closed atomic.Bool
	made   remembered      // what the session created itself: who may only create may set its times and mode
	nulls  remembered      // by a lock: empty files that an upload may still fill
	ended  context.Context // with why
	end    context.CancelCauseFunc

	mu      sync.Mutex // guards handles, and orders cuts
	handles map[handle]struct{}
}

// An owner is who owns on disk what the session makes; nil takes the mount's.
type owner struct{ uid, gid *int }

// SetOwner changes who owns on disk what is made from now on.
func (f *FS) SetOwner(uid, gid *int) { f.s.owns.Store(&owner{uid, gid}) }

func (s *session) owner() owner {
	if o := s.owns.Load(); o != nil {
		return *o
	}
	return owner{s.config.UID, s.config.GID}
}

// A handle is what stays open beyond an operation.
type handle interface {
	// allowed is nil where r still allows what the handle was opened for.
	allowed(r *rules) error
	cut(cause error)
}

// SetPolicy puts a changed policy in force: each open handle is judged again,
// and cut where it is no longer allowed. It never blocks on I/O.
func (f *FS) SetPolicy(e policy.Effective) {
	s := f.s
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.replaceRules(newRules(e, s.config))
	s.limitTraffic(e)
	for h := range s.handles {
		if err := h.allowed(r); err != nil {
			h.cut(denied(err))
		}
	}
}

// replaceRules puts rules in force. They are not changed any more then.
func (s *session) replaceRules(r *rules) *rules {
	for {
		before := s.rules.Load()
		r.recall(before)
		if s.rules.CompareAndSwap(before, r) {
			return r
		}
	}
}

// Close cuts every open handle. It never blocks on I/O.
func (f *FS) Close(cause error) {
	s := f.s
	if cause == nil {
		cause = fs.ErrClosed
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed.Store(true)
	s.end(cause)
	if s.config.Traffic != nil {
		s.config.Traffic.Leave()
	}
	for h := range s.handles {
		h.cut(cause)
	}
}

// keep enters a handle, judged once more: the policy may have changed since it
// was opened.
func (s *session) keep(h handle) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return fs.ErrClosed
	}
	if err := h.allowed(s.rules.Load()); err != nil {
		return err
	}
	s.handles[h] = struct{}{}
	return nil
}

func (s *session) forget(h handle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.handles, h)
}
