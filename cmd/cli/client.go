package cli

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"gatehouse/admin/rest"
	"gatehouse/cmd/server"
	"gatehouse/storage/accounts"
)

// A client asks the API of a running gateway.
type client struct {
	http  *http.Client
	base  string
	token string
	warn  func(warnings []string)
}

// client is the same for all of a command's requests, which share connections.
func (a *app) client() (*client, error) {
	if a.talking != nil {
		return a.talking, nil
	}
	c, err := a.dial()
	if err == nil {
		c.warn, a.talking = a.warn, c
	}
	return c, err
}

func (a *app) dial() (*client, error) {
	if a.server == "" {
		return a.local(), nil
	}
	u, err := url.Parse(a.server)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, usagef("--server %q: it is an address such as https://files.example.org:8443", a.server)
	}
	token, err := a.token()
	if err != nil {
		return nil, err
	}
	trust, err := a.trust()
	if err != nil {
		return nil, err
	}
	if err := mayBeClear(u, token, trust); err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = trust
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // the token is for this address
	return &client{http: &http.Client{Transport: transport, CheckRedirect: stay}, base: strings.TrimSuffix(a.server, "/") + rest.Prefix, token: token}, nil
}

// mayBeClear refuses http:// where something would be believed or given away: a
// certificate asked for, or a token on its way over a network.
func mayBeClear(u *url.URL, token string, trust *tls.Config) error {
	if u.Scheme == "https" {
		return nil
	}
	if trust != nil {
		return usagef("--server %s shows no certificate: --ca and --pin go with https://", u)
	}
	if ip, err := netip.ParseAddr(u.Hostname()); token != "" && u.Hostname() != "localhost" && (err != nil || !ip.Unmap().IsLoopback()) {
		return usagef("--server %s would carry the token unencrypted over the network: use https://", u)
	}
	return nil
}

// local asks over the socket in the data folder.
func (a *app) local() *client {
	socket := server.Socket(a.dataFolder())
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	return &client{http: &http.Client{Transport: &http.Transport{DialContext: dial}}, base: "http://localhost" + rest.Prefix}
}

func (a *app) token() (string, error) {
	if a.tokenFile == "" {
		return a.Getenv("GATEHOUSE_TOKEN"), nil
	}
	text, err := os.ReadFile(a.tokenFile)
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// do sends in as JSON and decodes the answer into out; either may be nil. A
// problem document becomes an error that names the fields; what the answer warns
// of is told, whatever becomes of the rest.
func (c *client) do(ctx context.Context, method, path string, query url.Values, in, out any) error {
	resp, err := c.send(ctx, method, path, query, in)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusNoContent {
		return nil
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("read the gateway's answer: %w", err)
	}
	c.warn(warningsOf(text))
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("read the gateway's answer: %w", err)
	}
	return nil
}

// warningsOf finds what an answer says that may not be meant.
func warningsOf(answer []byte) []string {
	var told struct{ Warnings []string }
	if bytes.Contains(answer, []byte(`"warnings"`)) && json.Unmarshal(answer, &told) != nil {
		return nil // no object, or warnings of another kind
	}
	return told.Warnings
}

// send is do for an answer that is read as it comes.
func (c *client) send(ctx context.Context, method, path string, query url.Values, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	target := c.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, unreachable(err)
	}
	if resp.StatusCode >= 300 {
		defer func() { _ = resp.Body.Close() }()
		return nil, c.refusal(resp)
	}
	return resp, nil
}

// refusal says what became of a request that was not carried out.
func (c *client) refusal(resp *http.Response) error {
	switch {
	case resp.StatusCode < 400:
		return fmt.Errorf("%s sends on to another address (%s): where that is the gateway, give it as --server", c.base, cmp.Or(resp.Header.Get("Location"), "without naming it"))
	case resp.StatusCode == http.StatusUnauthorized && c.token == "":
		return errors.New("the gateway asks who you are: put an API token (gatehouse token add) into GATEHOUSE_TOKEN, or into a file for --token-file")
	}
	err := problemOf(resp)
	if err.Error() == accounts.ErrNotFound.Error() {
		asked, _ := url.PathUnescape(strings.TrimPrefix(resp.Request.URL.Path, rest.Prefix))
		return fmt.Errorf("%w: %s", accounts.ErrNotFound, strings.TrimPrefix(asked, "/"))
	}
	return err
}

// unreachable says what to do where no gateway answers.
func unreachable(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Net == "unix" {
		return fmt.Errorf("no gateway answers at %v: is it running and ready (its log says so), and is --data its data folder? (%w)", op.Addr, op.Err)
	}
	return untrusted(err)
}

func problemOf(resp *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	var p struct {
		Detail string
		Title  string
		Errors []struct{ Location, Message string }
	}
	if json.Unmarshal(text, &p) != nil || p.Detail == "" && p.Title == "" {
		return fmt.Errorf("the gateway answered %s: %s", resp.Status, strings.TrimSpace(string(text)))
	}
	if p.Detail == "" {
		p.Detail = p.Title
	}
	for _, e := range p.Errors {
		_, field, _ := strings.Cut(e.Location, ".") // body, query or path
		p.Detail += "\n  " + cmp.Or(field, e.Location) + ": " + e.Message
	}
	return errors.New(p.Detail)
}

// segment escapes a name for a place in a path.
func segment(name string) string { return url.PathEscape(name) }
