package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"gatehouse/storage/state"
)

// A Wait is what a change of records waits for before it counts as made, so that a
// failover cannot lose it.
type Wait struct {
	// Replicas is how many of them must have it. Of a Cluster each master has its own.
	Replicas int
	// AOF demands that it is on the disks of the server and of these replicas
	// (WAITAOF, Redis 7.2), which with appendfsync everysec takes about a second.
	AOF bool
	// Timeout is how long is waited, 3 s where 0. What has not come so far then
	// is there, but not promised: a state.ErrUnknown, and a retry with the same
	// operation id waits again.
	Timeout time.Duration
	// For says which batches wait; nil: all. Counters and streams never do.
	For func(state.Batch) bool
}

func (w Wait) wanted() bool { return w.Replicas > 0 || w.AOF }

func (w Wait) timeout() time.Duration {
	if w.Timeout <= 0 {
		return 3 * time.Second
	}
	return max(w.Timeout, time.Millisecond) // 0 would be for ever
}

func (w Wait) validate() error {
	if w.Replicas < 0 {
		return invalid("a change cannot wait for %d replicas", w.Replicas)
	}
	return nil
}

// check refuses a server that cannot do what is waited for. It is asked once: one
// that takes its place and cannot fails each change that waits.
func (w Wait) check(ctx context.Context, s *Store) error {
	if !w.AOF {
		return nil
	}
	err := s.nodes(ctx, func(ctx context.Context, c *goredis.Client) error {
		known, err := c.Do(ctx, "COMMAND", "INFO", "waitaof").Slice()
		if err != nil && !mayNot(err) {
			return err
		}
		if err == nil && (len(known) == 0 || known[0] == nil) {
			return invalid("the server %s has no WAITAOF: that is of Redis 7.2", c.Options().Addr)
		}
		d, err := durabilityOf(ctx, c)
		if err == nil {
			err = d.tellsOfDisk()
		}
		return err
	})
	if err == nil || errors.Is(err, state.ErrInvalid) {
		return err
	}
	return judge(err).explained(err)
}

// tellsOfDisk refuses a server that never says that something is on its disk.
func (d Durability) tellsOfDisk() error {
	switch {
	case d.AppendOnly == "no":
		return invalid("the server %s cannot wait for its disk: appendonly is no", d.Server)
	case d.Fsync == "no":
		return invalid("the server %s never says what is on its disk: appendfsync is no", d.Server)
	}
	return nil
}

// waits reports whether a batch waits: one that changes something.
func (s *Store) waits(b state.Batch) bool {
	w := s.options.Wait
	return s.waiting != nil && len(b.Puts)+len(b.Deletes) > 0 && (w.For == nil || w.For(b))
}

// errFewer says that too few have a change that is there.
var errFewer = errors.New("the change is there, and too few have confirmed it")

// changeAndWait is change, with the wait behind it on the same connection, which
// knows what it has written: in the same round trip. It returns the answer also
// where the wait has failed.
func (s *Store) changeAndWait(ctx context.Context, script *goredis.Script, keys []string, args ...any) (any, error) {
	args = s.args(args)
	return write(ctx, s, keys[0], func(ctx context.Context) (any, error) {
		reply, err := s.pipelined(ctx, keys, script.EvalSha, args)
		if goredis.HasErrorPrefix(err, "NOSCRIPT") {
			reply, err = s.pipelined(ctx, keys, script.Eval, args)
		}
		return reply, err
	})
}

// An eval is one of the ways to run a script.
type eval func(ctx context.Context, c goredis.Scripter, keys []string, args ...any) *goredis.Cmd

// pipelined changes and waits, in one pipeline.
func (s *Store) pipelined(ctx context.Context, keys []string, run eval, args []any) (reply any, err error) {
	to, err := s.masterOf(ctx, keys[0])
	if err != nil {
		return nil, err
	}
	w := s.options.Wait
	var made, waited *goredis.Cmd
	_, _ = to.Pipelined(ctx, func(p goredis.Pipeliner) error { // each answer has its error
		made = run(ctx, p, keys, args...)
		if w.AOF {
			waited = p.Do(ctx, "WAITAOF", 1, w.Replicas, w.timeout().Milliseconds())
		} else {
			waited = p.Do(ctx, "WAIT", w.Replicas, w.timeout().Milliseconds())
		}
		return nil
	})
	if reply, err = made.Result(); err != nil {
		return nil, s.redirected(err)
	}
	confirmed, err := waited.Result()
	if err == nil {
		return reply, w.enough(confirmed)
	}
	if judge(err) == lost {
		return reply, err // the operation id finds it again
	}
	return reply, fmt.Errorf("%w: %w", errFewer, err)
}

// enough judges the answer of WAIT, which is a number, or of WAITAOF, which is two.
func (w Wait) enough(answer any) error {
	local, replicas := int64(1), int64(0)
	switch answer := answer.(type) {
	case int64:
		replicas = answer
	case []any:
		if len(answer) == 2 {
			local, _ = answer[0].(int64)
			replicas, _ = answer[1].(int64)
		}
	}
	switch {
	case local < 1:
		return fmt.Errorf("%w: it is not on the server's disk within %s", errFewer, w.timeout())
	case replicas < int64(w.Replicas):
		return fmt.Errorf("%w: %d of %d replicas within %s", errFewer, replicas, w.Replicas, w.timeout())
	}
	return nil
}

// masterOf is the client of the one server that has a key: a wait has no key by
// which a Cluster would find it.
func (s *Store) masterOf(ctx context.Context, key string) (*goredis.Client, error) {
	switch client := s.waiting.(type) {
	case *goredis.ClusterClient:
		s.trips.Add(1) // which its own hooks do not see
		return client.MasterForKey(ctx, key)
	case *goredis.Client:
		return client, nil
	}
	return nil, fmt.Errorf("a client of the type %T", s.waiting)
}

// errMoved says that another server of the Cluster has the key by now.
var errMoved = errors.New("redis: the key is on another server of the Cluster")

// redirected is the error of a server of a Cluster that sends on to another: the
// call was not made, and is when it is tried again.
func (s *Store) redirected(err error) error {
	_, cluster := s.waiting.(*goredis.ClusterClient)
	if cluster && (strings.HasPrefix(err.Error(), "MOVED ") || strings.HasPrefix(err.Error(), "ASK ")) {
		return fmt.Errorf("%w: %s", errMoved, err.Error())
	}
	return err
}
