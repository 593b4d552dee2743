package webhooks

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func client(t *testing.T, server *httptest.Server, allow ...string) *Client {
	t.Helper()
	var networks []netip.Prefix
	for _, a := range allow {
		networks = append(networks, netip.MustParsePrefix(a))
	}
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	c := NewClient(networks, roots)
	t.Cleanup(c.Close)
	return c
}

func TestAMessageOverTheWire(t *testing.T) {
	var got *http.Request
	var body []byte
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	m := sign("evt_1", time.Unix(1614265330, 0), []byte(`{"a":1}`), [][]byte{[]byte("secret")})
	if err := client(t, server, "127.0.0.0/8").Send(t.Context(), server.URL+"/hook", m); err != nil {
		t.Fatal(err)
	}
	if got.Method != http.MethodPost || got.URL.Path != "/hook" || string(body) != `{"a":1}` {
		t.Errorf("%s %s %s", got.Method, got.URL, body)
	}
	for name, want := range map[string]string{
		"webhook-id": "evt_1", "webhook-timestamp": "1614265330", "webhook-signature": m.Signature, "content-type": "application/json",
	} {
		if got.Header.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.Header.Get(name), want)
		}
	}
}

// A name that leads to this machine, or into its network, would let who sets a
// webhook reach what only this machine can.
func TestAddressesOfThisMachineAndItsNetworkAreRefusedAfterDNS(t *testing.T) {
	reached := false
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer server.Close()
	c := client(t, server)
	port := server.URL[strings.LastIndexByte(server.URL, ':'):]
	for _, host := range []string{"https://127.0.0.1", "https://localhost", "https://[::1]", "https://0.0.0.0", "https://[::ffff:127.0.0.1]"} {
		err := c.Send(t.Context(), host+port, Signed{})
		var refused *AddressError
		if literal := strings.Contains(host, "127.0.0.1"); err == nil || reached || literal && !errors.As(err, &refused) {
			t.Errorf("%s: %v, reached: %v", host, err, reached)
		}
	}
	for _, c := range []struct {
		address string
		reached bool
	}{
		{"8.8.8.8:443", true}, {"[2606:4700::1111]:443", true},
		{"127.0.0.1:443", false}, {"[::1]:443", false}, {"[::ffff:127.0.0.1]:443", false}, {"[::127.0.0.1]:443", false},
		{"10.1.2.3:443", false}, {"172.16.0.1:443", false}, {"192.168.1.1:443", false}, {"[fd00::1]:443", false},
		{"169.254.169.254:443", false}, {"[fe80::1]:443", false}, {"[fe80::1%eth0]:443", false}, {"[fd00:ec2::254]:443", false},
		{"100.64.0.1:443", false}, {"0.0.0.0:443", false}, {"[::]:443", false}, {"224.0.0.1:443", false}, {"255.255.255.255:443", false},
		{"[64:ff9b::7f00:1]:443", false}, {"[2002:7f00:1::]:443", false}, {"[2001:0:7f00:1::]:443", false}, {"192.0.2.1:443", false}, {"nonsense", false},
	} {
		if err := mayReach(c.address, nil); (err == nil) != c.reached {
			t.Errorf("%s: %v", c.address, err)
		}
	}
	allow := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	if mayReach("10.1.2.3:443", allow) != nil || mayReach("[::ffff:10.1.2.3]:443", allow) != nil || mayReach("192.168.1.1:443", allow) == nil {
		t.Error("a network that is allowed by name, and another")
	}
}

func TestARedirectIsARefusal(t *testing.T) {
	followed := false
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			followed = true
		}
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	err := client(t, server, "127.0.0.0/8").Send(t.Context(), server.URL, Signed{})
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Status != http.StatusTemporaryRedirect || followed {
		t.Errorf("%v, followed: %v", err, followed)
	}
}

func TestAnAnswerIsLookedAtForItsStatusAlone(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, strings.Repeat("inner secrets ", 1<<16))
	}))
	defer server.Close()
	err := client(t, server, "127.0.0.0/8").Send(t.Context(), server.URL+"/?key=of-theirs", Signed{})
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Wait != 7*time.Second || err.Error() != "answered 503 Service Unavailable" {
		t.Errorf("%v", err)
	}
	server.Close()
	if err := client(t, server, "127.0.0.0/8").Send(t.Context(), server.URL+"/?key=of-theirs", Signed{}); err == nil || outcome(err) != "connection refused" {
		t.Errorf("an error with the address in it: %v", err)
	}
}

func TestAnAnswerThatDoesNotEndIsLeft(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		<-release
	}))
	defer server.Close()
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if err := client(t, server, "127.0.0.0/8").Send(ctx, server.URL, Signed{}); err != nil {
		t.Errorf("taken, said the status; %v", err)
	}
}

func TestAnUntrustedCertificateIsRefused(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	c := NewClient([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, x509.NewCertPool())
	defer c.Close()
	var refused *RefusedError
	if err := c.Send(t.Context(), server.URL, Signed{}); err == nil || errors.As(err, &refused) {
		t.Errorf("%v", err)
	}
}

// Whoever answers for ever would else fill the gateway's memory, or keep it busy.
func TestAnEndlessAnswerIsBounded(t *testing.T) {
	var sent atomic.Int64
	ended := make(chan struct{})
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		piece := make([]byte, 64<<10)
		for sent.Load() < 100<<20 {
			n, err := w.Write(piece)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	}))
	defer server.Close()
	if err := client(t, server, "127.0.0.0/8").Send(t.Context(), server.URL, Signed{}); err != nil {
		t.Errorf("taken, said the status; %v", err)
	}
	<-ended
	if n := sent.Load(); n > 32<<20 { // what the kernel's buffers take
		t.Errorf("%d bytes of the answer were taken", n)
	}
}

// 100 MiB of headers are no answer.
func TestEndlessHeadersAreBounded(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for i := range 200 {
			w.Header().Set("X-"+strconv.Itoa(i), strings.Repeat("x", 1000))
		}
	}))
	defer server.Close()
	err := client(t, server, "127.0.0.0/8").Send(t.Context(), server.URL, Signed{})
	if err == nil || outcome(err) != "no answer in HTTP over TLS" {
		t.Errorf("%v", err)
	}
}

// A receiver that takes the connection and says nothing holds one worker for so
// long, and no longer.
func TestAReceiverThatHangsIsCut(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	c := client(t, server, "127.0.0.0/8")
	if c.http.Timeout != 10*time.Second {
		t.Errorf("patience of %s", c.http.Timeout)
	}
	c.http.Timeout = 200 * time.Millisecond
	if err := c.Send(t.Context(), server.URL, Signed{}); outcome(err) != "no answer within 10 seconds" {
		t.Errorf("%v", err)
	}
}

func TestLiteralAddressesAreRefusedBeforeAnythingIsSent(t *testing.T) {
	c := NewClient([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, nil)
	for address, allowed := range map[string]bool{
		"https://127.0.0.1/": false, "https://[::1]:8443/x": false, "https://169.254.169.254/latest": false, "https://192.168.0.1": false,
		"https://10.1.2.3/": true, "https://8.8.8.8/": true, "https://hooks.example.org/": true,
	} {
		if err := c.Check(address); (err == nil) != allowed {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2031, 1, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-3": 0, "99999999999": maxWait, "9999999": maxWait, "soon": 0,
		"Wed, 01 Jan 2031 12:01:00 GMT": time.Minute, "Wed, 01 Jan 2031 11:00:00 GMT": 0, "Fri, 01 Jan 2050 11:00:00 GMT": maxWait,
	} {
		if got := retryAfter(text, now); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// What people read of a try must hold nothing that the other side has sent: else a
// webhook were a way to read what only the gateway can reach.
func TestOutcomesTellNothingOfWhatWasAnswered(t *testing.T) {
	certificate := &tls.CertificateVerificationError{Err: errors.New("x509: certificate is valid for secret.inside")}
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, "taken"},
		{&RefusedError{Status: 404}, "answered 404 Not Found"},
		{&url.Error{Op: "Post", URL: "https://x/?key=secret", Err: syscall.ECONNREFUSED}, "connection refused"},
		{&net.DNSError{Name: "secret.inside", Err: "no such host"}, "the name cannot be resolved"},
		{fmt.Errorf("dial: %w", certificate), "the certificate is not trusted: no authority that is known vouches for this name"},
		{errors.New(`malformed HTTP response "secret"`), "no answer in HTTP over TLS"},
		{context.DeadlineExceeded, "no answer within 10 seconds"},
		{io.ErrUnexpectedEOF, "the connection was closed without an answer"},
	} {
		if got := outcome(c.err); got != c.want {
			t.Errorf("%v is told as %q, want %q", c.err, got, c.want)
		}
	}
}
