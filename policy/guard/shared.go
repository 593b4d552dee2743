package guard

import (
	"context"
	"errors"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/quota"
)

// How several nodes work on one tree.
//
// The table of open files is a node's own. So a node that writes to a file in place,
// or takes away a name of a regular file, keeps the file to itself by a lock of the
// store, which is of the file and not of its name: no two nodes know a size, or release
// one, at a time. It costs no other node anything, and ends with the process.
//
// A name is taken away also where another node has the lock: but then nobody says how
// much that freed. Nothing is released, what takes its place is charged in full, and
// the quotas are counted anew. So are they where what a tree holds could change while it
// was measured.

// mayChange is the fence's error, where this node may have been declared dead.
func (t *Tree) mayChange() error {
	if t.fence == nil {
		return nil
	}
	return t.fence()
}

// errNoLocks is for stores that keep no locks, where several nodes write.
var errNoLocks = &UnsupportedError{Text: "files cannot be written in place here: the store keeps no locks for the nodes"}

// secure keeps the file to this node, until give. s.mu is held.
func (s *stored) secure(f backend.File) error {
	if !s.files.shared {
		return nil
	}
	if s.unlock == nil {
		unlock, err := lockFile(f)
		if errors.Is(err, backend.ErrUnsupported) {
			return errNoLocks
		}
		if err != nil {
			return err
		}
		s.unlock = unlock
		if s.writing == 0 {
			s.known = false // another node may have written to it since
		}
	}
	s.holders++
	return nil
}

func lockFile(f backend.File) (unlock func() error, err error) {
	l, ok := f.(backend.Locker)
	if !ok {
		return nil, backend.ErrUnsupported
	}
	return l.Lock()
}

// give ends what secure began. s.mu is held.
func (s *stored) give() {
	if s.holders == 0 {
		return
	}
	if s.holders--; s.holders == 0 {
		_ = s.unlock() // it is closed with it, in any case
		s.unlock = nil
	}
}

// part is give for a handle that is closed. What was written to a file that another
// node has taken the last name of is charged, and nobody gives it back. s.mu is held.
func (s *stored) part(f backend.File) {
	if !s.files.shared {
		return
	}
	if info, err := f.Stat(); !s.gone && (err != nil || info.Links == 0) {
		s.files.ledger.Unsure(s.path)
	}
	s.give()
}

// passed notes how far a piece reached. Where this node stood still meanwhile, and was
// taken for dead, what the file has grown by since goes again: others have given that
// room away. The file is still this node's own, nobody else writes there.
func (s *stored) passed(f backend.File, end int64, late error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if late == nil {
		s.sound = max(s.sound, end)
		return
	}
	if info, err := f.Stat(); err == nil && info.Size > s.sound {
		_ = f.Truncate(s.sound) // what cannot be taken back the next count finds
	}
	s.unsettled = true
	s.files.ledger.Unsure(s.path)
}

// borrow keeps the file at p to this node while a name of it goes. It is not sure where
// another node has it, or the store keeps no locks; errSwapped says that another file
// stands there.
func (t *Tree) borrow(ctx context.Context, s *stored, p path.Path) (release func(), sure bool, err error) {
	if !t.files.shared {
		return func() {}, true, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unlock == nil {
		file, err := t.store.Open(ctx, p, backend.How{Write: true})
		if err != nil {
			return func() {}, false, unopened(err)
		}
		defer file.Close() // the lock stays
		info, err := file.Stat()
		if err != nil || info.ID != s.id {
			return func() {}, false, errors.Join(err, errSwapped)
		}
		if err := s.secure(file); err != nil {
			return func() {}, false, nil
		}
	} else {
		s.holders++
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.give()
	}, true, nil
}

// unopened is errSwapped where no file is there any more, and nil where it is no more
// than out of reach.
func unopened(err error) error {
	if vanished(err) || errors.Is(err, backend.ErrIsDir) || errors.Is(err, backend.ErrSpecial) {
		return errSwapped
	}
	return nil
}

// stands is errSwapped where this file is not, or no longer, what stands at p.
func (t *Tree) stands(ctx context.Context, p path.Path, id backend.FileID) error {
	if !t.files.shared {
		return nil
	}
	info, err := t.store.Stat(ctx, p)
	if err != nil && !vanished(err) {
		return err
	}
	if err != nil || info.ID != id {
		return errSwapped
	}
	return nil
}

// unwritten is backend.ErrInUse where another node writes to a file of the tree at p,
// which is to be charged elsewhere.
func (t *Tree) unwritten(ctx context.Context, p path.Path) error {
	if !t.files.shared {
		return nil
	}
	return t.walk(ctx, p, func(at path.Path, info backend.Info) error {
		if !info.IsRegular() {
			return nil
		}
		s := t.files.use(info.ID, at)
		defer t.files.leave(s)
		release, sure, err := t.borrow(ctx, s, at)
		release()
		if err == nil && !sure {
			err = backend.ErrInUse
		}
		return err
	})
}

// gives is what the quotas get back for what was counted before it was replaced:
// nothing where it may have changed since, and they are counted anew then.
func (t *Tree) gives(p path.Path, c *census, sure bool) quota.Amount {
	if sure || !t.files.shared {
		return c.alone
	}
	return quota.Amount{}
}

// doubt has the quotas of these paths counted anew, unless this node is alone.
func (t *Tree) doubt(paths ...path.Path) {
	if t.files.shared {
		t.quotas.Unsure(paths...)
	}
}
