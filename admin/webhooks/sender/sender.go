// Package sender posts messages over HTTPS to addresses that somebody else has
// chosen: it reaches nothing that only this machine or its network can, and what
// answers gets neither much of its memory nor of its time.
package sender

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"syscall"
	"time"

	"gatehouse/admin/webhooks/message"
)

// Bounds of one try.
const (
	patience  = 10 * time.Second
	maxAnswer = 64 << 10
	maxWait   = 24 * time.Hour // that Retry-After may ask for
	maxIdle   = 100            // connections kept for the next message
)

// A RefusedError says that the other side answered, and did not take the message.
type RefusedError struct {
	Status int
	Wait   time.Duration // as Retry-After asks, 0 where it does not
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("answered %d %s", e.Status, http.StatusText(e.Status))
}

// Away reports whether an answer speaks of the other side and not of the message.
func (e *RefusedError) Away() bool {
	return e.Status >= 500 || e.Status == http.StatusTooManyRequests || e.Status == http.StatusRequestTimeout
}

// Client sends over HTTPS, never to where only this machine or its network is,
// and follows nobody elsewhere.
type Client struct {
	http  *http.Client
	reach reach
}

// New makes a client. Networks in allow are reached although they are
// private; roots nil takes the system's certificate authorities.
func New(allow []netip.Prefix, roots *x509.CertPool) *Client {
	return newClient(reach{allow: allow, own: net.InterfaceAddrs}, roots)
}

func newClient(to reach, roots *x509.CertPool) *Client {
	dialer := &net.Dialer{
		Timeout: patience,
		// Asked once names are resolved, of the very address that is connected to.
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			return to.connect(address)
		},
	}
	// HTTP/1.1 alone: what an answer makes the connection hold is then the two
	// bounds here, and no window of the other side's choosing.
	return &Client{reach: to, http: &http.Client{
		Timeout:       patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                  nil,
			DialContext:            dialer.DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			MaxResponseHeaderBytes: maxAnswer,
			MaxIdleConnsPerHost:    1,
			MaxIdleConns:           maxIdle,
			IdleConnTimeout:        time.Minute,
			DisableCompression:     true,
		},
	}}
}

// Close lets idle connections go.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Check refuses a literal address that may not be reached. Where a
// name leads is found out, and judged, with each connection.
func (c *Client) Check(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	ip, err := netip.ParseAddr(u.Hostname())
	if err != nil {
		return nil
	}
	return c.reach.judge(ip)
}

// Send posts a message: nil where the other side took it, a *RefusedError where it
// answered otherwise, any other error where it is not to be reached.
func (c *Client) Send(ctx context.Context, address string, m message.Signed) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(m.Body))
	if err != nil {
		return err
	}
	request.Header = http.Header{
		"Content-Type": {"application/json"}, "User-Agent": {"gatehouse"},
		"Webhook-Id": {m.ID}, "Webhook-Timestamp": {strconv.FormatInt(m.Time.Unix(), 10)}, "Webhook-Signature": {m.Signature},
		// Not sent: it says that a connection which ended before the message was
		// answered may be followed by another at once. Who gets it twice sees by its
		// id that it is one.
		"Idempotency-Key": nil,
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, maxAnswer) // so that the connection can be used again
	if answer.StatusCode >= 200 && answer.StatusCode < 300 {
		return nil
	}
	return &RefusedError{Status: answer.StatusCode, Wait: retryAfter(answer.Header.Get("Retry-After"), time.Now())}
}

// retryAfter reads how long the other side asks to be left alone (RFC 9110, 10.2.3).
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(max(0, min(seconds, int(maxWait/time.Second)))) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, min(at.Sub(now), maxWait))
	}
	return 0
}
