package locks

import (
	"context"
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

// Covering is the table's.
func (v *View) Covering(ctx context.Context, p path.Path) ([]Lock, error) {
	now, err := v.table.scope(p).since(ctx, v.since)
	if err != nil {
		return nil, err
	}
	return values(now.covering(p)), nil
}

// List is the table's. The scopes that are known are asked at the same time as whether
// there are more.
func (v *View) List(ctx context.Context, p path.Path) ([]Lock, error) {
	known := v.table.known()
	asked := make(chan error, len(known))
	for _, s := range known {
		go func() {
			_, err := s.since(ctx, v.since)
			asked <- err
		}()
	}
	scopes, err := v.table.all(ctx)
	for range known {
		if e := <-asked; err == nil {
			err = e
		}
	}
	if err != nil {
		return nil, err
	}
	var found []*Lock
	for _, s := range scopes {
		now, err := s.since(ctx, v.since)
		if err != nil {
			return nil, err
		}
		found = append(found, now.within(p)...)
	}
	return values(newSnapshot(0, found).locks), nil
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
