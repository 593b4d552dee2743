package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"gatehouse/cmd/kept"
	"gatehouse/configs"
	"gatehouse/storage/installation"
	"gatehouse/storage/state"
	"gatehouse/storage/state/bolt"
	"gatehouse/storage/state/memory"
	"gatehouse/storage/state/redis"
)

// Check judges what the configuration says of Redis, also where it is not what
// keeps the state: a migration goes there.
func Check(c *configs.Config) configs.Problems {
	var problems configs.Problems
	check := func(key string, o redis.Options) {
		if err := o.Validate(); err != nil {
			problems = append(problems, configs.Problem{Key: key, Why: err.Error()})
		}
	}
	if c.State.URL != "" {
		check("state.url", redis.Options{URL: c.State.URL})
	}
	check("state.prefix", redis.Options{URL: "redis://localhost", Prefix: c.State.Prefix})
	return problems
}

// RedisOptions are those that the configuration asks for.
func RedisOptions(c *configs.Config) redis.Options {
	return redis.Options{
		URL: c.State.URL, Prefix: c.State.Prefix, Vital: vital,
		Wait: redis.Wait{Replicas: c.State.WaitReplicas, AOF: c.State.WaitAOF, Timeout: c.State.WaitTimeout, For: promised},
	}
}

// promised reports whether a change is one that somebody made and must not lose:
// accounts with what goes with them, bans, sessions that are to end, whose installation it is. What logins, locks and nodes write of
// themselves is written again, or ends.
func promised(b state.Batch) bool {
	switch b.Scope {
	case "accounts", "links", "quotas", "webhooks", "secrets", "sessions:end":
		return true
	case "failures":
		return bans(b)
	case "nodes":
		return slices.ContainsFunc(b.Puts, func(p state.Put) bool { return installation.IsMark(p.Name) })
	}
	return false
}

// bans reports whether a change of the failures bans an address, or ends its ban.
func bans(b state.Batch) bool {
	isBan := func(name string) bool { return strings.HasPrefix(name, "ban/") }
	return slices.ContainsFunc(b.Puts, func(p state.Put) bool { return isBan(p.Name) }) || slices.ContainsFunc(b.Deletes, isBan)
}

func (c *core) openStore(ctx context.Context, conf *configs.Loaded, p past, log *slog.Logger) (_ state.Store, err error) {
	switch conf.State.Kind {
	case "memory":
		return memory.New(), nil
	case configs.Redis:
		if c.redis, err = openRedis(ctx, conf, p, log); err != nil {
			return nil, err
		}
		c.metrics.Trips(c.redis.Trips)
		c.room = newRoom(c.redis.Memory, log)
		c.metrics.Memory(c.room.each)
		c.done.Go(func() { c.room.watch(ctx) })
		return c.redis, nil
	}
	if conf.State.URL != "" {
		log.Warn("state.url is set, and not used: state.kind is not redis", "kind", conf.State.Kind)
	}
	store, err := bolt.Open(conf.Data, bolt.Options{Log: log})
	if err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	c.trail = store
	return store, nil
}

// openRedis connects, and asks how the server keeps what it acknowledges.
func openRedis(ctx context.Context, conf *configs.Loaded, p past, log *slog.Logger) (*redis.Store, error) {
	redis.LogTo(log)
	store, err := redis.Open(ctx, RedisOptions(&conf.Config))
	if err != nil {
		return nil, fmt.Errorf("state.url: %w", err)
	}
	if p.tried {
		log = slog.New(slog.DiscardHandler) // it was said at the first try
	}
	if err := checkDurability(ctx, store, conf, log); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return store, nil
}

// openState opens the store, and keeps to the installation whose state it has.
func (c *core) openState(ctx context.Context, conf *configs.Loaded, p past, log *slog.Logger) error {
	var err error
	if c.sealer, err = Sealer(&conf.Config); err != nil {
		return err
	}
	store, err := c.openStore(ctx, conf, p, log)
	if err != nil {
		return err
	}
	c.contact = newContact()
	c.state = c.metrics.Store(store, c.contact.heard)
	c.metrics.Away(c.contact.away)
	if err := c.openInstallation(ctx, conf); err != nil {
		return err
	}
	if err := c.openKept(ctx, conf); err != nil {
		return err
	}
	return c.remember()
}

// openKept finds the installation's own keys in the state: where nodes share it, or
// have shared it before it was moved.
func (c *core) openKept(ctx context.Context, conf *configs.Loaded) error {
	keeper := kept.New(c.state, c.sealer)
	if conf.State.Kind != configs.Redis {
		used, err := keeper.Used(ctx)
		if err != nil {
			return err
		}
		if !used {
			return keeper.Mark(ctx)
		}
	}
	c.kept = keeper
	return keeper.Check(ctx)
}
