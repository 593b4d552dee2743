package guard

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/pause"
	"gatehouse/storage/quota"
)

// files is the table of files that are open for writing, by identity: who
// writes to one, through whatever session and name, takes its growth from the
// same figure.
type files struct {
	shared bool // other nodes write to the same files: see shared.go
	ledger *quota.Ledger
	sync   func(ctx context.Context, folder path.Path) error // makes its entries durable
	// stands is errSwapped where another file stands at p, which another node can do.
	stands func(ctx context.Context, p path.Path, id backend.FileID) error
	// durable are the names and files that this process has made durable, so that
	// who writes to a file in place does not sync its folder again and again.
	durable remembered
	// tight counts those who found no room: meanwhile nobody reserves ahead.
	tight atomic.Int32

	mu     sync.Mutex // guards byID, the uses of each, and staged
	byID   map[backend.FileID]*stored
	staged map[*pending]struct{}
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
		t.drop(s)
	}
}

// drop takes a file out of the table. t.mu is held.
func (t *files) drop(s *stored) {
	if t.byID[s.id] == s {
		delete(t.byID, s.id)
	}
}

// gone takes a file without a name out of the table: the next file may well
// get its identity.
func (t *files) gone(s *stored) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drop(s)
}

// open enters the user of an open file, with its size. What the table still
// holds of a file that had the same identity before is not it. errSwapped says that
// another node has moved the file meanwhile: it would be charged where it was.
func (t *files) open(ctx context.Context, f backend.File, p path.Path) (*stored, error) {
	for try := 1; ; {
		info, err := f.Stat()
		if err != nil {
			return nil, err
		}
		s := t.use(info.ID, p)
		stale, err := s.learn(ctx, f, p)
		if err == nil && !stale {
			return t.placed(ctx, s, f, p)
		}
		t.leave(s)
		if errors.Is(err, backend.ErrInUse) && try < lendTries && pause.For(ctx, lendWait) == nil {
			try++
			continue
		}
		if err != nil {
			return nil, err
		}
	}
}

// placed leaves a file again that does not stand at p.
func (t *files) placed(ctx context.Context, s *stored, f backend.File, p path.Path) (*stored, error) {
	if err := t.stands(ctx, p, s.id); err != nil {
		t.ledger.Unsure(p)
		s.close(ctx, f)
		return nil, err
	}
	return s, nil
}

// openNew is open for a file that was just made, as info describes it, while nobody
// else holds its name: whatever stood there before. Who had a file with the same
// identity before is done with it.
func (t *files) openNew(ctx context.Context, f backend.File, info backend.Info, p path.Path) (*stored, error) {
	t.durable.forget(p)
	s := t.use(info.ID, p)
	begun, err := s.begins(f, info, p)
	if begun {
		return t.placed(ctx, s, f, p)
	}
	t.leave(s)
	if err != nil && !errors.Is(err, backend.ErrInUse) {
		return nil, err
	}
	return t.open(ctx, f, p)
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
	t.mu.Lock()
	staged := slices.Collect(maps.Keys(t.staged))
	t.mu.Unlock()
	for _, p := range staged {
		p.giveBack()
	}
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
