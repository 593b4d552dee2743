package redis

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"gatehouse/storage/state"
)

const (
	// readSize is the most entries of one answer.
	readSize = 500
	// trimSize is how many entries one script drops.
	trimSize = 5000
)

// Append implements state.Store.
func (s *Store) Append(ctx context.Context, stream string, id state.OperationID, entries ...[]byte) (uint64, error) {
	if err := state.CheckAppend(ctx, stream, entries); err != nil {
		return 0, err
	}
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.calls.Done()
	run, of := state.RunOf(ctx)
	keys := s.keys.some(stream, "s", "e", "so0", "so1")
	args := make([]any, 0, 3+len(entries))
	args = append(args, field("s", id), flag(state.IsVital(ctx)), "")
	if of {
		keys = append(keys, s.keys.key(stream, "w:"+run.Name))
		args[2] = run.Number
	}
	for _, e := range entries {
		args = append(args, e)
	}
	reply, err := s.change(ctx, s.scripts.appendTo, keys, args...)
	if err != nil {
		return 0, fmt.Errorf("append to %q: %w", stream, err)
	}
	position, err := appended(reply, run)
	if err != nil {
		return 0, fmt.Errorf("append to %q: %w", stream, err)
	}
	return position, nil
}

// appended reads the answer to an append: a position, or the number of a later run.
func appended(reply any, r state.Run) (uint64, error) {
	text, made := reply.(string)
	if later, ok := reply.([]any); ok && len(later) == 1 {
		text, _ = later[0].(string)
	}
	n, err := strconv.ParseUint(text, 10, 64)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%w: position: %w", errDamaged, err)
	case !made:
		return 0, &state.OvertakenError{Name: r.Name, Number: n}
	}
	return n, nil
}

// Read implements state.Store.
func (s *Store) Read(ctx context.Context, stream string, after uint64, limit int) ([]state.Entry, error) {
	return s.pieces(ctx, stream, limit, func(ctx context.Context, key string, last *state.Entry, n int64) *goredis.XMessageSliceCmd {
		if last != nil {
			after = last.Position
		}
		if after == math.MaxUint64 {
			return nil
		}
		return s.client.XRangeN(ctx, key, fmt.Sprintf("%d-0", after+1), "+", n)
	})
}

// ReadBack implements state.Store.
func (s *Store) ReadBack(ctx context.Context, stream string, before uint64, limit int) ([]state.Entry, error) {
	return s.pieces(ctx, stream, limit, func(ctx context.Context, key string, last *state.Entry, n int64) *goredis.XMessageSliceCmd {
		if last != nil {
			before = last.Position
		}
		switch before {
		case 0:
			return s.client.XRevRangeN(ctx, key, "+", "-", n)
		case 1:
			return nil
		}
		return s.client.XRevRangeN(ctx, key, fmt.Sprintf("%d-0", before-1), "-", n)
	})
}

// pieces reads entries, some in each answer: next asks for up to n that come
// after the last one, and returns nil where there can be none.
func (s *Store) pieces(ctx context.Context, stream string, limit int, next func(ctx context.Context, key string, last *state.Entry, n int64) *goredis.XMessageSliceCmd) ([]state.Entry, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.calls.Done()
	if !valid(stream) {
		return nil, nil
	}
	var found []state.Entry
	for limit = state.Limit(limit); len(found) < limit; {
		var last *state.Entry
		if len(found) > 0 {
			last = &found[len(found)-1]
		}
		n := min(limit-len(found), readSize)
		key := s.keys.key(stream, "e")
		answer, err := read(ctx, s, key, func(ctx context.Context) ([]goredis.XMessage, error) {
			if cmd := next(ctx, key, last, int64(n)); cmd != nil {
				return cmd.Result()
			}
			return nil, nil
		})
		if err != nil {
			return nil, fmt.Errorf("read %q: %w", stream, err)
		}
		for _, m := range answer {
			e, err := decodeEntry(m)
			if err != nil {
				return nil, err
			}
			found = append(found, e)
		}
		if len(answer) < n {
			break
		}
	}
	return found, nil
}

func decodeEntry(m goredis.XMessage) (state.Entry, error) {
	text, _, _ := strings.Cut(m.ID, "-")
	position, err := strconv.ParseUint(text, 10, 64)
	at, _ := m.Values["t"].(string)
	value, ok := m.Values["v"].(string)
	time, errTime := timeOf(at)
	if err != nil || errTime != nil || !ok {
		return state.Entry{}, fmt.Errorf("%w: entry %q", errDamaged, m.ID)
	}
	return state.Entry{Position: position, Time: time, Value: []byte(value)}, nil
}

// Trim implements state.Store.
func (s *Store) Trim(ctx context.Context, stream string, upTo uint64) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.calls.Done()
	if !valid(stream) {
		return nil
	}
	for {
		more, err := s.change(ctx, s.scripts.trim, s.keys.some(stream, "s", "e"), min(upTo, maxRevision), trimSize)
		if err != nil {
			return fmt.Errorf("trim %q: %w", stream, err)
		}
		if more != int64(1) {
			return nil
		}
	}
}
