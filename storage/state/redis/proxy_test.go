package redis

import (
	"context"
	"sync"
	"testing"

	"gatehouse/storage/state"
	"gatehouse/storage/state/redis/redistest"
)

// A proxy stands before a server. It can have answers get lost.
type proxy struct {
	*redistest.Relay

	mu    sync.Mutex // guards what follows
	lose  int        // answers yet to be lost, each with its connection
	dark  bool       // nobody is let in
	last  bool       // with the next lost answer the proxy ends
	asked int        // how often something was sent to the server
}

func proxied(t testing.TB, server string) *proxy {
	t.Helper()
	p := &proxy{}
	p.Relay = redistest.NewRelay(t, server, redistest.Rules{Enters: p.enters, Asks: p.counts, Answers: p.passes})
	return p
}

func (p *proxy) enters() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.dark
}

// counts counts what is sent to the server.
func (p *proxy) counts() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	return true
}

// passes reports that an answer is not to be lost.
func (p *proxy) passes() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lose == 0 {
		return true
	}
	p.lose--
	if p.last {
		p.Shut()
	}
	if p.dark || p.last { // nobody else gets through either
		p.Drop()
	}
	return false
}

// loseNext has the next n answers get lost.
func (p *proxy) loseNext(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lose = n
}

// loseLast has the next answer get lost, and the proxy end with it.
func (p *proxy) loseLast() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lose, p.last = 1, true
}

// shut lets nobody in any more, or again everybody.
func (p *proxy) shut(dark bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dark = dark
}

// trips is how often something was sent to the server.
func (p *proxy) trips() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

// cut has the answer of a call get lost, and no other call get through after it.
func (p *proxy) cut(t *testing.T, _ state.Store, call func(context.Context) error) error {
	p.loseNext(1)
	p.shut(true)
	defer func() {
		p.shut(false)
		p.loseNext(0)
	}()
	return call(t.Context())
}
