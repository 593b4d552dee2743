package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"gatehouse/admin"
	"gatehouse/cmd/server"
)

// A client asks the API of a running gateway.
type client struct {
	http  *http.Client
	base  string
	token string
}

func (a *app) client() (*client, error) {
	if a.server != "" {
		token, err := a.token()
		if err != nil {
			return nil, err
		}
		return &client{http: &http.Client{}, base: strings.TrimSuffix(a.server, "/") + admin.Prefix, token: token}, nil
	}
	socket := server.Socket(a.dataFolder())
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	return &client{http: &http.Client{Transport: &http.Transport{DialContext: dial}}, base: "http://localhost" + admin.Prefix}, nil
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
// problem document becomes an error that names the fields.
func (c *client) do(ctx context.Context, method, path string, query url.Values, in, out any) error {
	resp, err := c.send(ctx, method, path, query, in)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if out == nil || resp.StatusCode == http.StatusNoContent {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("read the gateway's answer: %w", err)
	}
	return nil
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
	if resp.StatusCode >= 400 {
		defer func() { _ = resp.Body.Close() }()
		return nil, problemOf(resp)
	}
	return resp, nil
}

// unreachable says what to do where no gateway answers.
func unreachable(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Net == "unix" {
		return fmt.Errorf("no gateway answers at %v: is it running, and is --data its data folder? (%w)", op.Addr, op.Err)
	}
	return err
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
		p.Detail += "\n  " + strings.TrimPrefix(e.Location, "body.") + ": " + e.Message
	}
	return errors.New(p.Detail)
}

// segment escapes a name for a place in a path.
func segment(name string) string { return url.PathEscape(name) }
