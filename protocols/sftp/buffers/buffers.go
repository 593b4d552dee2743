// Package buffers lends out memory in two sizes. Whoever borrows gives back as
// soon as nothing is under way, so that idle connections hold next to none.
package buffers

import "sync"

// Large fits the largest packet with what stands around it; Small fits a
// packet of 32 KiB, which most clients use.
const (
	Large = 264 << 10
	Small = 36 << 10
)

// A Pool is shared by all connections of a server. The zero value is ready.
type Pool struct {
	small, large sync.Pool
}

// Get borrows n bytes; their content is anything. More than Large is made and
// never kept.
func (p *Pool) Get(n int) []byte {
	switch {
	case n <= Small:
		if b, ok := p.small.Get().(*[Small]byte); ok {
			return b[:n]
		}
		return new([Small]byte)[:n]
	case n <= Large:
		if b, ok := p.large.Get().(*[Large]byte); ok {
			return b[:n]
		}
		return new([Large]byte)[:n]
	}
	return make([]byte, n)
}

// Put gives back what Get lent, cut to any length at its end.
func (p *Pool) Put(b []byte) {
	switch cap(b) {
	case Small:
		p.small.Put((*[Small]byte)(b[:Small]))
	case Large:
		p.large.Put((*[Large]byte)(b[:Large]))
	}
}
