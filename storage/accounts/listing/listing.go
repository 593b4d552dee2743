// Package listing finds a page of a long list in order, without sorting the rest,
// and goes on after it: pages are as of their own moment, and what is made or
// removed between two of them moves no other.
package listing

import (
	"cmp"
	"container/heap"
	"encoding/base64"
	"encoding/json"
	"iter"
	"slices"

	"gatehouse/storage/accounts/field"
)

// An Order sorts by a key, then by id.
type Order[T any] struct {
	Key     func(T) string
	ID      func(T) string
	Descend bool
}

// A place is where something stands in a listing.
type place struct {
	Key string `json:"k"`
	ID  string `json:"i"`
}

// A found is what was found, and its place.
type found[T any] struct {
	value T
	place place
}

// Page returns the first of those that are selected and stand after a cursor, ""
// being the start, and the cursor of the next page, "" at the end. selects is
// asked only of those that would be on the page.
func (o Order[T]) Page(all iter.Seq[T], limit int, selects func(T) bool, cursor string) ([]T, string, error) {
	after, err := parse(cursor)
	if err != nil {
		return nil, "", err
	}
	h := lastFirst[T]{compare: o.compare}
	for v := range all {
		f := found[T]{v, place{o.Key(v), o.ID(v)}}
		if after != nil && o.compare(f.place, *after) <= 0 || h.full(f.place, limit+1) || !selects(v) {
			continue
		}
		h.add(f, limit+1)
	}
	slices.SortFunc(h.list, func(a, b found[T]) int { return o.compare(a.place, b.place) })
	next := ""
	if len(h.list) > limit {
		h.list = h.list[:limit]
		next = h.list[limit-1].place.cursor()
	}
	page := make([]T, len(h.list))
	for i, f := range h.list {
		page[i] = f.value
	}
	return page, next, nil
}

func (o Order[T]) compare(a, b place) int {
	c := cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.ID, b.ID))
	if o.Descend {
		return -c
	}
	return c
}

func (p place) cursor() string {
	// Two strings always encode.
	b, _ := json.Marshal(p)
	return base64.RawURLEncoding.EncodeToString(b)
}

func parse(cursor string) (*place, error) {
	if cursor == "" {
		return nil, nil
	}
	p := new(place)
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		err = json.Unmarshal(b, p)
	}
	if err != nil {
		return nil, &field.Error{Field: "cursor", Why: "is not one that a listing gave"}
	}
	return p, nil
}

// A lastFirst holds the first of a listing while it is looked for, the last of
// them at its head.
type lastFirst[T any] struct {
	compare func(a, b place) int
	list    []found[T]
}

func (l *lastFirst[T]) Len() int { return len(l.list) }
func (l *lastFirst[T]) Less(i, j int) bool {
	return l.compare(l.list[i].place, l.list[j].place) > 0
}
func (l *lastFirst[T]) Swap(i, j int) { l.list[i], l.list[j] = l.list[j], l.list[i] }
func (l *lastFirst[T]) Push(v any)    { l.list = append(l.list, v.(found[T])) }

// Pop takes the last of the list.
func (l *lastFirst[T]) Pop() any {
	last := l.list[len(l.list)-1]
	l.list = l.list[:len(l.list)-1]
	return last
}

// add takes one in, and beyond most lets the last go.
func (l *lastFirst[T]) add(f found[T], most int) {
	if len(l.list) < most {
		heap.Push(l, f)
		return
	}
	l.list[0] = f
	heap.Fix(l, 0)
}

// full reports whether a place is behind all of as many as are wanted.
func (l *lastFirst[T]) full(p place, most int) bool {
	return len(l.list) == most && l.compare(p, l.list[0].place) >= 0
}
