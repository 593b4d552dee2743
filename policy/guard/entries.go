package guard

import (
	"context"
	"errors"
	"io/fs"
	"sync"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/backend"
)

// Of what the account's own root holds and a shared folder of the same name,
// the root's wins: nobody who shares a folder gets what was meant for the
// account's own. Which of them a name means is found at the first look, and
// stays so while the session lasts, whoever makes or removes something there.

// ownNames remembers what a session found in the root under names of entries.
type ownNames struct {
	mu    sync.Mutex
	found map[path.Path]ownName
}

// An ownName is what stands in the root under the name of an entry.
type ownName struct {
	there, folder bool
	real          path.Path
}

func newOwnNames() ownNames { return ownNames{found: make(map[path.Path]ownName)} }

// viewed returns the rules in force, their view without the entries that stand
// behind something of the account's own.
func (s *session) viewed(ctx context.Context) (*rules, error) {
	for {
		r := s.rules.Load()
		if r.settled {
			return r, nil
		}
		next, err := s.view(ctx, r)
		if err != nil {
			return nil, err
		}
		if s.rules.CompareAndSwap(r, next) {
			return next, nil
		}
	}
}

func (s *session) view(ctx context.Context, r *rules) (*rules, error) {
	next, bare := *r, *r
	bare.view.Entries, bare.policy = nil, r.policy.Whole() // a scope changes nothing of what is seen where
	next.view.Entries, next.settled = nil, true
	for _, entry := range r.view.Entries {
		own, err := s.hasOwn(ctx, &bare, entry)
		if err != nil {
			return nil, err
		}
		if own {
			next.behind = append(next.behind, entry)
			continue
		}
		next.view.Entries = append(next.view.Entries, entry)
	}
	return &next, nil
}

// hasOwn reports whether the account's root holds something else by the name of
// an entry, of which the account may know.
func (s *session) hasOwn(ctx context.Context, bare *rules, entry policy.Entry) (bool, error) {
	p, err := bare.view.Root.Join(entry.Name)
	if err != nil || p == entry.Path {
		return false, nil
	}
	own, err := s.names.look(ctx, s.tree, p)
	if err != nil || !own.there {
		return false, err
	}
	at := place{asked: p, real: own.real}
	return bare.visible(&at, own.folder) == nil, nil
}

func (n *ownNames) look(ctx context.Context, t *Tree, p path.Path) (ownName, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if own, known := n.found[p]; known {
		return own, nil
	}
	own, err := t.standing(ctx, p)
	if err == nil {
		n.found[p] = own
	}
	return own, err
}

// standing finds what stands at p itself, links on the way followed.
func (t *Tree) standing(ctx context.Context, p path.Path) (ownName, error) {
	for range maxSwaps {
		real, err := t.resolve(ctx, p, keep)
		if err == nil {
			var info backend.Info
			info, err = t.store.Stat(ctx, real)
			if err == nil {
				return ownName{there: !info.IsSpecial(), folder: info.IsDir(), real: real}, nil
			}
		}
		if !swapped(err) {
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, backend.ErrNotDir) {
				err = nil
			}
			return ownName{}, err
		}
	}
	return ownName{}, errSwapped
}

// Behind returns the shared folders that a session with c, were it to begin
// now, would not show: the account has something of its own by their names.
func (t *Tree) Behind(ctx context.Context, c Config) ([]policy.Entry, error) {
	r, err := t.FS(c).s.viewed(ctx)
	if err != nil {
		return nil, err
	}
	return r.behind, nil
}

// Seen returns a tree path as a session with c would see it, were it to begin
// now; ok is false where it is not in what it sees.
func (t *Tree) Seen(ctx context.Context, c Config, tree path.Path) (seen path.Path, ok bool, err error) {
	r, err := t.FS(c).s.viewed(ctx)
	if err != nil {
		return path.Root, false, err
	}
	seen, ok = r.view.Seen(tree)
	return seen, ok, nil
}
