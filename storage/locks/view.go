package locks

import (
	"context"
	"slices"
	"time"

	"gatehouse/policy/path"
)

// A View is the locks for one who reads, as they stood when it was made or later: the
// store is asked once for what is looked at several times.
type View struct {
	table *Table
	since int64 // nanoseconds
}

// View begins a look at the locks.
func (t *Table) View() *View { return &View{t, t.now().UnixNano()} }

// Covering is the table's, or by what was last known where the store is away.
func (v *View) Covering(ctx context.Context, p path.Path) ([]Lock, error) {
	s := v.table.scope(p)
	if v.table.isAway() {
		return values(s.last().covering(p)), nil
	}
	now, err := s.since(ctx, v.since)
	if v.table.forgives(err) {
		now, err = s.last(), nil
	}
	if err != nil {
		return nil, err
	}
	return values(now.covering(p)), nil
}

// List is the table's, or by what was last known where the store is away. Mounts are
// those below p: all that hold something there are asked at the same time.
func (v *View) List(ctx context.Context, p path.Path, mounts ...path.Path) ([]Lock, error) {
	if v.table.isAway() {
		return v.table.lastWithin(p), nil
	}
	found, err := v.list(ctx, p, mounts)
	if v.table.forgives(err) {
		return v.table.lastWithin(p), nil
	}
	return found, err
}

func (v *View) list(ctx context.Context, p path.Path, mounts []path.Path) ([]Lock, error) {
	scopes := []*scope{v.table.scope(p)}
	for _, m := range mounts {
		if s := v.table.scope(m); !slices.Contains(scopes, s) {
			scopes = append(scopes, s)
		}
	}
	now, err := atOnce(ctx, scopes, func(s *scope, ctx context.Context) (*snapshot, error) { return s.since(ctx, v.since) })
	if err != nil {
		return nil, err
	}
	var found []*Lock
	for _, s := range scopes {
		found = append(found, now[s].within(p)...)
	}
	return values(newSnapshot(0, found).locks), nil
}

// Check is the table's for who makes a change in several steps: it asks anew where the
// view, or what the store said since, is older than a while.
func (v *View) Check(ctx context.Context, while time.Duration, accountID string, tokens []string, touches ...Touch) error {
	ask := func(s *scope, ctx context.Context) (*snapshot, error) {
		if s.now().UnixNano()-v.since >= int64(while) {
			return s.present(ctx)
		}
		return s.since(ctx, v.since)
	}
	return v.table.check(ctx, ask, accountID, tokens, touches)
}

// since is present, or what the store has said since a moment.
func (s *scope) since(ctx context.Context, moment int64) (*snapshot, error) {
	if s.asked.Load() < moment {
		return s.present(ctx)
	}
	return s.recent(ctx, time.Duration(s.now().UnixNano()-moment)+1)
}

// known returns the scopes that this node has asked for.
func (t *Table) known() []*scope {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]*scope, 0, len(t.scopes))
	for _, s := range t.scopes {
		all = append(all, s)
	}
	return all
}
