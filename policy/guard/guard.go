// Package guard is the only place that enforces: the file system that a session
// hands out. It translates what the account sees to tree paths, resolves links,
// asks policy, locks and quota before each operation, and reports one event
// after it. It names every method: what it does not name cannot bypass the policy.
package guard

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/events"
	"gatehouse/storage/locks"
	"gatehouse/storage/traffic"
)

// A DeniedError says which decision refused an operation; it is an
// fs.ErrPermission. In front ends it is an ordinary *fs.PathError with the path as the account sees it.
type DeniedError struct{ policy.Decision }

func (e *DeniedError) Error() string { return "permission denied" }

// Is makes a denial an fs.ErrPermission.
func (e *DeniedError) Is(target error) bool { return target == fs.ErrPermission }

// An UnsupportedError says in words for the client what is not done here; it
// is a backend.ErrUnsupported.
type UnsupportedError struct {
	Text string
	// Rule is the policy's, where one is the reason.
	Rule policy.Rule
}

func (e *UnsupportedError) Error() string { return e.Text }

// Is makes an UnsupportedError a backend.ErrUnsupported.
func (e *UnsupportedError) Is(target error) bool { return target == backend.ErrUnsupported }

// ErrChanged says that the target is not, or no longer, what Open.Match asked for.
var ErrChanged = errors.New("the file has changed")

// An FS is the tree as one session sees it. Paths are the account's own. Its
// errors are *fs.PathError or *os.LinkError with such paths, around
// fs.ErrNotExist, fs.ErrExist, fs.ErrPermission (*DeniedError), the errors of
// backend, *quota.ExceededError and *locks.LockedError.
// What an account may not see does not exist for it.
type FS struct {
	s      *session
	tokens []string
	view   *locks.View // nil: Locks asks each time
}

// With returns the same file system for operations that submit lock tokens.
func (f *FS) With(tokens []string) *FS {
	return &FS{s: f.s, tokens: slices.Clone(tokens), view: f.view}
}

// Once returns the same file system for one request: Locks, LocksBelow and, for a
// moment, changes go by the locks that stood when this was called, or later, and ask the
// state once.
func (f *FS) Once() *FS {
	if f.view != nil {
		return f
	}
	return &FS{s: f.s, tokens: f.tokens, view: f.s.tree.locks.View()}
}

// Open says how a file is opened.
type Open struct {
	Read, Write                 bool
	Create, Exclusive, Truncate bool
	// Atomic asks for staging whatever the policy says: old content until Close.
	Atomic bool
	// Resume says that the client goes on where a former upload ended (APPE,
	// REST, SSH_FXF_APPEND): refused where uploads are atomic.
	Resume bool
	// Tentative says that the client hears of a new file with its content, not before:
	// one that was aborted or cut while nothing was written to it is taken away again.
	Tentative bool
	// Size is how much will be written where the client announced it, else
	// negative or 0: refused at once where the quota has no room for it.
	Size int64
	Mode fs.FileMode // permission bits of a new file; 0 takes the mount's
	// Match, where not empty, is the entity tag that the file must have, now
	// and when a staged upload takes its place: else ErrChanged.
	Match string
}

// Replace says what a rename or copy does with a target that exists.
type Replace int

// KeepTarget refuses with fs.ErrExist; ReplaceFile replaces a file, as rename(2)
// does; ReplaceAny also a folder with all it holds, as WebDAV does: the
// target is put aside first and comes back where the operation fails.
const (
	KeepTarget Replace = iota
	ReplaceFile
	ReplaceAny
)

// CopyHow says how Copy works. Shallow copies a folder without its members.
// Whole refuses a tree that holds what is not copied: links where the account
// may make none, and special files. It is for who removes the source then.
type CopyHow struct {
	Replace Replace
	Shallow bool
	Whole   bool
}

// LockRequest asks for a lock.
type LockRequest struct {
	Deep, Shared bool
	Owner        string
	Timeout      time.Duration
}

// A Lock is a lock with its path as the account sees it (Path of locks.Lock is
// translated; the root where the account does not see it).
type Lock = locks.Lock

// Config is one session's part.
type Config struct {
	// Effective is the account's policy, as far as the credential's scope goes.
	Effective policy.Effective
	Door      policy.Door
	// Report gets one event per operation; session, address and time are filled in by it.
	Report func(events.Event)
	// Audited says whether events can be kept: where it does not, operations that
	// leave one are refused. Nil is always.
	Audited func() bool
	// UID and GID own new files; nil takes the mount's.
	UID, GID *int
	// Traffic bounds how much and how fast the session moves, and is left when
	// the file system is closed; nil bounds nothing.
	Traffic *traffic.Session

	kept []path.Path // where the homes of deleted accounts are
}

// again is unlocked for a change that was judged a while ago, where another node may
// have locked something since. Alone nobody can, while the names are held.
func (f *FS) again(ctx context.Context, touches ...locks.Touch) error {
	if !f.s.tree.files.shared {
		return nil
	}
	return f.unlocked(ctx, touches...)
}

// first is unlocked for a change that asks again right before it is made, where nodes
// share: by what is known anyway, then.
func (f *FS) first(ctx context.Context, touches ...locks.Touch) error {
	t := f.s.tree
	if !t.files.shared {
		return f.unlocked(ctx, touches...)
	}
	if err := t.mayChange(); err != nil || f.s.system {
		return err
	}
	for _, touch := range touches {
		if !t.locks.Asked(heedEvery, touch.Path) {
			return nil
		}
	}
	err := t.locks.CheckLately(ctx, heedEvery, f.s.rules.Load().account.ID, f.tokens, touches...)
	if errors.Is(err, locks.ErrLocked) {
		return f.unlocked(ctx, touches...) // it may be released by now
	}
	return err
}

// An early look at the locks is asked for when something long begins, and waited for by
// nobody: what takes long hears in time that it is in vain.
type early struct {
	told chan struct{}
	err  error // set before told is closed
}

// early begins such a look, of which the error is what is known at once.
func (f *FS) early(ctx context.Context, touch locks.Touch) (*early, error) {
	e := &early{}
	if err := f.first(ctx, touch); err != nil || !f.s.tree.files.shared || f.s.tree.locks.Asked(heedEvery, touch.Path) {
		return e, err
	}
	e.told = make(chan struct{})
	go func() { // ends with the state's answer
		defer close(e.told)
		e.err = f.unlocked(context.WithoutCancel(ctx), touch)
	}()
	return e, nil
}

// refused is why it is in vain, as far as is known by now.
func (e *early) refused() error {
	if e == nil || e.told == nil {
		return nil
	}
	select {
	case <-e.told:
		return e.err
	default:
		return nil
	}
}

// unlocked asks, right before a change, whether this node may make one, and the locks
// whether the account may change what it touches.
func (f *FS) unlocked(ctx context.Context, touches ...locks.Touch) error {
	if err := f.s.tree.mayChange(); err != nil {
		return err
	}
	if f.s.system {
		return nil
	}
	account := f.s.rules.Load().account.ID
	if f.view != nil {
		return f.view.Check(ctx, heedEvery, account, f.tokens, touches...)
	}
	return f.s.tree.locks.Check(ctx, account, f.tokens, touches...)
}

// unlock drops the locks on what is gone from p, as far as they are known where nodes
// share: they were asked for a moment ago.
func (t *Tree) unlock(ctx context.Context, p path.Path) error {
	ctx = context.WithoutCancel(ctx)
	if !t.files.shared {
		return t.locks.Moved(ctx, p)
	}
	return t.locks.MovedLately(ctx, heedEvery, p)
}
