// Package redis keeps state in Redis (7.0 or newer: alone, replicated with
// Sentinel, or a Cluster), for several gateways at once. Each write is one
// script, on one server, in one round trip: it checks, writes, remembers its
// operation id and logs what has changed. Time is the server's.
//
// All keys of a scope or a stream have its name as hash tag, so that they lie
// together in a Cluster. With the prefix "gh:" the scope "s" has
//
//	gh:{s}:v         its revision; it never goes, so that no revision comes again
//	gh:{s}:r         hash: the name of a record, and "revision:end:value"
//	gh:{s}:n         sorted set of the names, for listing
//	gh:{s}:x         sorted set of the names of records with an end, by it (µs)
//	gh:{s}:l         stream, the change log: an entry for each revision; bounded,
//	                 and gone after a quiet hour
//	gh:{s}:o0, o1    hashes: operation ids of these and of the last ten minutes
//	gh:{s}:i         sorted set of the names of counters, by their end
//	gh:{s}:c:NAME    hash: a counter
//	gh:{s}:d:NAME    sorted set: members of the counter with an end, by it
//
// and the stream "s"
//
//	gh:{s}:s         hash: its last position, and the last one trimmed
//	gh:{s}:e         stream: the entries, with their positions as ids
//	gh:{s}:so0, so1  operation ids, as above
//
// In a name "%" is "%25" and "}" is "%7D". A write tells of itself on the
// channel "gh:{s}", which is only a hint: what was missed is read from the log.
// "gh:format" is the version of all this, "gh:loading" stands while a dump is loaded. What has ended goes with its key
// or with the next writes to its scope.
package redis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	goredis "github.com/redis/go-redis/v9"

	"gatehouse/storage/state"
	"gatehouse/storage/state/watch"
)

// Store is a state.Store in Redis. Its clock is the server's.
//
// A call that fails because the server is away, or takes no changes, is a
// state.ErrAway, and was not made, state.ErrFull where it has no memory for it; one
// of which the answer was lost is tried again with the same operation id, and a
// state.ErrUnknown where that does not settle it. A caller whose context is cancelled
// is let go at once.
type Store struct {
	client  goredis.UniversalClient
	waiting goredis.UniversalClient // for what waits for replicas; nil where nothing does
	nodes   func(context.Context, func(context.Context, *goredis.Client) error) error
	keys    keys
	scripts scripts
	options Options
	hub     watch.Hub
	hints   hints
	reach   reach   // of a server alone, or of who is the master
	reaches reaches // of a Cluster
	trips   atomic.Uint64
	ahead   atomic.Int64 // set by tests: the server's clock is so much ahead

	mu     sync.Mutex // guards what follows
	closed bool
	calls  sync.WaitGroup
}

var _ state.Store = (*Store)(nil)

// format is the version of the keys and their values.
const format = 1

// Open connects to a Redis. It returns a state.ErrAway where none answers, a
// state.ErrNewer where a newer program has been, and takes out what a load that
// broke off has left there.
func Open(ctx context.Context, o Options) (*Store, error) {
	o = o.withDefaults()
	client, err := o.connect(0)
	if err != nil {
		return nil, err
	}
	s := &Store{client: client, keys: keys(o.Prefix), options: o}
	client.AddHook(trips{&s.trips})
	s.nodes = eachOf(client)
	if s.scripts, err = readScripts(); err == nil {
		err = s.check(ctx)
	}
	if err == nil && o.Wait.wanted() {
		if s.waiting, err = o.connect(o.Wait.timeout()); err == nil {
			s.waiting.AddHook(trips{&s.trips})
		}
	}
	if err != nil {
		return nil, errors.Join(err, s.disconnect())
	}
	s.hints.begin(s)
	return s, nil
}

// check asks whether a server answers, and what was written there before.
func (s *Store) check(ctx context.Context) error {
	found := 0
	err := s.nodes(ctx, func(ctx context.Context, c *goredis.Client) error { return c.Ping(ctx).Err() })
	if err == nil {
		found, err = s.format(ctx)
	}
	if err != nil {
		return fmt.Errorf("open the state: %w", judge(err).explained(err))
	}
	if found > format {
		return fmt.Errorf("open the state: %w: format %d", state.ErrNewer, found)
	}
	if err := s.cleanUp(ctx); err != nil {
		return fmt.Errorf("open the state: %w", err)
	}
	if err := s.options.Wait.check(ctx, s); err != nil {
		return fmt.Errorf("open the state: %w", err)
	}
	return nil
}

func (s *Store) disconnect() error {
	if s.waiting == nil {
		return s.client.Close()
	}
	return errors.Join(s.client.Close(), s.waiting.Close())
}

// format is that of what is there; it sets it where there is none.
func (s *Store) format(ctx context.Context) (int, error) {
	found, err := s.client.Get(ctx, s.keys.format()).Int()
	if errors.Is(err, goredis.Nil) {
		return format, s.client.SetNX(ctx, s.keys.format(), format, 0).Err()
	}
	return found, err
}

// eachOf calls for each server that is written to, at once for those of a Cluster.
func eachOf(client goredis.UniversalClient) func(context.Context, func(context.Context, *goredis.Client) error) error {
	return func(ctx context.Context, do func(context.Context, *goredis.Client) error) error {
		switch client := client.(type) {
		case *goredis.ClusterClient:
			return client.ForEachMaster(ctx, do)
		case *goredis.Client:
			return do(ctx, client)
		}
		return fmt.Errorf("a client of the type %T", client)
	}
}

// Close waits for what was begun and lets the connections go. A call under way
// takes Options.Timeout at the most.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return state.ErrClosed
	}
	s.closed = true
	s.mu.Unlock()
	s.hub.Close()
	s.hints.end()
	s.calls.Wait()
	if err := s.disconnect(); err != nil {
		return fmt.Errorf("close the state: %w", err)
	}
	return nil
}

// begin is called before anything is asked of Redis; s.calls.Done after it.
func (s *Store) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return state.ErrClosed
	}
	s.calls.Add(1)
	return nil
}
