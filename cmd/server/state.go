package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"gatehouse/configs"
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
		URL: c.State.URL, Prefix: c.State.Prefix,
		Wait: redis.Wait{Replicas: c.State.WaitReplicas, AOF: c.State.WaitAOF, Timeout: c.State.WaitTimeout, For: promised},
	}
}

// promised reports whether a change is one that somebody made and must not lose:
// accounts with what goes with them, bans, sessions that are to end. What logins, locks and nodes write of
// themselves is written again, or ends.
func promised(b state.Batch) bool {
	switch b.Scope {
	case "accounts", "links", "quotas", "webhooks", "secrets", "sessions:end":
		return true
	case "failures":
		isBan := func(name string) bool { return strings.HasPrefix(name, "ban/") }
		return slices.ContainsFunc(b.Puts, func(p state.Put) bool { return isBan(p.Name) }) || slices.ContainsFunc(b.Deletes, isBan)
	}
	return false
}

// How long a gateway that starts waits for a store that is not there yet.
const (
	storePatience = 30 * time.Second
	storePause    = 500 * time.Millisecond
)

func (c *core) openStore(ctx context.Context, conf *configs.Loaded, log *slog.Logger) (_ state.Store, err error) {
	switch conf.State.Kind {
	case "memory":
		return memory.New(), nil
	case configs.Redis:
		if c.redis, err = openRedis(ctx, conf, log); err != nil {
			return nil, err
		}
		c.metrics.Trips(c.redis.Trips)
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

// openRedis connects, and waits for a Redis that is started with the gateway.
func openRedis(ctx context.Context, conf *configs.Loaded, log *slog.Logger) (*redis.Store, error) {
	redis.LogTo(log)
	options := RedisOptions(&conf.Config)
	for began, told := time.Now(), false; ; {
		store, err := redis.Open(ctx, options)
		switch {
		case err == nil:
			if err := checkDurability(ctx, store, conf, log); err != nil {
				return nil, errors.Join(err, store.Close())
			}
			return store, nil
		case !errors.Is(err, state.ErrAway) || time.Since(began) > storePatience:
			return nil, fmt.Errorf("state.url: %w", err)
		case !told:
			told = true
			log.Warn("the store does not answer yet and is waited for", "patience", storePatience.String(), "error", err)
		}
		if !wait(ctx, storePause) {
			return nil, fmt.Errorf("wait for the store: %w", context.Cause(ctx))
		}
	}
}
