package guard

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"sync/atomic"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/quota"
)

// files is the table of files that are open for writing, by identity: who
// writes to one, through whatever session and name, takes its growth from the
// same figure.
type files struct {
	ledger *quota.Ledger
	// tight counts those who found no room: meanwhile nobody reserves ahead.
	tight atomic.Int32

	mu   sync.Mutex // guards byID and the uses of each
	byID map[backend.FileID]*stored
}

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

	mu    sync.Mutex // guards what follows
	known bool       // size has been read
	path  path.Path  // whose quotas are charged
	size  int64      // what is charged: never less than what is on disk
	// writing counts writes under way; where one of them fell short, the file
	// is measured once none is.
	writing   int
	unsettled bool
	gone      bool          // it has no name any more and is charged to nobody
	frozen    chan struct{} // not nil while a rename measures; closed at its end
	// chunk is what was reserved; used of it is part of size.
	chunk      *quota.Reservation
	left, used int64
}

// use enters a user of the file, which leave takes out again.
func (t *files) use(id backend.FileID, p path.Path) *stored {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.byID[id]
	if s == nil {
		s = &stored{files: t, id: id, path: p}
		t.byID[id] = s
	}
	s.uses++
	return s
}

// find returns the file where somebody has it open.
func (t *files) find(id backend.FileID) *stored {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byID[id]
}

func (t *files) leave(s *stored) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.uses--; s.uses == 0 {
		delete(t.byID, s.id)
	}
}

// each calls do for every file in use.
func (t *files) each(do func(*stored)) {
	t.mu.Lock()
	all := make([]*stored, 0, len(t.byID))
	for _, s := range t.byID {
		s.uses++
		all = append(all, s)
	}
	t.mu.Unlock()
	for _, s := range all {
		do(s)
		t.leave(s)
	}
}

// giveBack returns what writers have reserved ahead and do not use.
func (t *files) giveBack() {
	t.each(func(s *stored) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.book()
	})
}

// tightly runs reserve again where it found no room, after everybody gave back
// what they had reserved ahead.
func (t *files) tightly(reserve func() error) error {
	err := reserve()
	if !errors.Is(err, quota.ErrExceeded) {
		return err
	}
	t.tight.Add(1)
	defer t.tight.Add(-1)
	t.giveBack()
	return reserve()
}

// reserve is the ledger's, with what others reserved ahead taken back first.
func (t *files) reserve(ctx context.Context, p path.Path, grow quota.Amount) (r *quota.Reservation, err error) {
	err = t.tightly(func() error {
		r, err = t.ledger.Reserve(ctx, p, grow)
		return err
	})
	return r, err
}

// move is the ledger's, in the same way.
func (t *files) move(ctx context.Context, from, to path.Path, held quota.Amount) (r *quota.Reservation, err error) {
	err = t.tightly(func() error {
		r, err = t.ledger.Move(ctx, from, to, held)
		return err
	})
	return r, err
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

// learn reads the size of a file that has just come into use.
func (s *stored) learn(ctx context.Context, f backend.File) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if s.known {
		return nil
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	s.known, s.size, s.gone = true, info.Size, info.Links == 0
	return nil
}

// begin takes the growth of a write of n bytes at off before it is made. It
// returns how much of it there is room for, with the error for the rest. Where
// that is more than nothing, finish follows.
func (s *stored) begin(ctx context.Context, off, n int64) (int64, error) {
	granted, err := s.take(ctx, off, n, s.whole)
	if err == nil || !errors.Is(err, quota.ErrExceeded) {
		return granted, err
	}
	s.files.tight.Add(1)
	defer s.files.tight.Add(-1)
	s.files.giveBack()
	return s.take(ctx, off, n, s.some)
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
	granted := n - (need - got)
	if got <= 0 || granted <= 0 {
		s.refund(ctx, got)
		return 0, err
	}
	s.size += got
	s.writing++
	return granted, err
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

// some uses as much as there is room for.
func (s *stored) some(ctx context.Context, need int64) (int64, error) {
	got, err := s.whole(ctx, need)
	if err == nil || !errors.Is(err, quota.ErrExceeded) {
		return got, err
	}
	got = s.left
	s.left, s.used = 0, s.used+got
	r, rerr := s.files.ledger.ReserveBytes(ctx, s.path, 1, need-got)
	if rerr != nil {
		return got, err
	}
	more := min(r.Granted().Bytes, need-got)
	s.replace(r, more)
	return got + more, err
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
	s.refund(ctx, s.size-info.Size)
	s.size = info.Size
}

// refund gives back what is no longer part of the file.
func (s *stored) refund(ctx context.Context, n int64) {
	if n <= 0 || s.gone {
		return
	}
	back := min(n, s.used)
	s.used, s.left = s.used-back, s.left+back
	if n > back {
		_ = s.files.ledger.Release(context.WithoutCancel(ctx), s.path, quota.Amount{Bytes: n - back})
	}
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
	if err := f.Truncate(size); err != nil {
		return err
	}
	if s.writing > 0 {
		s.unsettled = true
		return nil
	}
	s.refund(ctx, s.size-size)
	s.size = size
	return nil
}

func (s *stored) extend(ctx context.Context, f backend.File, size int64) error {
	if err := s.beginAll(ctx, size, 0); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err := f.Truncate(size)
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
		s.mu.Unlock()
	}
	s.files.leave(s)
}

// remove takes a name of the file away, and returns what that frees: nothing
// while it has other names. info is read while nobody can grow the file.
func (s *stored) remove(ctx context.Context, look func() (backend.Info, error), unlink func() error) (quota.Amount, error) {
	if err := s.lock(ctx); err != nil {
		return quota.Amount{}, err
	}
	defer s.mu.Unlock()
	info, err := look()
	if err != nil {
		return quota.Amount{}, err
	}
	if info.ID != s.id {
		return quota.Amount{}, errSwapped
	}
	if !s.known {
		s.known, s.size = true, info.Size
	}
	if err := unlink(); err != nil {
		return quota.Amount{}, err
	}
	if info.Links > 1 {
		return quota.Amount{}, nil
	}
	return s.lose(), nil
}

// lose says that the file has lost its last name, and returns what that frees.
func (s *stored) lose() quota.Amount {
	s.book()
	s.gone, s.unsettled = true, false
	return quota.Amount{Bytes: s.size, Files: 1}
}
