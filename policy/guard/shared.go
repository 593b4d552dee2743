package guard

import (
	"context"
	"errors"
	"time"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/pause"
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

// A node that keeps a file to itself for a single change does so for a moment. It is
// waited for: who writes in place keeps it longer.
const (
	lendTries = 10
	lendWait  = 5 * time.Millisecond
)

// A lent file is kept to this node while a name of it goes. Nil is one of a node that
// is alone.
type lent struct {
	s    *stored
	file backend.File
	why  error // why it is not surely this node's
}

// borrow lends the file at p, until end. errSwapped says that another file stands there.
func (t *Tree) borrow(ctx context.Context, s *stored, p path.Path) (*lent, error) {
	if !t.files.shared {
		return nil, nil
	}
	file, err := t.store.Open(ctx, p, backend.How{Write: true})
	if err != nil {
		return &lent{why: err}, unopened(err)
	}
	if info, err := file.Stat(); err != nil || info.ID != s.id {
		return nil, errors.Join(err, errSwapped, file.Close())
	}
	return &lent{s: s, file: file, why: s.keep(ctx, file)}, nil
}

// unopened is errSwapped where no file is there any more, and nil where it is no more
// than out of reach.
func unopened(err error) error {
	if vanished(err) || errors.Is(err, backend.ErrIsDir) || errors.Is(err, backend.ErrSpecial) {
		return errSwapped
	}
	return nil
}

// keep is secure, which waits for another node's single change.
func (s *stored) keep(ctx context.Context, f backend.File) (err error) {
	for range lendTries {
		s.mu.Lock()
		err = s.secure(f)
		s.mu.Unlock()
		if !errors.Is(err, backend.ErrInUse) || pause.For(ctx, lendWait) != nil {
			break
		}
	}
	return err
}

// end gives the file back.
func (l *lent) end() {
	if l == nil || l.file == nil {
		return
	}
	if l.why == nil {
		l.s.mu.Lock()
		l.s.give()
		l.s.mu.Unlock()
	}
	_ = l.file.Close() // nothing was written
}

// sure reports that no other node can change what the file gives back.
func (l *lent) sure() bool { return l == nil || l.why == nil }

// busy is why the file cannot be counted on to stay as it is. Where the store keeps no
// locks nobody writes in place.
func (l *lent) busy() error {
	if l.sure() || errors.Is(l.why, backend.ErrUnsupported) {
		return nil
	}
	return backend.ErrInUse
}

// gone reports that the file has lost its last name: another node may have given it
// another one, or its name to another file, a moment before that was taken away.
func (l *lent) gone() bool {
	if l == nil {
		return true
	}
	if l.file == nil {
		return false
	}
	info, err := l.file.Stat()
	return err == nil && info.Links == 0
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
		l, err := t.borrow(ctx, s, at)
		if err != nil {
			return err
		}
		defer l.end()
		return l.busy()
	})
}

// arrived looks whether what was put at p has a folder there still. Where another node
// has just moved that, it came along, and nobody knows to which quota.
func (t *Tree) arrived(ctx context.Context, p path.Path) {
	if !t.files.shared {
		return
	}
	if _, err := t.store.Stat(context.WithoutCancel(ctx), p.Dir()); vanished(err) {
		t.doubt(path.Root)
	}
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
