package sender

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

	"gatehouse/admin/webhooks/message"
	"gatehouse/protocols/protocoltest"
)

func client(t testing.TB, server *httptest.Server, allow ...string) *Client {
	t.Helper()
	var networks []netip.Prefix
	for _, a := range allow {
		networks = append(networks, netip.MustParsePrefix(a))
	}
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	c := New(networks, roots)
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
	m := message.Sign("evt_1", time.Unix(1614265330, 0), []byte(`{"a":1}`), [][]byte{[]byte("secret")})
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
		err := c.Send(t.Context(), host+port, message.Signed{})
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
		{"[64:ff9b::7f00:1]:443", false}, {"[64:ff9b:1::7f00:1]:443", false}, {"[::ffff:0:127.0.0.1]:443", false}, {"[fec0::1]:443", false},
		{"[100::1]:443", false}, {"[5f00::1]:443", false}, {"[4000::1]:443", false}, {"[ff02::1]:443", false}, {"[::ffff:169.254.169.254]:443", false}, {"[2002:7f00:1::]:443", false}, {"[2001:0:7f00:1::]:443", false}, {"192.0.2.1:443", false}, {"nonsense", false},
	} {
		if err := nowhere().connect(c.address); (err == nil) != c.reached {
			t.Errorf("%s: %v", c.address, err)
		}
	}
	r := nowhere(netip.MustParsePrefix("10.0.0.0/8"))
	if r.connect("10.1.2.3:443") != nil || r.connect("[::ffff:10.1.2.3]:443") != nil || r.connect("192.168.1.1:443") == nil {
		t.Error("a network that is allowed by name, and another")
	}
}

// nowhere is a reach of a machine without addresses.
func nowhere(allow ...netip.Prefix) reach {
	return reach{allow: allow, own: func() ([]net.Addr, error) { return nil, nil }}
}

// What listens at the machine's public address may be kept from the world by a
// firewall, which a connection from the machine itself never passes.
func TestTheMachinesOwnPublicAddressIsRefused(t *testing.T) {
	own := func() ([]net.Addr, error) {
		var list []net.Addr
		for _, text := range []string{"127.0.0.1/8", "8.8.4.4/24", "2606:4700::1/64", "fe80::1/64"} {
			ip, network, err := net.ParseCIDR(text)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, &net.IPNet{IP: ip, Mask: network.Mask})
		}
		return list, nil
	}
	r := reach{own: own}
	for address, reached := range map[string]bool{
		"8.8.4.4:443": false, "[::ffff:8.8.4.4]:443": false, "[2606:4700::1]:8443": false, "8.8.4.5:443": true, "[2606:4700::2]:443": true,
	} {
		if err := r.connect(address); (err == nil) != reached {
			t.Errorf("%s: %v", address, err)
		}
	}
	if err := (reach{own: own, allow: []netip.Prefix{netip.MustParsePrefix("8.8.4.4/32")}}).connect("8.8.4.4:443"); err != nil {
		t.Errorf("allowed by name: %v", err)
	}
	blind := reach{own: func() ([]net.Addr, error) { return nil, errors.New("no netlink") }}
	if blind.connect("8.8.8.8:443") == nil {
		t.Error("a machine that does not know its addresses connects")
	}
	if addrs, err := net.InterfaceAddrs(); err != nil || len(addrs) == 0 || !of(addrs[0]).IsValid() {
		t.Errorf("the addresses of this machine: %v, %v", addrs, err)
	}
}

// A proxy of the environment would connect for the gateway, to where it must not.
func TestNoProxyOfTheEnvironmentIsUsed(t *testing.T) {
	if c := New(nil, nil); c.http.Transport.(*http.Transport).Proxy != nil {
		t.Error("a proxy is asked for")
	}
}

// A name passes the check before, wherever it leads; what counts is the address
// that is connected to, each time.
func TestANameThatLeadsInwardsIsRefusedAtTheConnection(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	c := client(t, server)
	named := "https://localhost" + server.URL[strings.LastIndexByte(server.URL, ':'):]
	if err := c.Check(named); err != nil {
		t.Errorf("before anything is looked up: %v", err)
	}
	var refused *AddressError
	if err := c.Send(t.Context(), named, message.Signed{}); !errors.As(err, &refused) || !refused.Address.IsLoopback() {
		t.Errorf("%v", err)
	}
}

// An idle connection that the other side closes as the next message is written is
// no outage: the message goes out again at once.
func TestAConnectionThatEndedMeanwhileIsReplaced(t *testing.T) {
	var connections, messages atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, named := r.Header["Idempotency-Key"]; named {
			t.Error("a header of ours is sent")
		}
		if messages.Add(1) == 2 {
			panic(http.ErrAbortHandler) // the connection ends without an answer
		}
	}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	server.StartTLS()
	defer server.Close()
	c := client(t, server, "127.0.0.0/8")
	for range 2 {
		if err := c.Send(t.Context(), server.URL, message.Sign("evt_1", time.Unix(1, 0), []byte("{}"), nil)); err != nil {
			t.Fatal(err)
		}
	}
	if messages.Load() != 3 || connections.Load() != 2 {
		t.Errorf("%d messages over %d connections", messages.Load(), connections.Load())
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
	err := client(t, server, "127.0.0.0/8").Send(t.Context(), server.URL, message.Signed{})
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
	err := client(t, server, "127.0.0.0/8").Send(t.Context(), server.URL+"/?key=of-theirs", message.Signed{})
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Wait != 7*time.Second || err.Error() != "answered 503 Service Unavailable" {
		t.Errorf("%v", err)
	}
	server.Close()
	if err := client(t, server, "127.0.0.0/8").Send(t.Context(), server.URL+"/?key=of-theirs", message.Signed{}); err == nil || Outcome(err) != "connection refused" {
		t.Errorf("an error with the address in it: %v", err)
	}
}

func TestAnAnswerThatDoesNotEndIsLeft(t *testing.T) {
	protocoltest.Patiently(t, func(t testing.TB) {
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
		if err := client(t, server, "127.0.0.0/8").Send(ctx, server.URL, message.Signed{}); err != nil {
			t.Errorf("taken, said the status; %v", err)
		}
	})
}

func TestAnUntrustedCertificateIsRefused(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	c := New([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, x509.NewCertPool())
	defer c.Close()
	var refused *RefusedError
	if err := c.Send(t.Context(), server.URL, message.Signed{}); err == nil || errors.As(err, &refused) {
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
	if err := client(t, server, "127.0.0.0/8").Send(t.Context(), server.URL, message.Signed{}); err != nil {
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
	err := client(t, server, "127.0.0.0/8").Send(t.Context(), server.URL, message.Signed{})
	if err == nil || Outcome(err) != "no answer in HTTP over TLS" {
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
	if err := c.Send(t.Context(), server.URL, message.Signed{}); Outcome(err) != "no answer within 10 seconds" {
		t.Errorf("%v", err)
	}
}

// Nor does one that says a little now and then: the time is for the whole of a try.
func TestAReceiverThatDripsIsCut(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, out, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		drop := time.NewTicker(10 * time.Millisecond)
		defer drop.Stop()
		out.WriteString("HTTP/1.1 200 OK\r\nX-Long: ")
		for err == nil {
			<-drop.C
			out.WriteByte('x')
			err = out.Flush()
		}
	}))
	defer server.Close()
	c := client(t, server, "127.0.0.0/8")
	c.http.Timeout = 300 * time.Millisecond
	if err := c.Send(t.Context(), server.URL, message.Signed{}); Outcome(err) != "no answer within 10 seconds" {
		t.Errorf("%v", err)
	}
}

func TestLiteralAddressesAreRefusedBeforeAnythingIsSent(t *testing.T) {
	c := New([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, nil)
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
		if got := Outcome(c.err); got != c.want {
			t.Errorf("%v is told as %q, want %q", c.err, got, c.want)
		}
	}
}
