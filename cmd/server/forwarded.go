package server

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"gatehouse/policy"
)

// proxies are the networks whose forwarded headers are believed.
type proxies []netip.Prefix

// connection tells the client's address and transport. Forwarded headers are
// read only from a trusted proxy, right to left to the first address that is
// none of the proxies.
func (p proxies) connection(r *http.Request) (netip.Addr, policy.Transport) {
	peer := addressOf(r.RemoteAddr)
	if !p.trusts(peer) {
		return peer, direct(r)
	}
	client := peer
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		hop = strings.TrimSpace(hop)
		if hop == "" {
			continue
		}
		a, err := netip.ParseAddr(hop)
		if err != nil {
			return netip.Addr{}, direct(r) // policy refuses an address that is none
		}
		if client = a.Unmap().WithZone(""); !p.trusts(client) {
			break
		}
	}
	if protos := r.Header.Values("X-Forwarded-Proto"); r.TLS == nil && len(protos) == 1 && protos[0] == "https" {
		return client, policy.TLSProxied
	}
	return client, direct(r)
}

func (p proxies) trusts(a netip.Addr) bool {
	return slices.ContainsFunc(p, func(network netip.Prefix) bool { return network.Contains(a) })
}

func direct(r *http.Request) policy.Transport {
	if r.TLS != nil {
		return policy.TLS
	}
	return policy.Clear
}

// addressOf reads HOST:PORT; the zero address where it is none.
func addressOf(hostPort string) netip.Addr {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}
