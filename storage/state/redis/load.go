package redis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"gatehouse/storage/state"
	"gatehouse/storage/state/counter"
)

const (
	// A load is sent in pieces of about this many bytes or commands.
	loadBytes, loadCommands = 4 << 20, 1000
	// loadLease is how long a load that says nothing is taken to be at work.
	loadLease = 2 * time.Minute
)

// errLoading says that another one fills the store, errTaken that one who began
// since has taken a load for broken off.
var (
	errLoading = errors.New("the state in Redis is being loaded")
	errTaken   = errors.New("the load stood still for too long, and what it had sent was taken out")
)

// Load implements state.Store. It is marked while it runs: what a load that
// broke off has left is taken out, at once or by the next Open. Nothing keeps
// other gateways from writing meanwhile: there must be none.
func (s *Store) Load(ctx context.Context, items iter.Seq2[state.Item, error]) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.calls.Done()
	if err := s.load(ctx, items); err != nil {
		return fmt.Errorf("load the state: %w", err)
	}
	return nil
}

func (s *Store) load(ctx context.Context, items iter.Seq2[state.Item, error]) error {
	mark := string(state.NewOperationID())
	if err := s.mark(ctx, mark); err != nil {
		return err
	}
	l := &loader{
		store: s, ctx: ctx, mark: mark, pipe: s.client.Pipeline(),
		streams: make(map[string]*filling), scopes: make(map[string]uint64),
	}
	err := l.all(items)
	if err == nil {
		err = s.holds(ctx, mark)
	}
	if err == nil {
		err = s.unmark(ctx)
	}
	if err != nil {
		return errors.Join(err, s.undo(ctx, mark))
	}
	for name := range l.scopes {
		s.hub.Notify(name)
	}
	return nil
}

// undo takes out what a load has sent, unless what is there now is another's.
func (s *Store) undo(ctx context.Context, mark string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadLease)
	defer cancel()
	if err := s.holds(ctx, mark); err != nil {
		return err
	}
	return s.wipe(ctx)
}

// wantEmpty returns state.ErrNotEmpty where there is a scope or a stream.
func (s *Store) wantEmpty(ctx context.Context) error {
	return s.eachKey(ctx, "{*}:?", func(context.Context, *goredis.Client, []string) error { return state.ErrNotEmpty })
}

// eachKey calls do with the keys of a pattern, some at a time.
func (s *Store) eachKey(ctx context.Context, pattern string, do func(context.Context, *goredis.Client, []string) error) error {
	return s.nodes(ctx, func(ctx context.Context, c *goredis.Client) error {
		for cursor := uint64(0); ; {
			found, next, err := c.Scan(ctx, cursor, string(s.keys)+pattern, 1000).Result()
			if err != nil {
				return judge(err).explained(err)
			}
			if len(found) > 0 {
				if err := do(ctx, c, found); err != nil {
					return err
				}
			}
			if cursor = next; cursor == 0 {
				return nil
			}
		}
	})
}

// mark marks an empty store as not whole. The lease comes first: two that load or
// clean up keep each other out, and what it leaves alone does no harm, while who
// finds the mark without it takes out everything.
func (s *Store) mark(ctx context.Context, mark string) error {
	if err := s.seize(ctx); err != nil {
		return err
	}
	err := s.wantEmpty(ctx)
	if err == nil {
		var first bool
		if first, err = s.client.SetNX(ctx, s.keys.loading(), mark, 0).Result(); err == nil && !first {
			err = errLoading
		} else if err != nil {
			err = judge(err).explained(err)
		}
	}
	if err != nil {
		return errors.Join(err, s.client.Del(ctx, s.keys.lease()).Err())
	}
	return nil
}

// seize takes the lease that nobody may hold.
func (s *Store) seize(ctx context.Context) error {
	first, err := s.client.SetNX(ctx, s.keys.lease(), "1", loadLease).Result()
	if err != nil {
		return judge(err).explained(err)
	}
	if !first {
		return errLoading
	}
	return nil
}

// holds returns errTaken where the mark of a load is no longer there.
func (s *Store) holds(ctx context.Context, mark string) error {
	found, err := s.client.Get(ctx, s.keys.loading()).Result()
	if err != nil && !errors.Is(err, goredis.Nil) {
		return judge(err).explained(err)
	}
	if found != mark {
		return errTaken
	}
	return nil
}

func (s *Store) unmark(ctx context.Context) error {
	return errors.Join(s.client.Del(ctx, s.keys.loading()).Err(), s.client.Del(ctx, s.keys.lease()).Err())
}

// wipe takes out everything.
func (s *Store) wipe(ctx context.Context) error {
	err := s.eachKey(ctx, "{*", func(ctx context.Context, c *goredis.Client, found []string) error {
		if err := s.client.Set(ctx, s.keys.lease(), "1", loadLease).Err(); err != nil {
			return err
		}
		pipe := c.Pipeline() // of a Cluster, keys of several slots go one by one
		for _, key := range found {
			pipe.Unlink(ctx, key)
		}
		_, err := pipe.Exec(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("take out what was loaded: %w", err)
	}
	return s.unmark(ctx)
}

// cleanUp takes out what a load has left that will not go on. One alone does it,
// and looks again once nobody else can: what was written since would go too.
func (s *Store) cleanUp(ctx context.Context) error {
	marked, err := s.client.Exists(ctx, s.keys.loading()).Result()
	if err != nil {
		return judge(err).explained(err)
	}
	if marked == 0 {
		return nil
	}
	err = s.seize(ctx)
	if errors.Is(err, errLoading) {
		return fmt.Errorf("%w: %w", state.ErrAway, err) // it will be there
	}
	if err != nil {
		return err
	}
	if marked, err = s.client.Exists(ctx, s.keys.loading()).Result(); err != nil || marked == 0 {
		return errors.Join(err, s.client.Del(ctx, s.keys.lease()).Err())
	}
	return s.wipe(ctx)
}

// A loader sends items in pieces.
type loader struct {
	store   *Store
	ctx     context.Context // of the one call of Load that this serves
	mark    string
	pipe    goredis.Pipeliner
	size    int
	streams map[string]*filling
	scopes  map[string]uint64 // with their revisions
}

// filling is how far a stream has come: at 0 it has no entry yet.
type filling struct{ at, last uint64 }

func (l *loader) all(items iter.Seq2[state.Item, error]) error {
	for item, err := range items {
		if err == nil {
			err = l.ctx.Err()
		}
		if err == nil {
			err = item.Validate()
		}
		if err == nil {
			err = l.add(item)
		}
		if err == nil && (l.size > loadBytes || l.pipe.Len() > loadCommands) {
			err = l.send()
		}
		if err != nil {
			return err
		}
	}
	for name, f := range l.streams {
		if f.at != 0 && f.at != f.last {
			return fmt.Errorf("%w: entries of the stream %q are missing", state.ErrInvalid, name)
		}
	}
	return l.send()
}

// send sends what was added. Of an entry that is there already an answer was
// lost, and go-redis has sent it again.
func (l *loader) send() error {
	if err := l.store.holds(l.ctx, l.mark); err != nil {
		return err
	}
	l.pipe.Set(l.ctx, l.store.keys.lease(), "1", loadLease)
	l.size = 0
	cmds, err := l.pipe.Exec(l.ctx)
	if err == nil {
		return nil
	}
	for _, cmd := range cmds {
		if err := cmd.Err(); err != nil && !strings.Contains(err.Error(), "equal or smaller") {
			return judge(err).explained(err)
		}
	}
	return nil
}

func (l *loader) add(item state.Item) error {
	if item.Revision > maxRevision {
		return fmt.Errorf("%w: revision %d of %q is too great", state.ErrInvalid, item.Revision, item.Scope)
	}
	l.size += len(item.Value) + len(item.Name) + len(item.Scope)
	switch item.Kind {
	case state.ItemScope:
		l.scope(item)
	case state.ItemRecord:
		l.scope(item)
		l.record(item)
	case state.ItemCounter:
		return l.counter(item)
	case state.ItemStream:
		l.streams[item.Scope] = &filling{last: item.Revision}
		l.pipe.HSet(l.ctx, l.store.keys.key(item.Scope, "s"), "last", item.Revision, "first", item.Revision)
	case state.ItemEntry:
		return l.entry(item)
	}
	return nil
}

// scope has a scope's revision be at least that of the item.
func (l *loader) scope(item state.Item) {
	if item.Revision > l.scopes[item.Scope] {
		l.scopes[item.Scope] = item.Revision
		l.pipe.Set(l.ctx, l.store.keys.key(item.Scope, "v"), item.Revision, 0)
	}
}

func (l *loader) record(item state.Item) {
	keys := l.store.keys.some(item.Scope, "r", "n", "x")
	l.pipe.HSet(l.ctx, keys[0], item.Name, encodeRecord(state.Record{Value: item.Value, Revision: item.Revision, Expires: item.Expires}))
	l.pipe.ZAdd(l.ctx, keys[1], goredis.Z{Member: item.Name})
	if !item.Expires.IsZero() {
		l.pipe.ZAdd(l.ctx, keys[2], goredis.Z{Member: item.Name, Score: micros(item.Expires)})
	}
}

func (l *loader) counter(item state.Item) error {
	var c counter.State
	if err := json.Unmarshal(item.Value, &c); err != nil {
		return fmt.Errorf("counter %q of %q: %w", item.Name, item.Scope, err)
	}
	if c.Empty() {
		return nil
	}
	keys := l.store.keys.some(item.Scope, "c:"+item.Name, "d:"+item.Name, "i")
	l.pipe.HSet(l.ctx, keys[0], encodeCounter(c)...)
	if c.Distinct != nil {
		for member, end := range c.Distinct.Members {
			if !end.IsZero() {
				l.pipe.ZAdd(l.ctx, keys[1], goredis.Z{Member: member, Score: micros(end)})
			}
		}
	}
	score := "+inf"
	if end := c.Expires(); !end.IsZero() {
		score = strconv.FormatFloat(micros(end), 'f', -1, 64)
		l.pipe.PExpireAt(l.ctx, keys[0], end.Add(time.Millisecond))
		l.pipe.PExpireAt(l.ctx, keys[1], end.Add(time.Millisecond))
	}
	l.pipe.Do(l.ctx, "ZADD", keys[2], score, item.Name)
	return nil
}

// encodeCounter is the inverse of decodeCounter.
func encodeCounter(c counter.State) []any {
	fields := []any{"e", instant(c.Expires())}
	switch {
	case c.Lease != nil:
		fields = append(fields, "k", "lease", "l", c.Lease.Limit, "u", c.Lease.Used, "g", c.Lease.Grown, "n", c.Lease.Recounts)
		if c.Lease.LimitAt > 0 {
			fields = append(fields, "a", c.Lease.LimitAt)
		}
		for holder, n := range c.Lease.Held {
			fields = append(fields, "h"+holder, n)
		}
		for holder, end := range c.Lease.Buried {
			fields = append(fields, "b"+holder, end.UnixNano())
		}
	case c.Window != nil:
		fields = append(fields, "k", "window", "p", c.Window.Period.Nanoseconds(), "b", packed(c.Window))
	case c.Distinct != nil:
		fields = append(fields, "k", "distinct")
		for member, end := range c.Distinct.Members {
			fields = append(fields, "m"+member, instant(end))
		}
	}
	return fields
}

// entry takes the entries of a stream in order, without a gap.
func (l *loader) entry(item state.Item) error {
	f := l.streams[item.Scope]
	if f == nil {
		return fmt.Errorf("%w: entry before its stream %q", state.ErrInvalid, item.Scope)
	}
	keys := l.store.keys.some(item.Scope, "s", "e")
	switch {
	case f.at == 0:
		l.pipe.HSet(l.ctx, keys[0], "first", item.Revision-1)
	case item.Revision != f.at+1:
		return fmt.Errorf("%w: gap in the stream %q", state.ErrInvalid, item.Scope)
	}
	f.at = item.Revision
	l.pipe.XAdd(l.ctx, &goredis.XAddArgs{
		Stream: keys[1], ID: fmt.Sprintf("%d-0", item.Revision),
		Values: []any{"t", instant(item.Expires), "v", item.Value},
	})
	return nil
}

// micros is a time as a score, rounded up as scripts do.
func micros(t time.Time) float64 { return float64((t.UnixNano() + 999) / 1000) }
