package redis

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

// Memory is what a server uses of the memory that it may use, in bytes.
type Memory struct {
	Server string
	// Used is what counts against Max: without what replicas and the AOF wait for.
	Used uint64
	// Max is maxmemory, or all that the machine has where there is none (Unbounded).
	// 0 where the server does not tell.
	Max       uint64
	Unbounded bool
}

// Left is how much there is room for.
func (m Memory) Left() uint64 {
	if m.Used >= m.Max {
		return 0
	}
	return m.Max - m.Used
}

// Share is how much of it is used, 1 where all is; 0 where nobody knows.
func (m Memory) Share() float64 {
	if m.Max == 0 {
		return 0
	}
	return float64(m.Used) / float64(m.Max)
}

// Full reports that the server takes nothing more that makes it larger.
func (m Memory) Full() bool { return !m.Unbounded && m.Max > 0 && m.Used > m.Max }

// Memory asks each server that is written to for its memory (INFO). The servers come
// in order.
func (s *Store) Memory(ctx context.Context) ([]Memory, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.calls.Done()
	found, err := askAll(ctx, s, memoryOf)
	if err != nil {
		return nil, fmt.Errorf("ask for the memory of the store: %w", err)
	}
	slices.SortFunc(found, func(a, b Memory) int { return strings.Compare(a.Server, b.Server) })
	return found, nil
}

func memoryOf(ctx context.Context, c *goredis.Client) (Memory, error) {
	m := Memory{Server: c.Options().Addr}
	info, err := c.Info(ctx, "memory").Result()
	if err != nil {
		if mayNot(err) {
			err = nil
		}
		return m, err
	}
	var uncounted, system uint64
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		to := map[string]*uint64{"used_memory": &m.Used, "maxmemory": &m.Max, "mem_not_counted_for_evict": &uncounted, "total_system_memory": &system}[name]
		if to == nil {
			continue
		}
		if *to, err = strconv.ParseUint(value, 10, 64); err != nil {
			return m, fmt.Errorf("%w: %s of INFO", errDamaged, name)
		}
	}
	m.Used -= min(uncounted, m.Used)
	if m.Max == 0 {
		m.Max, m.Unbounded = system, true
	}
	return m, nil
}
