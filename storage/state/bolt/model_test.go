package bolt

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// TestLikeMemory does the same things to a store in memory and to one in files,
// which is now and then closed and opened: they answer alike.
func TestLikeMemory(t *testing.T) {
	dir := t.TempDir()
	s, run := openIn(t, dir), 0
	defer func() { closed(t, s) }()
	rapid.Check(t, func(r *rapid.T) {
		run++
		m := &model{ctx: t.Context(), run: run, memory: memory.New(), bolt: s}
		r.Repeat(map[string]func(*rapid.T){
			"apply": m.apply, "count": m.count, "append": m.append, "trim": m.trim,
			"list": m.list, "read": m.read, "dump": m.dump,
			"reopen": func(r *rapid.T) {
				if rapid.IntRange(0, 9).Draw(r, "often") == 0 {
					closed(t, s)
					s = openIn(t, dir)
					m.bolt = s
				}
			},
		})
	})
}

type model struct {
	ctx          context.Context
	run          int
	memory, bolt state.Store
	ids          []state.OperationID
}

func (m *model) scope(r *rapid.T) string {
	return fmt.Sprintf("%d/%s", m.run, rapid.SampledFrom([]string{"s", "s/", "t"}).Draw(r, "scope"))
}

func name() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{"a", "a\x00", "aa", "b", "b/1", "b/2", "\xff"})
}

// id is mostly none, sometimes a new one and sometimes one seen before.
func (m *model) id(r *rapid.T) state.OperationID {
	switch n := rapid.IntRange(0, 5).Draw(r, "id"); {
	case n == 0:
		m.ids = append(m.ids, state.NewOperationID())
		return m.ids[len(m.ids)-1]
	case n == 1 && len(m.ids) > 0:
		return rapid.SampledFrom(m.ids).Draw(r, "old id")
	}
	return ""
}

// same compares answers; of errors, what a caller can tell apart.
func same(r *rapid.T, did any, a any, errA error, b any, errB error) {
	var conflictA, conflictB *state.ConflictError
	errors.As(errA, &conflictA)
	errors.As(errB, &conflictB)
	if (errA == nil) != (errB == nil) || !reflect.DeepEqual(conflictA, conflictB) ||
		errors.Is(errA, state.ErrInvalid) != errors.Is(errB, state.ErrInvalid) {
		r.Fatalf("%+v: in memory %v, in files %v", did, errA, errB)
	}
	if errA == nil && !reflect.DeepEqual(a, b) {
		r.Fatalf("%+v:\nin memory %+v\nin files  %+v", did, a, b)
	}
}

func (m *model) apply(r *rapid.T) {
	b := state.Batch{Scope: m.scope(r), ID: m.id(r)}
	for range rapid.IntRange(0, 2).Draw(r, "checks") {
		b.Checks = append(b.Checks, state.Check{Name: name().Draw(r, "name"), Revision: rapid.Uint64Range(0, 4).Draw(r, "revision")})
	}
	for range rapid.IntRange(0, 2).Draw(r, "puts") {
		b.Puts = append(b.Puts, state.Put{Name: name().Draw(r, "name"), Value: rapid.SliceOfN(rapid.Byte(), 0, 4).Draw(r, "value")})
	}
	for range rapid.IntRange(0, 2).Draw(r, "deletes") {
		b.Deletes = append(b.Deletes, name().Draw(r, "name"))
	}
	x, errX := m.memory.Apply(m.ctx, b)
	y, errY := m.bolt.Apply(m.ctx, b)
	same(r, b, x, errX, y, errY)
}

func (m *model) count(r *rapid.T) {
	scope := m.scope(r)
	amount := rapid.Int64Range(-2, 12)
	var op state.CounterOp
	switch rapid.IntRange(0, 9).Draw(r, "kind") {
	case 0:
		op = state.Drop{ID: m.id(r), Name: name().Draw(r, "name")}
	case 1, 2:
		op = state.Distinct{ID: m.id(r), Name: name().Draw(r, "name"), Max: rapid.IntRange(0, 3).Draw(r, "max"),
			Add: rapid.SampledFrom([]string{"", "x", "y", "z", "v"}).Draw(r, "add"), Remove: rapid.SampledFrom([]string{"", "x", "y"}).Draw(r, "remove")}
	case 3, 4:
		op = state.Window{ID: m.id(r), Name: name().Draw(r, "name"), Period: time.Hour,
			Add: amount.Draw(r, "add"), Max: rapid.Int64Range(0, 20).Draw(r, "max")}
	default:
		l := state.Lease{ID: m.id(r), Name: name().Draw(r, "name"), Holder: rapid.SampledFrom([]string{"", "x", "y"}).Draw(r, "holder"),
			Commit: amount.Draw(r, "commit"), Release: amount.Draw(r, "release"), Want: amount.Draw(r, "want"), Min: amount.Draw(r, "min")}
		if n := rapid.Int64Range(-1, 30).Draw(r, "limit"); n%3 == 0 {
			l.SetLimit = &n
		}
		op = l
	}
	x, errX := m.memory.Count(m.ctx, scope, op)
	y, errY := m.bolt.Count(m.ctx, scope, op)
	if len(x.Holders) == 0 && len(y.Holders) == 0 {
		x.Holders, y.Holders = nil, nil
	}
	same(r, op, x, errX, y, errY)
}

func (m *model) append(r *rapid.T) {
	stream, id := m.scope(r), m.id(r)
	entries := make([][]byte, rapid.IntRange(0, 3).Draw(r, "entries"))
	x, errX := m.memory.Append(m.ctx, stream, id, entries...)
	y, errY := m.bolt.Append(m.ctx, stream, id, entries...)
	same(r, "append", x, errX, y, errY)
}

func (m *model) trim(r *rapid.T) {
	stream, upTo := m.scope(r), rapid.Uint64Range(0, 12).Draw(r, "up to")
	same(r, "trim", nil, m.memory.Trim(m.ctx, stream, upTo), nil, m.bolt.Trim(m.ctx, stream, upTo))
}

func (m *model) list(r *rapid.T) {
	scope := m.scope(r)
	prefix, after := "", ""
	if rapid.Bool().Draw(r, "prefixed") {
		prefix = name().Draw(r, "prefix")
	}
	if rapid.Bool().Draw(r, "started") {
		after = name().Draw(r, "after")
	}
	limit := rapid.IntRange(0, 3).Draw(r, "limit")
	x, errX := m.memory.List(m.ctx, scope, prefix, after, limit)
	y, errY := m.bolt.List(m.ctx, scope, prefix, after, limit)
	for _, p := range []state.Page{x, y} {
		for i := range p.Records {
			p.Records[i].Value = append([]byte{}, p.Records[i].Value...)
		}
	}
	same(r, fmt.Sprintf("list %q after %q", prefix, after), x, errX, y, errY)
}

func (m *model) read(r *rapid.T) {
	stream, limit := m.scope(r), rapid.IntRange(0, 3).Draw(r, "limit")
	position := rapid.Uint64Range(0, 12).Draw(r, "position")
	x, errX := m.memory.Read(m.ctx, stream, position, limit)
	y, errY := m.bolt.Read(m.ctx, stream, position, limit)
	same(r, "read", positions(x), errX, positions(y), errY)
	x, errX = m.memory.ReadBack(m.ctx, stream, position, limit)
	y, errY = m.bolt.ReadBack(m.ctx, stream, position, limit)
	same(r, "read back", positions(x), errX, positions(y), errY)
}

func positions(entries []state.Entry) (all []uint64) {
	for _, e := range entries {
		all = append(all, e.Position)
	}
	return all
}

// dump compares what both hold of this run, but for times.
func (m *model) dump(r *rapid.T) {
	var sides [2][]state.Item
	for i, s := range []state.Store{m.memory, m.bolt} {
		for item, err := range s.Dump(m.ctx) {
			if err != nil {
				r.Fatal(err)
			}
			var run int
			if _, err := fmt.Sscanf(item.Scope, "%d/", &run); err != nil || run != m.run {
				continue
			}
			if item.Expires = (time.Time{}); item.Kind == state.ItemCounter {
				item.Value = nil
			}
			item.Value = append([]byte{}, item.Value...)
			if item.Kind != state.ItemScope || item.Revision > 0 { // one only counted in may be left out
				sides[i] = append(sides[i], item)
			}
		}
	}
	same(r, "dump", sides[0], nil, sides[1], nil)
}
