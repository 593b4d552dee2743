package traffic

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"gatehouse/storage/state"
)

// Bury settles what a dead epoch of another node has leased: it counts as moved, for
// nobody knows how much of it was. What that epoch has sent and arrives later counts
// no more. That it is dead is the caller's to know. It can be called again.
func (t *Traffic) Bury(ctx context.Context, node, epoch string) error {
	holder := node + "/" + epoch
	if holder == t.holder {
		return errors.New("settle the traffic of a dead node: that is this node in its present epoch")
	}
	for after := scope[:len(scope)-1]; ; {
		names, err := t.store.Scopes(ctx, after, 0)
		if err != nil {
			return fmt.Errorf("settle the traffic of the dead node %s: %w", holder, err)
		}
		for _, name := range names {
			after = name
			if id, ok := strings.CutPrefix(name, scope); ok {
				if err := t.settleFor(ctx, id, holder); err != nil {
					return fmt.Errorf("settle the traffic of the dead node %s: %w", holder, err)
				}
			}
		}
		if len(names) == 0 || after > scope && !strings.HasPrefix(after, scope) {
			return nil
		}
	}
}

func (t *Traffic) settleFor(ctx context.Context, id, holder string) error {
	for _, k := range []kind{day, month} {
		a := t.allowance(id, k)
		last, before, err := a.periods(ctx)
		if err != nil {
			return err
		}
		for _, period := range []string{last, before} {
			if period == "" {
				continue
			}
			v, err := t.store.Count(ctx, a.scope, state.Lease{ID: state.NewOperationID(), Name: period, Holder: holder, Bury: true})
			if err != nil {
				return err
			}
			if v.Held == 0 {
				continue
			}
			op := state.Lease{ID: state.NewOperationID(), Name: period, Holder: holder, Commit: v.Held, Covered: true, Bury: true}
			if _, err := t.store.Count(ctx, a.scope, op); err != nil {
				return err
			}
		}
	}
	return nil
}
