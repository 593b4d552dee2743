package redis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	goredis "github.com/redis/go-redis/v9"

	"gatehouse/storage/state"
)

// Scopes implements state.Store. It goes through the keys of all servers.
func (s *Store) Scopes(ctx context.Context, after string, limit int) ([]string, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.calls.Done()
	holding, err := s.scan(ctx, "holding")
	if err != nil {
		return nil, fmt.Errorf("list the scopes: %w", err)
	}
	names := slices.Sorted(maps.Keys(holding))
	at, found := slices.BinarySearch(names, after)
	if found {
		at++
	}
	names = names[at:]
	return names[:min(len(names), state.Limit(limit))], nil
}

// scan finds scopes that are holding anything, or all that ever did. Each piece of it
// is a call of its own: there may be many keys.
func (s *Store) scan(ctx context.Context, which string) (map[string]bool, error) {
	var mu sync.Mutex
	found := make(map[string]bool)
	err := s.nodes(ctx, func(ctx context.Context, c *goredis.Client) error {
		for cursor := "0"; ; {
			reply, err := read(ctx, s, "", func(ctx context.Context) (any, error) {
				return s.scripts.scopes.RunRO(ctx, c, nil, s.args([]any{string(s.keys), cursor, which})...).Result()
			})
			if err != nil {
				return err
			}
			names, err := texts(reply)
			if err != nil || len(names) == 0 {
				return fmt.Errorf("%w: scopes: %w", errDamaged, err)
			}
			mu.Lock()
			for _, name := range names[1:] {
				found[unescaper.Replace(name)] = true
			}
			mu.Unlock()
			if cursor = names[0]; cursor == "0" {
				return nil
			}
		}
	})
	if err != nil && !errors.Is(err, state.ErrAway) && !errors.Is(err, errDamaged) { // of the Cluster itself
		err = judge(err).explained(err)
	}
	return found, err
}
