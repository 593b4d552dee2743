package redis

import (
	"context"
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
	var names []string
	err := s.read(ctx, func() error {
		found, err := s.scan(ctx, "holding")
		names = slices.Sorted(maps.Keys(found))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the scopes: %w", err)
	}
	at, found := slices.BinarySearch(names, after)
	if found {
		at++
	}
	names = names[at:]
	return names[:min(len(names), state.Limit(limit))], nil
}

// scan finds scopes that are holding anything, or all that ever did.
func (s *Store) scan(ctx context.Context, which string) (map[string]bool, error) {
	var mu sync.Mutex
	found := make(map[string]bool)
	err := s.nodes(ctx, func(ctx context.Context, c *goredis.Client) error {
		for cursor := "0"; ; {
			reply, err := s.scripts.scopes.RunRO(ctx, c, nil, s.args([]any{string(s.keys), cursor, which})...).Result()
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
	return found, err
}
