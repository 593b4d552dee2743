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

// A hop is what one proxy says of where a request came from.
type hop struct {
	from  netip.Addr // the zero value where it says nothing that is an address
	https bool
}

// connection tells the client's address and transport. Forwarded headers are
// read only from a trusted proxy, right to left to the first address that is
// none of the proxies. A proxy writes one kind of them and may hand on the
// other as the client sent it: where both are there, they must agree.
func (p proxies) connection(r *http.Request) (netip.Addr, policy.Transport) {
	peer := addressOf(r.RemoteAddr)
	if !p.trusts(peer) {
		return peer, direct(r)
	}
	found := hop{from: peer}
	x, said := p.client(xForwarded(r.Header))
	if said {
		found = x
	}
	if f, also := p.client(forwarded(r.Header)); also {
		if said && f.from != x.from {
			return netip.Addr{}, direct(r)
		}
		found = f
		found.https = f.https && (!said || x.https)
	} else if !said {
		found.https = saysHTTPS(r.Header)
	}
	if found.from != peer {
		found.from = plausible(found.from, peer)
	}
	if r.TLS == nil && found.https {
		return found.from, policy.TLSProxied
	}
	return found.from, direct(r)
}

// client is the first hop from the right that is none of the proxies, or the
// leftmost; false where there is none at all.
func (p proxies) client(hops []hop) (hop, bool) {
	for _, h := range slices.Backward(hops) {
		if !p.trusts(h.from) {
			return h, true
		}
	}
	if len(hops) == 0 {
		return hop{}, false
	}
	return hops[0], true
}

func (p proxies) trusts(a netip.Addr) bool {
	return slices.ContainsFunc(p, func(network netip.Prefix) bool { return network.Contains(a) })
}

// xForwarded reads X-Forwarded-For, whose hops share one X-Forwarded-Proto.
func xForwarded(header http.Header) []hop {
	https := saysHTTPS(header)
	var hops []hop
	for text := range strings.SplitSeq(strings.Join(header.Values("X-Forwarded-For"), ","), ",") {
		if text = strings.TrimSpace(text); text != "" {
			hops = append(hops, hop{nodeAddress(text), https})
		}
	}
	return hops
}

func saysHTTPS(header http.Header) bool {
	protos := header.Values("X-Forwarded-Proto")
	return len(protos) == 1 && strings.EqualFold(strings.TrimSpace(protos[0]), "https")
}

// forwarded reads Forwarded (RFC 7239). An element that cannot be read is a hop
// from nowhere: what stands left of it is not believed.
func forwarded(header http.Header) []hop {
	var hops []hop
	for _, element := range splitQuoted(strings.Join(header.Values("Forwarded"), ","), ',') {
		if element = strings.TrimSpace(element); element == "" {
			continue
		}
		hops = append(hops, forwardedHop(element))
	}
	return hops
}

func forwardedHop(element string) hop {
	var h hop
	seen := map[string]bool{}
	for _, pair := range splitQuoted(element, ';') {
		name, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
		name = strings.ToLower(name)
		value, whole := unquote(value)
		if !ok || !whole || seen[name] {
			return hop{}
		}
		seen[name] = true
		switch name {
		case "for":
			h.from = nodeAddress(value)
		case "proto":
			h.https = strings.EqualFold(value, "https")
		}
	}
	return h
}

// splitQuoted splits at what does not stand in quotes.
func splitQuoted(s string, at byte) []string {
	var parts []string
	quoted, from := false, 0
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == at && !quoted:
			parts = append(parts, s[from:i])
			from = i + 1
		}
	}
	return append(parts, s[from:])
}

// unquote takes a token or a quoted string (RFC 9110, 5.6.4); an address holds
// nothing that would have to be escaped.
func unquote(s string) (text string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		return s, !strings.Contains(s, `"`)
	}
	if len(s) < 2 || !strings.HasSuffix(s, `"`) || strings.ContainsAny(s[1:len(s)-1], `"\`) {
		return "", false
	}
	return s[1 : len(s)-1], true
}

// nodeAddress reads an address as proxies write it: alone, with a port, and IPv6
// in brackets; the zero address for anything else.
func nodeAddress(text string) netip.Addr {
	if a, err := netip.ParseAddr(text); err == nil {
		return policy.PlainAddress(a)
	}
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		if a, err := netip.ParseAddr(text[1 : len(text)-1]); err == nil && a.Is6() {
			return policy.PlainAddress(a)
		}
	}
	return addressOf(text)
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
