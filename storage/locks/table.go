package locks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"gatehouse/policy/path"
	"gatehouse/storage/state"
)

// A Table is the locks of one installation. Safe for concurrent use.
type Table struct {
	store   state.Store
	scopeOf func(path.Path) string
	now     func() time.Time
	away    func() bool // nil where no other node works on the store
	alone   bool

	mu     sync.Mutex // guards what follows
	scopes map[string]*scope
}

// New opens the table over the state. mount names the mount that holds a path;
// what it returns is made a scope of the state of the table's own.
func New(s state.Store, mount func(path.Path) string) *Table {
	return &Table{store: s, scopeOf: mount, now: time.Now, scopes: make(map[string]*scope)}
}

// Alone says that nobody else changes the locks of this store: they are read once then,
// and again where what became of a change is not known. It is called before all else.
func (t *Table) Alone() { t.alone = true }

// Lock makes a lock; *LockedError where one stands in the way, ErrTooMany where
// the account holds too many.
func (t *Table) Lock(ctx context.Context, r Request) (Lock, error) {
	if len(r.Owner) > MaxOwner {
		return Lock{}, ErrOwner
	}
	if len(r.Path.String()) > path.MaxLength {
		return Lock{}, path.ErrTooLong
	}
	l := &Lock{
		Token: newToken(), Path: r.Path, Deep: r.Deep, Shared: r.Shared,
		AccountID: r.AccountID, Account: r.Account, Door: r.Door, Owner: r.Owner, Timeout: life(r.Timeout),
	}
	err := t.scope(r.Path).change(ctx, func(now *snapshot) (*change, error) {
		if m := now.conflict(l); m != nil {
			return nil, &LockedError{*m}
		}
		if now.count(r.AccountID) >= MaxPerAccount {
			return nil, ErrTooMany
		}
		return &change{put: l}, nil
	})
	if err != nil {
		return Lock{}, err
	}
	return *l, nil
}

// Refresh starts a lock's life anew. The lock must cover p and be the account's.
func (t *Table) Refresh(ctx context.Context, p path.Path, accountID, token string, timeout time.Duration) (Lock, error) {
	var refreshed *Lock
	err := t.scope(p).change(ctx, func(now *snapshot) (*change, error) {
		l := now.find(token)
		if l == nil || !l.covers(p) || l.AccountID != accountID {
			return nil, ErrNoLock
		}
		again := *l
		again.Timeout = life(timeout)
		refreshed = &again
		return &change{put: refreshed}, nil
	})
	if err != nil {
		return Lock{}, err
	}
	return *refreshed, nil
}

// Unlock releases a lock; ErrNoLock where there is none on or above p, or it is
// another account's.
func (t *Table) Unlock(ctx context.Context, p path.Path, accountID, token string) error {
	return t.scope(p).change(ctx, func(now *snapshot) (*change, error) {
		l := now.find(token)
		if l == nil || !l.covers(p) || l.AccountID != accountID {
			return nil, ErrNoLock
		}
		return &change{drop: []string{token}}, nil
	})
}

// Break releases a lock whoever holds it, for administrators.
func (t *Table) Break(ctx context.Context, token string) (Lock, error) {
	scopes, err := t.all(ctx)
	if err != nil {
		return Lock{}, err
	}
	for _, s := range scopes {
		var broken *Lock
		err := s.change(ctx, func(now *snapshot) (*change, error) {
			broken = now.find(token)
			if broken == nil {
				return nil, nil
			}
			return &change{drop: []string{token}}, nil
		})
		if err != nil {
			return Lock{}, err
		}
		if broken != nil {
			return *broken, nil
		}
	}
	return Lock{}, ErrNoLock
}

// Covering returns the locks that hold on p: on itself, or deep above it.
func (t *Table) Covering(ctx context.Context, p path.Path) ([]Lock, error) {
	now, err := t.scope(p).present(ctx)
	if err != nil {
		return nil, err
	}
	return values(now.covering(p)), nil
}

// List returns the locks on p and below it, on every mount, by path.
func (t *Table) List(ctx context.Context, p path.Path) ([]Lock, error) {
	scopes, err := t.all(ctx)
	if err != nil {
		return nil, err
	}
	var found []*Lock
	for _, s := range scopes {
		now, err := s.present(ctx)
		if err != nil {
			return nil, err
		}
		found = append(found, now.within(p)...)
	}
	return values(newSnapshot(0, found).locks), nil
}

// Check returns nil or a *LockedError for a change by an account that submits
// these tokens: each lock in the way must be among them and be the account's.
// Of shared locks on the same place one is enough (RFC 4918 6.2). The store is
// asked once for all that is touched.
func (t *Table) Check(ctx context.Context, accountID string, tokens []string, touches ...Touch) error {
	return t.check(ctx, (*scope).present, accountID, tokens, touches)
}

// CheckLately is Check by what the store said less than a while ago: for who checks
// again before anything is changed.
func (t *Table) CheckLately(ctx context.Context, while time.Duration, accountID string, tokens []string, touches ...Touch) error {
	recent := func(s *scope, ctx context.Context) (*snapshot, error) { return s.recent(ctx, while) }
	return t.check(ctx, recent, accountID, tokens, touches)
}

func (t *Table) check(ctx context.Context, ask func(*scope, context.Context) (*snapshot, error), accountID string, tokens []string, touches []Touch) error {
	for _, touch := range touches {
		// The folder that holds a mount point is in the scope above.
		if dir := touch.Path.Dir(); touch.Member && t.scopeOf(dir) != t.scopeOf(touch.Path) {
			touches = append(slices.Clip(touches), Touch{Path: dir})
		}
	}
	if len(touches) == 1 {
		now, err := ask(t.scope(touches[0].Path), ctx)
		if err != nil {
			return err
		}
		return now.against(accountID, tokens, touches[0])
	}
	var scopes []*scope
	for _, touch := range touches {
		if s := t.scope(touch.Path); !slices.Contains(scopes, s) {
			scopes = append(scopes, s)
		}
	}
	now, err := atOnce(ctx, scopes, ask)
	if err != nil {
		return err
	}
	for _, touch := range touches {
		if err := now[t.scope(touch.Path)].against(accountID, tokens, touch); err != nil {
			return err
		}
	}
	return nil
}

// atOnce asks several scopes at the same time.
func atOnce(ctx context.Context, scopes []*scope, ask func(*scope, context.Context) (*snapshot, error)) (map[*scope]*snapshot, error) {
	now := make(map[*scope]*snapshot, len(scopes))
	if len(scopes) == 1 {
		one, err := ask(scopes[0], ctx)
		now[scopes[0]] = one
		return now, err
	}
	var mu sync.Mutex
	var errs []error
	var all sync.WaitGroup
	for _, s := range scopes {
		all.Go(func() {
			one, err := ask(s, ctx)
			mu.Lock()
			defer mu.Unlock()
			now[s], errs = one, append(errs, err)
		})
	}
	all.Wait()
	return now, errors.Join(errs...)
}

// against is a *LockedError for a lock in the way of a change.
func (s *snapshot) against(accountID string, tokens []string, touch Touch) error {
	if l := s.obstacle(holder{accountID, tokens}, touch); l != nil {
		return &LockedError{*l}
	}
	return nil
}

// Moved drops the locks on and below a path that was moved away or removed:
// locks stay with the URL, not with the file, and go with it (RFC 4918 6.1, 7.6).
func (t *Table) Moved(ctx context.Context, p path.Path) error {
	return t.scope(p).change(ctx, func(now *snapshot) (*change, error) { return now.leaving(p), nil })
}

// Asked reports whether the store has said less than a while ago what locks hold there.
func (t *Table) Asked(while time.Duration, p path.Path) bool {
	_, ok := t.scope(p).knows(while)
	return ok
}

// MovedLately is Moved for who has checked less than a while ago: a lock that another
// node has made since stays with the name until it runs out.
func (t *Table) MovedLately(ctx context.Context, while time.Duration, p path.Path) error {
	now, err := t.scope(p).recent(ctx, while)
	if err != nil || now.leaving(p) == nil {
		return err
	}
	return t.Moved(ctx, p)
}

// leaving drops the locks on and below a path, nil where there are none.
func (s *snapshot) leaving(p path.Path) *change {
	gone := s.within(p)
	if len(gone) == 0 {
		return nil
	}
	c := &change{}
	for _, l := range gone {
		c.drop = append(c.drop, l.Token)
	}
	return c
}

func (t *Table) scope(p path.Path) *scope { return t.named(scopePrefix + t.scopeOf(p)) }

func (t *Table) named(name string) *scope {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.scopes[name]
	if s == nil {
		s = &scope{store: t.store, name: name, now: t.now, alone: t.alone}
		t.scopes[name] = s
	}
	return s
}

// all returns every scope that ever held a lock.
func (t *Table) all(ctx context.Context) ([]*scope, error) {
	var found []*scope
	for after := strings.TrimSuffix(scopePrefix, ":"); ; {
		names, err := t.store.Scopes(ctx, after, 0)
		if err != nil {
			return nil, fmt.Errorf("look for locks: %w", err)
		}
		for _, name := range names {
			after = name
			if strings.HasPrefix(name, scopePrefix) {
				found = append(found, t.named(name))
			}
		}
		if len(names) == 0 || after > scopePrefix && !strings.HasPrefix(after, scopePrefix) {
			return found, nil
		}
	}
}

// values copies locks for a caller.
func values(locks []*Lock) []Lock {
	list := make([]Lock, 0, len(locks))
	for _, l := range locks {
		list = append(list, *l)
	}
	return list
}
