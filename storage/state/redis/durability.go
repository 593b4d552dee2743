package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	goredis "github.com/redis/go-redis/v9"
)

// A Durability is what the settings of one server promise. A text is empty where
// it cannot be told: the server refuses to.
type Durability struct {
	Server     string
	Version    string
	AppendOnly string // yes or no
	Fsync      string // always, everysec or no
	Policy     string // maxmemory-policy
}

// Durability asks each server that is written to how durable what it acknowledges
// is, as far as it may be told: CONFIG GET and INFO. The servers come in order.
func (s *Store) Durability(ctx context.Context) ([]Durability, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.calls.Done()
	found, err := askAll(ctx, s, durabilityOf)
	if err != nil {
		return nil, fmt.Errorf("ask how durable the state is: %w", err)
	}
	slices.SortFunc(found, func(a, b Durability) int { return strings.Compare(a.Server, b.Server) })
	return found, nil
}

// askAll asks each server that is written to.
func askAll[T any](ctx context.Context, s *Store, ask func(context.Context, *goredis.Client) (T, error)) ([]T, error) {
	return read(ctx, s, "", func(ctx context.Context) ([]T, error) {
		var mu sync.Mutex
		var found []T
		err := s.nodes(ctx, func(ctx context.Context, c *goredis.Client) error {
			one, err := ask(ctx, c)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			found = append(found, one)
			return nil
		})
		return found, err
	})
}

func durabilityOf(ctx context.Context, c *goredis.Client) (Durability, error) {
	d := Durability{Server: c.Options().Addr}
	for setting, to := range map[string]*string{"appendonly": &d.AppendOnly, "appendfsync": &d.Fsync, "maxmemory-policy": &d.Policy} {
		values, err := c.ConfigGet(ctx, setting).Result()
		if err != nil && !mayNot(err) {
			return d, err
		}
		*to = values[setting]
	}
	info, err := c.Info(ctx).Result()
	if err != nil && !mayNot(err) {
		return d, err
	}
	for line := range strings.Lines(info) {
		switch name, value, _ := strings.Cut(strings.TrimSpace(line), ":"); name {
		case "redis_version":
			d.Version = value
		case "aof_enabled":
			d.AppendOnly = cmp.Or(d.AppendOnly, map[string]string{"0": "no", "1": "yes"}[value])
		case "maxmemory_policy":
			d.Policy = cmp.Or(d.Policy, value)
		}
	}
	return d, nil
}

// mayNot reports that a server answers, and refuses to tell.
func mayNot(err error) bool {
	var answer goredis.Error
	return errors.As(err, &answer) && judge(err) == refused
}

// Weaknesses says, of each setting by which a change that was acknowledged can be
// lost, what it is and what it would have to be; of one that cannot be told, that.
func (d Durability) Weaknesses() []string {
	var found []string
	want := func(setting, is string, enough ...string) {
		switch {
		case slices.Contains(enough, is):
		case is == "":
			found = append(found, fmt.Sprintf("%s cannot be told: want %s", setting, enough[0]))
		default:
			found = append(found, fmt.Sprintf("%s is %s: want %s", setting, is, enough[0]))
		}
	}
	want("appendonly", d.AppendOnly, "yes")
	if d.AppendOnly != "no" {
		want("appendfsync", d.Fsync, "always")
	}
	want("maxmemory-policy", d.Policy, "noeviction")
	return found
}
