package redis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"gatehouse/storage/state"
)

// standstill is how long the writers of a Cluster may be kept waiting for a
// dump: it is given up when it takes longer.
const standstill = 10 * time.Second

// Dump implements state.Store. Records are read first and held in memory; then,
// in one moment in which nothing is written, only what has changed since,
// counters and where streams end. In a Cluster that moment needs the right to
// CLIENT PAUSE. Entries that are trimmed while the dump runs may be missing.
func (s *Store) Dump(ctx context.Context) iter.Seq2[state.Item, error] {
	return func(yield func(state.Item, error) bool) {
		seen, err := s.look(ctx)
		if err != nil {
			yield(state.Item{}, fmt.Errorf("dump the state: %w", err))
			return
		}
		for _, name := range slices.Sorted(maps.Keys(seen.scopes)) {
			for _, item := range seen.scopes[name].items(name, seen.now) {
				if err := ctx.Err(); err != nil {
					yield(state.Item{}, err)
					return
				}
				if !yield(item, nil) {
					return
				}
			}
		}
		for _, name := range slices.Sorted(maps.Keys(seen.streams)) {
			if !s.dumpStream(ctx, name, seen.streams[name], yield) {
				return
			}
		}
	}
}

// A sight is what there was at one moment.
type sight struct {
	now     time.Time
	scopes  map[string]*scope
	streams map[string]ends
}

// A scope is its records and its counters, which stand for themselves as JSON.
type scope struct {
	revision uint64
	records  []state.Record
	counters map[string][]byte
}

// ends are the last position of a stream and the last one trimmed.
type ends struct{ last, first uint64 }

func (sc *scope) items(name string, now time.Time) []state.Item {
	items := []state.Item{{Kind: state.ItemScope, Scope: name, Revision: sc.revision}}
	for _, r := range sc.records {
		if r.Expires.IsZero() || r.Expires.After(now) {
			items = append(items, state.Item{
				Kind: state.ItemRecord, Scope: name, Name: r.Name,
				Value: r.Value, Revision: r.Revision, Expires: r.Expires,
			})
		}
	}
	for _, counter := range slices.Sorted(maps.Keys(sc.counters)) {
		items = append(items, state.Item{Kind: state.ItemCounter, Scope: name, Name: counter, Value: sc.counters[counter]})
	}
	return items
}

func (s *Store) dumpStream(ctx context.Context, name string, e ends, yield func(state.Item, error) bool) bool {
	if !yield(state.Item{Kind: state.ItemStream, Scope: name, Revision: e.last}, nil) {
		return false
	}
	for at := e.first; at < e.last; {
		entries, err := s.Read(ctx, name, at, int(min(e.last-at, readSize)))
		if err != nil {
			yield(state.Item{}, err)
			return false
		}
		for _, entry := range entries {
			if at != e.first && entry.Position != at+1 {
				yield(state.Item{}, fmt.Errorf("dump the stream %q: it was trimmed meanwhile", name))
				return false
			}
			at = entry.Position
			if at <= e.last && !yield(state.Item{
				Kind: state.ItemEntry, Scope: name, Value: entry.Value, Revision: at, Expires: entry.Time,
			}, nil) {
				return false
			}
		}
		if len(entries) == 0 {
			break
		}
	}
	return true
}

// look reads records without hurry, then what has changed, in one moment.
func (s *Store) look(ctx context.Context) (*sight, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.calls.Done()
	names, err := s.scan(ctx, "all")
	if err != nil {
		return nil, err
	}
	known := make(map[string]*scope)
	for name := range names {
		sc, whole, err := s.lookAt(ctx, name)
		if err != nil {
			return nil, err
		}
		if whole {
			known[name] = sc
		}
	}
	return s.moment(ctx, known)
}

// lookAt reads the records of a scope; whole where they are of one revision.
func (s *Store) lookAt(ctx context.Context, name string) (sc *scope, whole bool, err error) {
	sc = new(scope)
	if sc.revision, err = s.revision(ctx, name); err != nil {
		return nil, false, err
	}
	page, err := s.list(ctx, name, "", "", math.MaxInt)
	if err != nil {
		return nil, false, err
	}
	sc.records = page.Records
	after, err := s.revision(ctx, name)
	return sc, err == nil && after == sc.revision, err
}

// moment sees all servers as of one moment, but for the records that are known.
func (s *Store) moment(ctx context.Context, known map[string]*scope) (*sight, error) {
	args := []any{string(s.keys)}
	for name, sc := range known {
		args = append(args, escaper.Replace(name), sc.revision)
	}
	var mu sync.Mutex
	var replies []any
	err := s.still(ctx, func(ctx context.Context, c goredis.Scripter) error {
		reply, err := s.scripts.moment.RunRO(ctx, c, nil, s.args(args)...).Result()
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		replies = append(replies, reply)
		return nil
	})
	if err != nil {
		return nil, judge(err).explained(err)
	}
	seen := &sight{scopes: make(map[string]*scope), streams: make(map[string]ends)}
	for _, reply := range replies {
		if err := seen.take(reply, known); err != nil {
			return nil, err
		}
	}
	return seen, nil
}

// still calls do for each server while nothing is written. A single server needs
// nothing for it: the one script that do runs is alone. In a Cluster each has a
// connection that was taken before: writers who wait may hold all others.
func (s *Store) still(ctx context.Context, do func(context.Context, goredis.Scripter) error) error {
	if !s.options.isCluster() {
		return do(ctx, s.client)
	}
	ctx, cancel := context.WithTimeout(ctx, standstill*4/5)
	defer cancel()
	var mu sync.Mutex
	var held []*goredis.Conn
	began := time.Now()
	err := s.nodes(ctx, func(ctx context.Context, c *goredis.Client) error {
		conn := c.Conn()
		mu.Lock()
		held = append(held, conn)
		mu.Unlock()
		return conn.Do(ctx, "CLIENT", "PAUSE", standstill.Milliseconds(), "WRITE").Err()
	})
	if err == nil {
		err = forEach(held, func(c *goredis.Conn) error { return do(ctx, c) })
	}
	if err == nil && time.Since(began) >= standstill {
		err = fmt.Errorf("nothing may be written for more than %v", standstill)
	}
	// Who does not hear of it goes on by itself when the pause is over.
	after, end := context.WithTimeout(context.WithoutCancel(ctx), s.options.Timeout)
	defer end()
	goesOn := forEach(held, func(c *goredis.Conn) error {
		return errors.Join(c.Do(after, "CLIENT", "UNPAUSE").Err(), c.Close())
	})
	if err != nil {
		return fmt.Errorf("have the writers wait: %w", err)
	}
	return goesOn
}

// forEach calls do for all connections at once.
func forEach(conns []*goredis.Conn, do func(*goredis.Conn) error) error {
	failed := make([]error, len(conns))
	var all sync.WaitGroup
	for i, c := range conns {
		all.Go(func() { failed[i] = do(c) })
	}
	all.Wait()
	return errors.Join(failed...)
}

// take takes in what a server has.
func (seen *sight) take(reply any, known map[string]*scope) error {
	list, _ := reply.([]any)
	if len(list) == 0 {
		return fmt.Errorf("%w: a moment of the type %T", errDamaged, reply)
	}
	now, err := timeOf(fmt.Sprint(list[0]))
	if err != nil {
		return fmt.Errorf("%w: time: %w", errDamaged, err)
	}
	if now.After(seen.now) {
		seen.now = now
	}
	for _, one := range list[1:] {
		if err := seen.takeOne(one, known); err != nil {
			return err
		}
	}
	return nil
}

func (seen *sight) takeOne(one any, known map[string]*scope) error {
	parts, _ := one.([]any)
	if len(parts) < 4 {
		return fmt.Errorf("%w: a piece of a moment", errDamaged)
	}
	head, err := texts(parts[:3])
	if err != nil {
		return err
	}
	name := unescaper.Replace(head[1])
	switch head[0] {
	case "scope":
		revision, err := strconv.ParseUint(head[2], 10, 64)
		if err != nil {
			return fmt.Errorf("%w: revision of %q", errDamaged, name)
		}
		sc := seen.scope(name)
		sc.revision = revision
		if len(parts) == 4 {
			sc.records = known[name].records
			return nil
		}
		sc.records, err = decodeRecords(parts[4])
		return err
	case "counter":
		counter, err := decodeStored(parts[3])
		seen.scope(name).counters[head[2]] = counter
		return err
	case "stream":
		last, err := strconv.ParseUint(head[2], 10, 64)
		first, errFirst := strconv.ParseUint(fmt.Sprint(parts[3]), 10, 64)
		if err != nil || errFirst != nil {
			return fmt.Errorf("%w: stream %q", errDamaged, name)
		}
		seen.streams[name] = ends{last, first}
	}
	return nil
}

func (seen *sight) scope(name string) *scope {
	sc := seen.scopes[name]
	if sc == nil {
		sc = &scope{counters: make(map[string][]byte)}
		seen.scopes[name] = sc
	}
	return sc
}

// decodeRecords reads a hash of records, in order of name.
func decodeRecords(reply any) ([]state.Record, error) {
	flat, err := texts(reply)
	if err != nil {
		return nil, err
	}
	var records []state.Record
	for i := 0; i+1 < len(flat); i += 2 {
		r, err := decodeRecord(flat[i], flat[i+1])
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	slices.SortFunc(records, func(a, b state.Record) int { return strings.Compare(a.Name, b.Name) })
	return records, nil
}

// decodeStored turns the fields of a counter into what dumps have of it.
func decodeStored(reply any) ([]byte, error) {
	flat, err := texts(reply)
	if err != nil {
		return nil, err
	}
	fields := make(map[string]string, len(flat)/2)
	for i := 0; i+1 < len(flat); i += 2 {
		fields[flat[i]] = flat[i+1]
	}
	c, err := decodeCounter(fields)
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("dump a counter: %w", err)
	}
	return b, nil
}
