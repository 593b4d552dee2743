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
		"ports are left out":                              {remote: "10.0.0.1:5", header: http.Header{"X-Forwarded-For": {"203.0.113.7:4711"}}, address: "203.0.113.7", transport: policy.Clear},
		"Forwarded":                                       {remote: "10.0.0.1:5", header: http.Header{"Forwarded": {`for="[2001:db8::7]:4711";proto=https;by=10.0.0.1`}}, address: "2001:db8::7", transport: policy.TLSProxied},
		"Forwarded, right to left":                        {remote: "10.0.0.1:5", header: http.Header{"Forwarded": {"for=127.0.0.1;proto=https", `For=198.51.100.9;Proto=http, for=10.0.0.2;proto=https`}}, address: "198.51.100.9", transport: policy.Clear},
		"Forwarded from a stranger":                       {remote: "203.0.113.7:5", header: http.Header{"Forwarded": {"for=127.0.0.1;proto=https"}}, address: "203.0.113.7", transport: policy.Clear},
		"Forwarded, obfuscated":                           {remote: "10.0.0.1:5", header: http.Header{"Forwarded": {"for=_hidden;proto=https"}}, address: "", transport: policy.TLSProxied},
		"Forwarded, a quote that does not end":            {remote: "10.0.0.1:5", header: http.Header{"Forwarded": {`for=198.51.100.9, for="127.0.0.1`}}, address: "", transport: policy.Clear},
		"Forwarded, twice the same":                       {remote: "10.0.0.1:5", header: http.Header{"Forwarded": {`for=198.51.100.9;for=127.0.0.1`}}, address: "", transport: policy.Clear},
		"Forwarded, a comma in quotes":                    {remote: "10.0.0.1:5", header: http.Header{"Forwarded": {`for=198.51.100.9;by="a,b"`}}, address: "198.51.100.9", transport: policy.Clear},
		// A proxy that writes one kind hands on the other as a client sent it.
		"a client forges the header that the proxy does not write": {remote: "10.0.0.1:5", header: http.Header{"X-Forwarded-For": {"203.0.113.7"}, "Forwarded": {"for=198.51.100.9;proto=https"}}, address: "", transport: policy.Clear},
		"both agree":               {remote: "10.0.0.1:5", header: http.Header{"X-Forwarded-For": {"203.0.113.7"}, "X-Forwarded-Proto": {"https"}, "Forwarded": {"for=203.0.113.7;proto=https"}}, address: "203.0.113.7", transport: policy.TLSProxied},
		"both agree, but on https": {remote: "10.0.0.1:5", header: http.Header{"X-Forwarded-For": {"203.0.113.7"}, "X-Forwarded-Proto": {"http"}, "Forwarded": {"for=203.0.113.7;proto=https"}}, address: "203.0.113.7", transport: policy.Clear},
		// Loopback may send passwords in clear: no other machine's is ours.
		"loopback, told from afar":    {remote: "10.0.0.1:5", header: http.Header{"X-Forwarded-For": {"127.0.0.1"}}, address: "", transport: policy.Clear},
		"loopback, told by ourselves": {remote: "127.0.0.1:5", header: http.Header{"X-Forwarded-For": {"127.0.0.1"}}, address: "127.0.0.1", transport: policy.Clear},
		"two protocols are none":      {remote: "10.0.0.1:5", header: http.Header{"X-Forwarded-Proto": {"https", "http"}}, address: "10.0.0.1", transport: policy.Clear},
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

// Whatever a client puts before what its proxy adds, quotes that do not end
// included, it comes from where the proxy says, or from nowhere.
func FuzzForwarded(f *testing.F) {
	for _, text := range []string{"", "for=127.0.0.1", `for="127.0.0.1`, `for=127.0.0.1;by="`, `a="\`, "127.0.0.1, 10.0.0.3", "[::1]:5", `for="[::1]:_x";proto=https;`} {
		f.Add(text)
	}
	trusted := proxies{netip.MustParsePrefix("10.0.0.0/8")}
	client := netip.MustParseAddr("198.51.100.9")
	f.Fuzz(func(t *testing.T, text string) {
		for _, header := range []http.Header{
			{"X-Forwarded-For": {text + ", 198.51.100.9"}}, {"X-Forwarded-For": {text, "198.51.100.9, 10.0.0.2"}},
			{"Forwarded": {text + ", for=198.51.100.9"}}, {"Forwarded": {text, "for=198.51.100.9, for=10.0.0.2"}},
			{"Forwarded": {text}, "X-Forwarded-For": {"198.51.100.9"}}, {"Forwarded": {"for=198.51.100.9"}, "X-Forwarded-For": {text}},
		} {
			r := &http.Request{RemoteAddr: "10.0.0.1:5", Header: header}
			if got, _ := trusted.connection(r); got.IsValid() && got != client {
				t.Errorf("%q comes from %s", header, got)
			}
		}
	})
}
