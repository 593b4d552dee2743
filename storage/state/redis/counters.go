package redis

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"gatehouse/storage/state"
	"gatehouse/storage/state/counter"
)

// windowParts is how finely a window tells events apart, as in the package counter.
const windowParts = 64

// Count implements state.Store.
func (s *Store) Count(ctx context.Context, scope string, op state.CounterOp) (state.CounterValue, error) {
	if err := state.CheckCounter(scope, op); err != nil {
		return state.CounterValue{}, err
	}
	if err := s.begin(ctx); err != nil {
		return state.CounterValue{}, err
	}
	defer s.calls.Done()
	name, id := counter.Name(op)
	script, args := s.operation(op)
	keys := s.keys.some(scope, "c:"+name, "d:"+name, "i", "o0", "o1")
	var reply any
	var err error
	if counter.Looks(op) {
		reply, err = s.ask(ctx, script, keys, append([]any{"", name, "look"}, args...)...)
	} else {
		reply, err = s.change(ctx, script, keys, append([]any{field("c", id), name, "write"}, args...)...)
	}
	if err != nil {
		return state.CounterValue{}, fmt.Errorf("count %q of %q: %w", name, scope, err)
	}
	return decodeValue(name, op, reply)
}

// operation is the script of an operation and what it is told.
func (s *Store) operation(op state.CounterOp) (*goredis.Script, []any) {
	switch op := op.(type) {
	case state.Lease:
		all, covered, bury := "", "", ""
		if op.ReleaseAll {
			all = "all"
		}
		if op.Covered {
			covered = "covered"
		}
		if op.Bury {
			bury = "bury"
		}
		return s.scripts.lease, []any{op.Holder, op.Commit, op.Release, all, op.Min, op.Want, least(op.SetLimit, -1), least(op.SetUsed, 0), least(op.Since, 0), least(op.Recounts, -1), covered, op.LimitAt, bury}
	case state.Window:
		return s.scripts.window, []any{op.Period.Nanoseconds(), max(op.Period/windowParts, 1).Nanoseconds(), op.Add, op.Max}
	case state.Distinct:
		most := state.MaxMembers
		if op.Max > 0 {
			most = min(most, op.Max)
		}
		return s.scripts.distinct, []any{op.Add, op.Remove, op.TTL.Nanoseconds(), most}
	}
	return s.scripts.drop, nil
}

// least is a figure that is not below a bound; empty for none.
func least(n *int64, bound int64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(max(*n, bound), 10)
}

// refusals are what a script answers where it does nothing.
var refusals = map[string]error{"kind": counter.ErrKind, "buried": state.ErrBuried}

func decodeValue(name string, op state.CounterOp, reply any) (state.CounterValue, error) {
	text, _ := reply.(string)
	var fields []string
	if err := json.Unmarshal([]byte(text), &fields); err != nil {
		return state.CounterValue{}, fmt.Errorf("%w: counter %q: %w", errDamaged, name, err)
	}
	if len(fields) == 1 {
		return state.CounterValue{}, fmt.Errorf("%w: %q", refusals[fields[0]], name)
	}
	if len(fields) < 8 || len(fields)%2 != 0 {
		return state.CounterValue{}, fmt.Errorf("%w: counter %q", errDamaged, name)
	}
	var v state.CounterValue
	numbers := []*int64{&v.Limit, &v.Used, &v.Leased, &v.Held, &v.Granted, &v.Count, &v.Grown, &v.Recounts}
	for i, to := range numbers {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return state.CounterValue{}, fmt.Errorf("%w: counter %q: %w", errDamaged, name, err)
		}
		*to = n
	}
	if _, ok := op.(state.Lease); ok {
		return v, holders(&v, fields[len(numbers):])
	}
	return v, nil
}

func holders(v *state.CounterValue, fields []string) error {
	v.Holders = make(map[string]int64, len(fields)/2)
	for i := 0; i+1 < len(fields); i += 2 {
		n, err := strconv.ParseInt(fields[i+1], 10, 64)
		if err != nil {
			return fmt.Errorf("%w: holder %q: %w", errDamaged, fields[i], err)
		}
		v.Holders[fields[i]] = n
	}
	return nil
}

// decodeCounter reads the fields of a stored counter.
func decodeCounter(fields map[string]string) (c counter.State, err error) {
	number := func(text string) (n int64) {
		n, bad := strconv.ParseInt(text, 10, 64)
		if bad != nil && err == nil {
			err = fmt.Errorf("%w: counter: %w", errDamaged, bad)
		}
		return n
	}
	stored := func(text string) int64 { // what an older version has not written
		if text == "" {
			return 0
		}
		return number(text)
	}
	switch fields["k"] {
	case "lease":
		c.Lease = &counter.Lease{Limit: number(fields["l"]), Used: number(fields["u"]), Grown: stored(fields["g"]), Recounts: stored(fields["n"]), LimitAt: uint64(stored(fields["a"]))}
		for field, stored := range fields {
			switch field[0] {
			case 'h':
				c.Lease.Held = with(c.Lease.Held, field[1:], number(stored))
			case 'b':
				c.Lease.Buried = with(c.Lease.Buried, field[1:], time.Unix(0, number(stored)).UTC())
			}
		}
	case "window":
		c.Window = &counter.Window{Period: time.Duration(number(fields["p"]))}
		for _, b := range buckets(fields["b"]) {
			c.Window.Buckets = append(c.Window.Buckets, counter.Bucket{
				First: time.Unix(0, number(b[0])).UTC(), Last: time.Unix(0, number(b[1])).UTC(), Count: number(b[2]),
			})
		}
	case "distinct":
		c.Distinct = &counter.Distinct{}
		for field, stored := range fields {
			if field[0] != 'm' {
				continue
			}
			end, bad := timeOf(stored)
			if bad != nil {
				return c, fmt.Errorf("%w: member: %w", errDamaged, bad)
			}
			c.Distinct.Members = with(c.Distinct.Members, field[1:], end)
		}
	default:
		return c, fmt.Errorf("%w: counter of the kind %q", errDamaged, fields["k"])
	}
	return c, err
}

func with[V any](to map[string]V, name string, value V) map[string]V {
	if to == nil {
		to = make(map[string]V)
	}
	to[name] = value
	return to
}
