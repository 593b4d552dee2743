package limits

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"

	"gatehouse/storage/state"
)

// A Holder is a session as limits see it, open or about to be.
type Holder struct {
	id      string
	account string
	address netip.Addr
	shared  atomic.Bool
	over    atomic.Bool

	mu      sync.Mutex // guards counted
	counted map[string]bool
}

// NewHolder makes a session's.
func NewHolder(id, account string, address netip.Addr) *Holder {
	return &Holder{id: id, account: account, address: address, counted: make(map[string]bool)}
}

// Share says that other nodes may have the session as well, so that its places are
// theirs too: they run out once nobody renews them.
func (h *Holder) Share() { h.shared.Store(true) }

// IsShared reports whether other nodes may have the session as well.
func (h *Holder) IsShared() bool { return h.shared.Load() }

// count works on the names of the limits that a session is counted for.
func (h *Holder) count(do func(counted map[string]bool)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	do(h.counted)
}

// isUncounted reports whether a session has not been counted for a limit yet.
func (h *Holder) isUncounted(p place) (yes bool) {
	h.count(func(counted map[string]bool) { yes = !counted[p.name] })
	return yes
}

// unsure notes a place that may have been given, though nobody said so, as to who has
// gone away meanwhile: it is given back. One that other nodes may have as well runs
// out, and leased ones are leased anew.
func (h *Holder) unsure(p place, err error) {
	if errors.Is(err, state.ErrUnknown) && !p.isLease() && !h.IsShared() {
		h.count(func(counted map[string]bool) { counted[p.name] = true })
	}
}
