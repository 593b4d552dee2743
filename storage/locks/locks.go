// Package locks is the one table of locks for all doors, by tree path, kept in
// the state with one scope per mount. Two lockers of overlapping paths can never
// both win: every change checks and bumps the scope's generation record.
//
// A deep lock ends at the mount points below it: what is mounted there has a
// scope of its own.
package locks

import (
	"errors"
	"fmt"
	"time"

	"gatehouse/policy/path"
)

// A Lock is held on a path, or with Deep on the whole tree below it.
type Lock struct {
	Token     string        `json:"token"` // urn:uuid:...
	Path      path.Path     `json:"path"`
	Deep      bool          `json:"deep"`
	Shared    bool          `json:"shared"`
	AccountID string        `json:"account_id"` // who may use and release it
	Account   string        `json:"account"`    // their name, for messages
	Door      string        `json:"door"`
	Owner     string        `json:"owner"` // the client's own XML, as it was sent
	Timeout   time.Duration `json:"timeout"`
	Expires   time.Time     `json:"expires"`
}

// Bounds of locks.
const (
	// MaxTimeout is the longest life of a lock without a refresh.
	MaxTimeout = time.Hour
	// MaxPerAccount is how many locks an account may hold on one mount.
	MaxPerAccount = 1000
	// MaxOwner is the longest Owner, in bytes.
	MaxOwner = 8 << 10
)

// Errors.
var (
	ErrLocked  = errors.New("locked")
	ErrNoLock  = errors.New("no such lock")
	ErrTooMany = errors.New("too many locks")
	ErrOwner   = errors.New("the owner of the lock is too long")
)

// A LockedError says who holds the lock that stands in the way.
type LockedError struct{ Lock Lock }

func (e *LockedError) Error() string {
	return fmt.Sprintf("%s is locked by %s", e.Lock.Path, e.Lock.Account)
}

// Is makes a LockedError an ErrLocked.
func (e *LockedError) Is(target error) bool { return target == ErrLocked }

// Request asks for a lock.
type Request struct {
	Path      path.Path
	Deep      bool
	Shared    bool
	AccountID string
	Account   string
	Door      string
	Owner     string
	Timeout   time.Duration // 0 and more than MaxTimeout: MaxTimeout
}

// Touch is what a change touches.
type Touch struct {
	Path path.Path
	// Tree asks for locks on everything below as well (delete, move of a folder).
	Tree bool
	// Member asks for locks on the folder that holds Path too, without depth,
	// since the change makes or removes a name in it (RFC 4918 7.4).
	Member bool
}

// covers reports whether the lock holds on p.
func (l *Lock) covers(p path.Path) bool {
	return l.Path == p || l.Deep && l.Path.Contains(p)
}

// overlaps reports whether two locks hold on a path in common.
func (l *Lock) overlaps(m *Lock) bool {
	return l.covers(m.Path) || m.covers(l.Path)
}

// excludes reports whether l and m cannot stand together (RFC 4918 6.2): an
// exclusive lock tolerates none, not even one of the same account.
func (l *Lock) excludes(m *Lock) bool {
	return l.overlaps(m) && !(l.Shared && m.Shared)
}

// life returns how long a lock lives that was asked for so long.
func life(asked time.Duration) time.Duration {
	if asked <= 0 || asked > MaxTimeout {
		return MaxTimeout
	}
	return asked
}
