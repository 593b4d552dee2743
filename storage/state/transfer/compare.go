package transfer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gatehouse/storage/state"
	"gatehouse/storage/state/counter"
)

const (
	// horizon is how long the reading of both stores may take: what ends within
	// it may be in one of them alone by its end alone.
	horizon = time.Hour
	// grace is by how much the clocks of both may differ, and what ends within it
	// when both are read is compared no more.
	grace = time.Minute
	// named is how many places that differ are told.
	named = 5
)

// leases begins a counter that has no end, in the form that after gives it.
var leases = []byte(`{"lease":`)

// A DifferenceError says where two stores do not hold the same.
type DifferenceError struct {
	Places []string // some of them, with what is different
	More   int      // how many further ones
}

func (e *DifferenceError) Error() string {
	text := "the states differ: " + strings.Join(e.Places, "; ")
	if e.More > 0 {
		text += fmt.Sprintf("; and %d more", e.More)
	}
	return text
}

// Compare reads two stores, to which nobody writes, and returns what both hold,
// or a *DifferenceError and what the first holds. What ends within a minute is
// left out: the clocks of the stores may differ by so much.
func Compare(ctx context.Context, first, second state.Store) (Sum, error) {
	began := time.Now()
	a, err := read(ctx, first, began.Add(horizon))
	if err != nil {
		return Sum{}, fmt.Errorf("compare the states: read the first: %w", err)
	}
	b, err := read(ctx, second, began.Add(horizon))
	if err != nil {
		return Sum{}, fmt.Errorf("compare the states: read the second: %w", err)
	}
	end := time.Now().Add(grace)
	if time.Since(began) > horizon-grace {
		return Sum{}, fmt.Errorf("compare the states: reading them took %v, and what ends meanwhile cannot be told from what is missing", time.Since(began).Round(time.Second))
	}
	for _, t := range []*tally{a, b} {
		if err := t.settle(end); err != nil {
			return Sum{}, fmt.Errorf("compare the states: %w", err)
		}
	}
	return sumOf(a.held), difference(a.held, b.held)
}

func difference(a, b map[place]holding) error {
	e := new(DifferenceError)
	all := maps.Clone(a)
	maps.Copy(all, b)
	for _, p := range slices.SortedFunc(maps.Keys(all), place.compare) {
		if a[p] == b[p] {
			continue
		}
		if len(e.Places) == named {
			e.More++
			continue
		}
		e.Places = append(e.Places, fmt.Sprintf("%s has %s in the first and %s in the second", p, a[p].text(p), b[p].text(p)))
	}
	if e.Places == nil {
		return nil
	}
	return e
}

func (h holding) text(p place) string {
	if h.empty() {
		return "nothing"
	}
	if p.kind == state.ItemStream {
		return fmt.Sprintf("%d entries up to %d (%x)", h.entries, h.revision, h.mixed[:4])
	}
	return fmt.Sprintf("%d records and %d counters at revision %d (%x)", h.records, h.counters, h.revision, h.mixed[:4])
}

// A tally is what was read of a store: what lasts is in held at once, what ends
// before a moment waits, whole, until it is known when both were read.
type tally struct {
	held    map[place]holding
	waiting []state.Item
}

func read(ctx context.Context, s state.Store, until time.Time) (*tally, error) {
	t := &tally{held: make(map[place]holding)}
	for item, err := range s.Dump(ctx) {
		if err != nil {
			return nil, err
		}
		left, err := after(item, time.Time{})
		switch {
		case err != nil:
			return nil, err
		case left == nil:
		case mayEnd(*left, until):
			t.waiting = append(t.waiting, *left)
		default:
			t.add(*left)
		}
	}
	return t, nil
}

// settle takes in what is left at a moment of all that waited, and forgets the
// places in which nothing is.
func (t *tally) settle(end time.Time) error {
	for _, item := range t.waiting {
		left, err := after(item, end)
		if err != nil {
			return err
		}
		if left != nil {
			t.add(*left)
		}
	}
	t.waiting = nil
	maps.DeleteFunc(t.held, func(_ place, h holding) bool { return h.empty() })
	return nil
}

func (t *tally) add(item state.Item) {
	p := placeOf(item)
	h := t.held[p]
	h.add(item)
	t.held[p] = h
}

// mayEnd reports that an item can be gone, wholly or in part, at a moment.
func mayEnd(item state.Item, at time.Time) bool {
	switch item.Kind {
	case state.ItemRecord:
		return !item.Expires.IsZero() && item.Expires.Before(at)
	case state.ItemCounter:
		return !bytes.HasPrefix(item.Value, leases)
	}
	return false
}

// after is what is left of an item at a moment, nil for nothing. A counter is
// then in one form, whatever store it comes from.
func after(item state.Item, end time.Time) (*state.Item, error) {
	switch item.Kind {
	case state.ItemRecord:
		if !item.Expires.IsZero() && !item.Expires.After(end) {
			return nil, nil
		}
	case state.ItemCounter:
		return counterAfter(item, end)
	}
	return &item, nil
}

func counterAfter(item state.Item, end time.Time) (*state.Item, error) {
	var c counter.State
	err := json.Unmarshal(item.Value, &c)
	switch {
	case err != nil:
	case c.Window != nil: // who looks at a counter takes out what has ended
		_, err = c.Do(state.Window{Name: item.Name, Period: 1}, end)
	case c.Distinct != nil:
		_, err = c.Do(state.Distinct{Name: item.Name}, end)
	}
	if err == nil && c.Empty() {
		return nil, nil
	}
	if err == nil {
		item.Value, err = json.Marshal(c)
	}
	if err != nil {
		return nil, fmt.Errorf("counter %q of %q: %w", item.Name, item.Scope, err)
	}
	return &item, nil
}
