package ftp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

const (
	lookUpTime = 3 * time.Second
	lookUpKeep = time.Minute
)

var errNotIPv4 = errors.New("PASV speaks of IPv4 addresses only")

type lookUp func(ctx context.Context, network, host string) ([]netip.Addr, error)

// publicAddresses says which address PASV tells a client.
type publicAddresses struct {
	rules  []PublicAddress
	lookUp lookUp

	mu    sync.Mutex // guards names
	names map[string]resolved
}

type resolved struct {
	address netip.Addr
	at      time.Time
}

func newPublicAddresses(rules []PublicAddress, l lookUp) *publicAddresses {
	return &publicAddresses{rules: rules, lookUp: l, names: make(map[string]resolved)}
}

// of returns the IPv4 address under which a client at peer reaches the gateway;
// reached is where its control connection came to.
func (p *publicAddresses) of(ctx context.Context, peer, reached netip.Addr) (netip.Addr, error) {
	for _, rule := range p.rules {
		if rule.From.IsValid() && !rule.From.Contains(peer) {
			continue
		}
		a, err := netip.ParseAddr(rule.Address)
		if err != nil {
			a, err = p.resolve(ctx, rule.Address)
		}
		if err != nil {
			return netip.Addr{}, err
		}
		return onlyIPv4(a)
	}
	return onlyIPv4(reached)
}

func onlyIPv4(a netip.Addr) (netip.Addr, error) {
	a = a.Unmap()
	if !a.Is4() {
		return netip.Addr{}, errNotIPv4
	}
	return a, nil
}

// resolve looks a name up, at most once a minute. What it last led to is good
// while the name service is away.
func (p *publicAddresses) resolve(ctx context.Context, name string) (netip.Addr, error) {
	p.mu.Lock()
	known, ok := p.names[name]
	p.mu.Unlock()
	if ok && time.Since(known.at) < lookUpKeep {
		return known.address, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookUpTime)
	defer cancel()
	found, err := p.lookUp(ctx, "ip4", name)
	if err == nil && len(found) == 0 {
		err = errors.New("no IPv4 address")
	}
	if err != nil && !ok {
		return netip.Addr{}, fmt.Errorf("look up the public address %s: %w", name, err)
	}
	if err == nil {
		known.address = found[0]
	}
	known.at = time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.names[name] = known
	return known.address, nil
}
