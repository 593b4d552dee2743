package accounts

import "container/heap"

// A lastFirst holds the first of a listing while it is looked for, the last of
// them at its head.
type lastFirst struct {
	order order
	list  []found
}

func (l *lastFirst) Len() int           { return len(l.list) }
func (l *lastFirst) Less(i, j int) bool { return l.order.compare(l.list[i].place, l.list[j].place) > 0 }
func (l *lastFirst) Swap(i, j int)      { l.list[i], l.list[j] = l.list[j], l.list[i] }
func (l *lastFirst) Push(v any)         { l.list = append(l.list, v.(found)) }

// Pop takes the last of the list.
func (l *lastFirst) Pop() any {
	last := l.list[len(l.list)-1]
	l.list = l.list[:len(l.list)-1]
	return last
}

// add takes one in, and beyond most lets the last go.
func (l *lastFirst) add(f found, most int) {
	if len(l.list) < most {
		heap.Push(l, f)
		return
	}
	l.list[0] = f
	heap.Fix(l, 0)
}

// full reports whether a place is behind all of as many as are wanted.
func (l *lastFirst) full(p place, most int) bool {
	return len(l.list) == most && l.order.compare(p, l.list[0].place) >= 0
}
