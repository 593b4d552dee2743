// Package places bounds how many connections stand at a door, in all and of one
// address. Where every place is taken, whoever has the most makes room for a
// newcomer who has fewer, so that a few addresses shut out nobody else.
package places

import (
	"container/list"
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"
)

// Why there is no place for a newcomer.
var (
	// ErrShare says that the newcomer has its share: what one address may have
	// or, where every place is taken, as much as anybody who could make room.
	ErrShare = errors.New("the address has its share of the connections")
	// ErrFull says that every place is taken, and nobody could make room.
	ErrFull = errors.New("there are too many connections")
)

// settled is how long who has but one place more than a newcomer has it in peace,
// so that in a rush of those who have one each some come to an end.
const settled = 5 * time.Second

// A Table holds the places of a door. It is safe for concurrent use.
type Table struct {
	all, each int

	mu       sync.Mutex // guards what follows, and every Place
	taken    int
	loose    list.List // of the places that can be had, from the oldest on
	clients  groups
	networks groups
}

// New makes a table of so many places in all, and for each address.
func New(all, each int) *Table {
	return &Table{all: all, each: each, clients: make(groups), networks: make(groups)}
}

// A Place is what a connection has until it leaves, or makes room. The methods
// of nil do nothing.
type Place struct {
	table           *Table
	client, network *group // of nobody for those who speak for many
	cut             func()
	since           time.Time
	gone            bool
	at              *list.Element // among the loose ones, nil while it is kept
}

// Enter takes a place for a connection from an address. cut ends the connection
// when its place goes to another; it must not wait. The error is ErrShare or
// ErrFull.
func (t *Table) Enter(from netip.Addr, cut func()) (*Place, error) {
	return t.enter(Client(from), Network(from), &Place{table: t, cut: cut, since: time.Now()})
}

// EnterForMany takes a place for a connection of somebody who speaks for many: it
// counts in all alone, and makes room for nobody. The error is that of Enter.
func (t *Table) EnterForMany() (*Place, error) {
	return t.enter(netip.Prefix{}, netip.Prefix{}, &Place{table: t})
}

func (t *Table) enter(client, network netip.Prefix, p *Place) (*Place, error) {
	evicted, err := t.take(client, network, p)
	if err != nil {
		return nil, err
	}
	if evicted != nil {
		evicted.cut()
	}
	return p, nil
}

// take makes p a place of the table, in place of another if need be.
func (t *Table) take(client, network netip.Prefix, p *Place) (evicted *Place, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	known := p.cut != nil
	if known && t.clients.taken(client) >= t.each {
		return nil, ErrShare
	}
	if t.taken >= t.all {
		if evicted, err = t.greediest(client, network); err != nil {
			return nil, err
		}
		t.free(evicted)
	}
	t.taken++
	if known {
		p.client, p.network = t.clients.add(client), t.networks.add(network)
		p.at = t.loose.PushBack(p)
	}
	return evicted, nil
}

// greediest is the oldest place that can be had of the network with the most and,
// there, of the address with the most.
func (t *Table) greediest(client, network netip.Prefix) (*Place, error) {
	if t.loose.Len() == 0 {
		return nil, ErrFull
	}
	own, around, old := t.clients.taken(client), t.networks.taken(network), time.Now().Add(-settled)
	var most *Place
	for e := t.loose.Front(); e != nil; e = e.Next() {
		p := e.Value.(*Place)
		more := p.network.taken - around
		if p.network.of == network {
			more = p.client.taken - own
		}
		greedier := more > 1 || more == 1 && p.since.Before(old)
		if greedier && (most == nil || p.network.taken > most.network.taken ||
			p.network == most.network && p.client.taken > most.client.taken) {
			most = p
		}
	}
	if most == nil {
		return nil, ErrShare
	}
	return most, nil
}

// free takes p out of the table. The table's mutex is held.
func (t *Table) free(p *Place) {
	p.gone = true
	t.taken--
	p.keep()
	t.clients.remove(p.client)
	t.networks.remove(p.network)
}

// Leave gives the place back, unless it was or went to another.
func (p *Place) Leave() {
	if p == nil {
		return
	}
	p.table.mu.Lock()
	defer p.table.mu.Unlock()
	if !p.gone {
		p.table.free(p)
	}
}

// placeKey is under which a context carries a Place.
type placeKey struct{}

// Context carries p, for From.
func Context(ctx context.Context, p *Place) context.Context {
	return context.WithValue(ctx, placeKey{}, p)
}

// From is the place of the connection that a request came over, nil where its
// context carries none.
func From(ctx context.Context) *Place {
	p, _ := ctx.Value(placeKey{}).(*Place)
	return p
}

// Keep has the connection make room for nobody until Yield.
func (p *Place) Keep() {
	if p == nil {
		return
	}
	p.table.mu.Lock()
	defer p.table.mu.Unlock()
	p.keep()
}

func (p *Place) keep() {
	if p.at != nil {
		p.table.loose.Remove(p.at)
		p.at = nil
	}
}

// Yield has it make room again, as the youngest.
func (p *Place) Yield() {
	if p == nil {
		return
	}
	p.table.mu.Lock()
	defer p.table.mu.Unlock()
	if !p.gone && p.at == nil && p.client != nil {
		p.at = p.table.loose.PushBack(p)
	}
}

// Taken is how many places are.
func (t *Table) Taken() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.taken
}
