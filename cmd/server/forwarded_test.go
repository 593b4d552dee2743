package server

import (
	"crypto/tls"
	"net/http"
	"net/netip"
	"testing"

	"gatehouse/policy"
)

func TestConnection(t *testing.T) {
	trusted := proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("127.0.0.1/32")}
	for name, c := range map[string]struct {
		remote    string
		header    http.Header
		tls       bool
		address   string
		transport policy.Transport
	}{
		"direct, in clear":                                {remote: "203.0.113.7:5", address: "203.0.113.7", transport: policy.Clear},
		"direct, TLS":                                     {remote: "[2001:db8::1]:5", tls: true, address: "2001:db8::1", transport: policy.TLS},
		"IPv4-mapped is IPv4":                             {remote: "[::ffff:203.0.113.7]:5", address: "203.0.113.7", transport: policy.Clear},
		"a stranger's header is not believed":             {remote: "203.0.113.7:5", header: http.Header{"X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Proto": {"https"}}, address: "203.0.113.7", transport: policy.Clear},
		"a proxy's header is":                             {remote: "10.0.0.1:5", header: http.Header{"X-Forwarded-For": {"203.0.113.7"}, "X-Forwarded-Proto": {"https"}}, address: "203.0.113.7", transport: policy.TLSProxied},
		"what the client put in front counts for nothing": {remote: "10.0.0.1:5", header: http.Header{"X-Forwarded-For": {"127.0.0.1, 198.51.100.9, 10.0.0.2"}}, address: "198.51.100.9", transport: policy.Clear},
		"two headers are one list":                        {remote: "10.0.0.1:5", header: http.Header{"X-Forwarded-For": {"127.0.0.1", "198.51.100.9"}}, address: "198.51.100.9", transport: policy.Clear},
		"nonsense is no address":                          {remote: "10.0.0.1:5", header: http.Header{"X-Forwarded-For": {"nonsense"}}, address: "", transport: policy.Clear},
		"two protocols are none":                          {remote: "10.0.0.1:5", header: http.Header{"X-Forwarded-Proto": {"https", "http"}}, address: "10.0.0.1", transport: policy.Clear},
	} {
		t.Run(name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: c.remote, Header: c.header}
			if c.tls {
				r.TLS = &tls.ConnectionState{}
			}
			address, transport := trusted.connection(r)
			if got := address.String(); got != c.address && (c.address != "" || address.IsValid()) {
				t.Errorf("address is %s, want %s", got, c.address)
			}
			if transport != c.transport {
				t.Errorf("transport is %s, want %s", transport, c.transport)
			}
		})
	}
}
