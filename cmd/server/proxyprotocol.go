package server

import (
	"context"
	"net"
	"net/netip"

	"gatehouse/cmd/proxied"
	"gatehouse/policy"
)

// dataSender tells who is behind a passive data connection of FTP whose control
// connection came with a PROXY header: where a trusted proxy brings it, who its
// header names; where it comes around the proxy, its own address.
func (p proxies) dataSender(ctx context.Context, c net.Conn) (netip.Addr, error) {
	from := addressOf(c.RemoteAddr().String())
	if !p.trusts(from) {
		return from, nil
	}
	known, err := proxied.Introduce(ctx, c, p.trusts)
	if err != nil {
		return netip.Addr{}, err
	}
	return addressOf(known.RemoteAddr().String()), nil
}

// plausible is the address of a client as a proxy tells it, or the zero value,
// which no policy admits.
func plausible(client, proxy netip.Addr) netip.Addr {
	client = policy.PlainAddress(client)
	if !proxied.Plausible(client, proxy) {
		return netip.Addr{}
	}
	return client
}
