package guard

import (
	"context"
	"errors"
	"io/fs"
	"maps"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/backend"
)

// Of what the account's own root holds and a shared folder of the same name,
// the root's wins: nobody who shares a folder gets what was meant for the
// account's own. Which of them a name means is found at the first look, and
// stays so while the folder is shared without a break, whoever else makes or
// removes something there. What the session itself makes there is its own.

// An ownName is what stands in the root under the name of an entry.
type ownName struct {
	there, folder bool
	real          path.Path
}

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

// view looks up the names that the session does not know yet. What it finds
// counts once these rules are in force: then nobody has changed them meanwhile.
func (s *session) view(ctx context.Context, r *rules) (*rules, error) {
	next, bare := *r, *r
	bare.view.Entries, bare.policy = nil, r.policy.Whole() // a scope changes nothing of what is seen where
	next.view.Entries, next.behind, next.settled = nil, nil, true
	next.known = make(map[string]ownName, len(r.entries))
	for _, entry := range r.entries {
		p, err := r.view.Root.Join(entry.Name)
		if err != nil || p == entry.Path {
			next.view.Entries = append(next.view.Entries, entry)
			continue
		}
		own, known := r.known[entry.Name]
		if !known {
			if own, err = s.tree.standing(ctx, p); err != nil {
				return nil, err
			}
		}
		next.known[entry.Name] = own
		if own.there && bare.visible(&place{asked: p, real: own.real}, own.folder) == nil {
			next.behind = append(next.behind, entry)
			continue
		}
		next.view.Entries = append(next.view.Entries, entry)
	}
	return &next, nil
}

// recall takes over what the rules before knew of the names of entries that are
// the same in both. One that is new, or has come back, is looked up.
func (r *rules) recall(before *rules) {
	r.known = nil
	if r.view.Root != before.view.Root {
		return
	}
	for _, entry := range before.entries {
		own, known := before.known[entry.Name]
		now, shared := r.shared(entry.Name)
		if !known || !shared || now.Path != entry.Path {
			continue
		}
		if r.known == nil {
			r.known = make(map[string]ownName)
		}
		r.known[entry.Name] = own
	}
}

// shared returns the entry of a name, also one behind the account's own.
func (r *rules) shared(name string) (policy.Entry, bool) {
	return policy.View{Entries: r.entries}.Entry(name)
}

// makes notes what the session itself has just made. In its root it stands
// before a shared folder of the name that appeared while it was being made.
func (s *session) makes(p *place, folder bool) {
	for {
		r := s.rules.Load()
		name, ok := r.inRoot(p)
		if !ok || r.known[name].there {
			return
		}
		next := *r
		next.settled = false
		next.known = maps.Clone(r.known)
		if next.known == nil {
			next.known = make(map[string]ownName)
		}
		next.known[name] = ownName{there: true, folder: folder, real: p.real}
		if s.rules.CompareAndSwap(r, &next) {
			return
		}
	}
}

// inRoot returns the name of a shared folder that a place in the root has.
func (r *rules) inRoot(p *place) (name string, ok bool) {
	for _, at := range []path.Path{p.asked, p.real} {
		entry, shared := r.shared(at.Base())
		if shared && at.Dir() == r.view.Root && at != entry.Path {
			return entry.Name, true
		}
	}
	return "", false
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
