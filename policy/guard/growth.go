package guard

import (
	"context"
	"errors"
	"io/fs"
	"sync"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/quota"
)

// ahead is how much a writer reserves beyond what it needs now, so that not
// each block asks the ledger. Whoever finds no room gets it back first.
const ahead = 1 << 20

// errGone refuses growth to a file without a name: nobody would count it.
var errGone = &fs.PathError{Op: "write", Err: fs.ErrNotExist}

// A stored file is one open for writing: its size as the quotas know it.
type stored struct {
	files *files
	id    backend.FileID
	uses  int

	mu    sync.Mutex  // guards what follows
	known bool        // size has been read
	path  path.Path   // whose quotas are charged
	names []path.Path // by which it is known, itself among them
	size  int64       // what is charged: never less than what is on disk
	sound int64       // how far it was written while that was this node's to do
	// writing counts writes under way; where one of them fell short, the file
	// is measured once none is.
	writing   int
	unsettled bool
	gone      bool          // it has no name any more and is charged to nobody
	alone     bool          // whoever made it has it open since, and nobody else had
	frozen    chan struct{} // not nil while a rename measures; closed at its end
	// unlock ends the lock that keeps the file to this node, where others write to the
	// same store, for as long as it has holders.
	unlock  func() error
	holders int
	// chunk is what was reserved; used of it is part of size.
	chunk      *quota.Reservation
	left, used int64
}

// lock takes s.mu once no rename measures the file.
func (s *stored) lock(ctx context.Context) error {
	for {
		s.mu.Lock()
		frozen := s.frozen
		if frozen == nil {
			return nil
		}
		s.mu.Unlock()
		select {
		case <-frozen:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// begins takes the size of a file that was just made from what is known of it,
// where nobody else has come to know the file yet.
func (s *stored) begins(f backend.File, info backend.Info, p path.Path) (begun bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known || s.gone || s.frozen != nil {
		return false, nil
	}
	if s.files.shared {
		if err := s.secure(f); err != nil {
			return false, err
		}
		if info, err = f.Stat(); err != nil || info.Links == 0 {
			s.give()
			return false, err
		}
	}
	s.known, s.size, s.sound = true, info.Size, info.Size
	s.named(p)
	s.alone = true
	return true, nil
}

// learn reads the size of a file that has just come into use. It is stale where
// s was another file, of which f has only the identity.
func (s *stored) learn(ctx context.Context, f backend.File, p path.Path) (stale bool, err error) {
	if err := s.lock(ctx); err != nil {
		return false, err
	}
	defer s.mu.Unlock()
	if err := s.secure(f); err != nil {
		return false, err
	}
	if stale, err = s.learned(f, p); stale || err != nil {
		s.give()
	}
	return stale, err
}

// learned is learn, with s.mu held and the file this node's own.
func (s *stored) learned(f backend.File, p path.Path) (stale bool, err error) {
	if s.known && !s.gone {
		s.named(p)
		return false, nil
	}
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	if s.gone {
		return info.Links > 0, nil
	}
	s.known, s.size, s.sound, s.gone = true, info.Size, info.Size, info.Links == 0
	s.named(p)
	return false, nil
}

// begin takes the growth of a write of n bytes at off before it is made. It
// returns how much of it there is room for, with the error for the rest. Where
// that is more than nothing, finish follows.
func (s *stored) begin(ctx context.Context, off, n int64) (int64, error) {
	granted, full := s.take(ctx, off, n, s.whole)
	if !errors.Is(full, quota.ErrExceeded) {
		return granted, full
	}
	s.files.tight.Add(1)
	defer s.files.tight.Add(-1)
	s.files.giveBack()
	granted, err := s.take(ctx, off, n, s.some)
	if err == nil && granted < n {
		err = full
	}
	return granted, err
}

// beginAll is begin for what is useless in part.
func (s *stored) beginAll(ctx context.Context, off, n int64) error {
	return s.files.tightly(func() error {
		_, err := s.take(ctx, off, n, s.whole)
		return err
	})
}

func (s *stored) take(ctx context.Context, off, n int64, grow func(context.Context, int64) (int64, error)) (int64, error) {
	if err := s.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	need := off + n - s.size
	if need <= 0 {
		s.writing++
		return n, nil
	}
	if s.gone {
		return 0, errGone
	}
	got, err := grow(ctx, need)
	if err != nil {
		return 0, err
	}
	granted := n - (need - got)
	if granted <= 0 {
		s.refund(ctx, got)
		return 0, nil
	}
	s.size += got
	s.writing++
	return granted, nil
}

// whole uses need of the chunk, and takes a new one where it is too small.
func (s *stored) whole(ctx context.Context, need int64) (int64, error) {
	missing := need - s.left
	if missing <= 0 {
		s.left, s.used = s.left-need, s.used+need
		return need, nil
	}
	want := missing
	if s.files.tight.Load() == 0 {
		want += ahead
	}
	r, err := s.files.ledger.ReserveBytes(ctx, s.path, missing, want)
	if err != nil {
		return 0, err
	}
	s.replace(r, missing)
	return need, nil
}

// some uses as much as there is room for, which may be nothing.
func (s *stored) some(ctx context.Context, need int64) (int64, error) {
	got, err := s.whole(ctx, need)
	if !errors.Is(err, quota.ErrExceeded) {
		return got, err
	}
	got = s.left
	s.left, s.used = 0, s.used+got
	r, err := s.files.ledger.ReserveBytes(ctx, s.path, 1, need-got)
	if errors.Is(err, quota.ErrExceeded) {
		return got, nil
	}
	if err != nil {
		s.refund(ctx, got)
		return 0, err
	}
	more := min(r.Granted().Bytes, need-got)
	s.replace(r, more)
	return got + more, nil
}

// replace books the chunk, of which all is used now, and goes on with r, of
// which so much is used already.
func (s *stored) replace(r *quota.Reservation, used int64) {
	if s.chunk != nil {
		s.chunk.Commit(quota.Amount{Bytes: s.used + s.left})
	}
	s.chunk, s.used, s.left = r, used, r.Granted().Bytes-used
}

// book makes final what is used of the chunk and gives the rest back.
func (s *stored) book() {
	if s.chunk == nil {
		return
	}
	s.chunk.Commit(quota.Amount{Bytes: s.used})
	s.chunk, s.used, s.left = nil, 0, 0
}

// finish ends a write that begin allowed, complete or not.
func (s *stored) finish(ctx context.Context, f backend.File, complete bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing--
	s.unsettled = s.unsettled || !complete
	s.settle(ctx, f)
}

// settle measures a file to which less was written than begin allowed.
func (s *stored) settle(ctx context.Context, f backend.File) {
	if !s.unsettled || s.writing > 0 || s.frozen != nil || s.gone {
		return
	}
	info, err := f.Stat()
	if err != nil {
		return
	}
	s.unsettled = false
	_ = s.shrink(ctx, info.Size, func() error { return nil })
}

// shrink lets do make the file smaller, and gives back what it then no longer
// holds. The quotas hear of it before and after.
func (s *stored) shrink(ctx context.Context, size int64, do func() error) error {
	if size >= s.size || s.gone {
		if err := do(); err != nil {
			return err
		}
		s.size, s.sound = size, size
		return nil
	}
	done, err := s.files.ledger.Touch(context.WithoutCancel(ctx), s.path)
	if err != nil {
		return err
	}
	defer done()
	if err := do(); err != nil {
		return err
	}
	s.refund(ctx, s.size-size)
	s.size, s.sound = size, size
	return nil
}

// refund gives back what is no longer part of the file.
func (s *stored) refund(ctx context.Context, n int64) {
	if n <= 0 || s.gone {
		return
	}
	back := min(n, s.used)
	s.used, s.left = s.used-back, s.left+back
	if n == back {
		return
	}
	// A count sees the file by its charged size, under s.mu: whatever it saw,
	// this is to be taken off, also right after it.
	ctx = context.WithoutCancel(ctx)
	if done, err := s.files.ledger.Touch(ctx, s.path); err == nil {
		defer done()
	}
	_ = s.files.ledger.Release(ctx, s.path, quota.Amount{Bytes: n - back})
}

// truncate sets the size of the file, and what is charged for it.
func (s *stored) truncate(ctx context.Context, f backend.File, size int64) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	if size > s.size {
		s.mu.Unlock()
		return s.extend(ctx, f, size)
	}
	defer s.mu.Unlock()
	if s.writing > 0 {
		s.unsettled = true
		return f.Truncate(size)
	}
	return s.shrink(ctx, size, func() error { return f.Truncate(size) })
}

func (s *stored) extend(ctx context.Context, f backend.File, size int64) error {
	if err := s.beginAll(ctx, 0, size); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err := f.Truncate(size)
	if err == nil {
		s.sound = max(s.sound, size)
	}
	s.writing--
	s.unsettled = s.unsettled || err != nil || s.size != size
	s.settle(ctx, f)
	return err
}

// close ends the use by a handle.
func (s *stored) close(ctx context.Context, f backend.File) {
	if s.lock(ctx) == nil {
		s.settle(ctx, f)
		s.book()
		s.part(f)
		s.mu.Unlock()
	}
	s.files.leave(s)
}

// remove takes the name p of the file away, and returns what that frees: nothing
// while it has other names, as gone tells after it. info is read while nobody can grow
// the file.
func (s *stored) remove(ctx context.Context, p path.Path, look func() (backend.Info, error), unlink func() error, gone func() bool) (quota.Amount, error) {
	if err := s.lock(ctx); err != nil {
		return quota.Amount{}, err
	}
	defer s.mu.Unlock()
	info, err := look()
	if err != nil {
		return quota.Amount{}, err
	}
	if info.ID != s.id || s.gone {
		return quota.Amount{}, errSwapped
	}
	if !s.known {
		s.known, s.size = true, info.Size
	}
	if err := unlink(); err != nil {
		return quota.Amount{}, err
	}
	if info.Links > 1 || !gone() {
		s.unnamed(p)
		return quota.Amount{}, nil
	}
	return s.lose(), nil
}

// lose says that the file has lost its last name, and returns what that frees.
func (s *stored) lose() quota.Amount {
	s.book()
	s.gone, s.unsettled = true, false
	s.files.gone(s)
	return quota.Amount{Bytes: s.size, Files: 1}
}
