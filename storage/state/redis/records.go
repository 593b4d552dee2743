package redis

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"gatehouse/storage/state"
)

const (
	// maxRevision is the greatest number that a script can count to.
	maxRevision = 1 << 53
	// pageBytes is about how much one answer of a listing has.
	pageBytes = 4 << 20
	// pageSize is the most records of one answer: a script holds the server up.
	pageSize = 1000
)

// Get implements state.Store.
func (s *Store) Get(ctx context.Context, scope, name string) (state.Record, error) {
	if err := s.begin(ctx); err != nil {
		return state.Record{}, err
	}
	defer s.calls.Done()
	if !valid(scope) {
		return state.Record{}, state.ErrNotFound
	}
	reply, err := s.ask(ctx, s.scripts.get, s.keys.some(scope, "r"), name)
	if errors.Is(err, goredis.Nil) {
		return state.Record{}, state.ErrNotFound
	}
	if err != nil {
		return state.Record{}, fmt.Errorf("get %q of %q: %w", name, scope, err)
	}
	stored, _ := reply.(string)
	return decodeRecord(name, stored)
}

// decodeRecord reads a record as it is stored.
func decodeRecord(name, stored string) (state.Record, error) {
	revision, rest, _ := strings.Cut(stored, ":")
	end, value, ok := strings.Cut(rest, ":")
	r := state.Record{Name: name, Value: []byte(value)}
	var err, errEnd error
	r.Revision, err = strconv.ParseUint(revision, 10, 64)
	r.Expires, errEnd = timeOf(end)
	if !ok || err != nil || errEnd != nil {
		return state.Record{}, fmt.Errorf("%w: record %q", errDamaged, name)
	}
	return r, nil
}

func encodeRecord(r state.Record) string {
	return strconv.FormatUint(r.Revision, 10) + ":" + instant(r.Expires) + ":" + string(r.Value)
}

// instant is a time as scripts have it: nanoseconds, empty for the zero time.
func instant(t time.Time) string {
	switch {
	case t.IsZero():
		return ""
	case t.After(time.Unix(0, math.MaxInt64)):
		return strconv.FormatInt(math.MaxInt64, 10)
	}
	return strconv.FormatInt(max(t.UnixNano(), 1), 10)
}

func timeOf(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return time.Unix(0, n).UTC(), err
}

// List implements state.Store. A long page takes several answers, and what is
// written between them may show in it.
func (s *Store) List(ctx context.Context, scope, prefix, after string, limit int) (state.Page, error) {
	if err := s.begin(ctx); err != nil {
		return state.Page{}, err
	}
	defer s.calls.Done()
	if !valid(scope) {
		return state.Page{}, nil
	}
	page, err := s.list(ctx, scope, prefix, after, state.Limit(limit))
	if err != nil {
		return state.Page{}, fmt.Errorf("list %q: %w", scope, err)
	}
	return page, nil
}

func (s *Store) list(ctx context.Context, scope, prefix, after string, limit int) (state.Page, error) {
	var page state.Page
	for {
		first, last := bounds(prefix, after)
		reply, err := s.ask(ctx, s.scripts.list, s.keys.some(scope, "n", "r"),
			first, last, min(limit-len(page.Records), pageSize), pageBytes)
		if err != nil {
			return state.Page{}, err
		}
		found, err := texts(reply)
		if err != nil || len(found)%2 != 1 {
			return state.Page{}, errors.Join(errDamaged, err)
		}
		for i := 1; i < len(found); i += 2 {
			r, err := decodeRecord(found[i], found[i+1])
			if err != nil {
				return state.Page{}, err
			}
			page.Records = append(page.Records, r)
			after = r.Name
		}
		page.More = found[0] == "1"
		if !page.More || len(page.Records) == limit {
			return page, nil
		}
	}
}

// bounds are those of a range of names that begin with prefix and stand after after.
func bounds(prefix, after string) (first, last string) {
	first, last = "["+prefix, "+"
	if after >= prefix && after != "" {
		first = "(" + after
	}
	// The first name beyond the prefix is it, with its last byte one greater.
	end := len(prefix)
	for end > 0 && prefix[end-1] == 0xff {
		end--
	}
	if end > 0 {
		last = "(" + prefix[:end-1] + string([]byte{prefix[end-1] + 1})
	}
	return first, last
}

// Revision implements state.Store.
func (s *Store) Revision(ctx context.Context, scope string) (uint64, error) {
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.calls.Done()
	if !valid(scope) {
		return 0, nil
	}
	revision, err := s.revision(ctx, scope)
	if err != nil {
		return 0, fmt.Errorf("revision of %q: %w", scope, err)
	}
	return revision, nil
}

func (s *Store) revision(ctx context.Context, scope string) (uint64, error) {
	key := s.keys.key(scope, "v")
	revision, err := read(ctx, s, key, func(ctx context.Context) (uint64, error) { return s.client.Get(ctx, key).Uint64() })
	if errors.Is(err, goredis.Nil) {
		return 0, nil
	}
	return revision, err
}

// Apply implements state.Store.
func (s *Store) Apply(ctx context.Context, b state.Batch) (state.Result, error) {
	if err := b.Validate(); err != nil {
		return state.Result{}, err
	}
	if err := s.begin(ctx); err != nil {
		return state.Result{}, err
	}
	defer s.calls.Done()
	change := s.change
	if s.waits(b) {
		change = s.changeAndWait
	}
	reply, err := change(ctx, s.scripts.apply, s.keys.some(b.Scope, "v", "r", "n", "x", "l", "o0", "o1"), s.batch(ctx, b)...)
	if reply == nil && err != nil {
		return state.Result{}, fmt.Errorf("change %q: %w", b.Scope, err)
	}
	result, refusal := decodeResult(reply)
	if refusal != nil {
		return state.Result{}, refusal
	}
	if len(b.Puts)+len(b.Deletes) > 0 {
		s.hub.Notify(b.Scope)
	}
	if err != nil {
		return state.Result{}, fmt.Errorf("change %q: %w", b.Scope, err)
	}
	return result, nil
}

// batch is a batch as the script's arguments.
func (s *Store) batch(ctx context.Context, b state.Batch) []any {
	args := make([]any, 0, 9+2*len(b.Checks)+len(b.Deletes)+3*len(b.Puts))
	args = append(args, field("a", b.ID), s.options.Changes, s.options.Keep.Milliseconds(), s.keys.channel(b.Scope),
		len(b.Checks), len(b.Deletes), len(b.Puts), flag(state.IsVital(ctx) || s.options.Vital != nil && s.options.Vital(b)))
	for _, c := range b.Checks {
		args = append(args, c.Name, c.Revision)
	}
	for _, name := range b.Deletes {
		args = append(args, name)
	}
	for _, p := range b.Puts {
		args = append(args, p.Name, p.Value, p.TTL.Nanoseconds())
	}
	return args
}

// flag is how scripts are told that a call is made also where memory is full.
func flag(vital bool) string {
	if vital {
		return "vital"
	}
	return ""
}

func decodeResult(reply any) (state.Result, error) {
	found, err := texts(reply)
	if err != nil {
		return state.Result{}, err
	}
	if len(found) < 2 {
		return state.Result{}, fmt.Errorf("%w: the answer to a batch", errDamaged)
	}
	revision, err := strconv.ParseUint(found[len(found)-1], 10, 64)
	if err != nil {
		return state.Result{}, fmt.Errorf("%w: revision: %w", errDamaged, err)
	}
	if found[0] == "conflict" {
		return state.Result{}, &state.ConflictError{Name: found[1], Revision: revision}
	}
	return state.Result{Revision: revision}, nil
}
