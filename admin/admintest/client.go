package admintest

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"gatehouse/admin/rest"
)

// Eventually waits for what a changed policy brings about, for as long as a
// machine may stand still.
func Eventually(t *testing.T, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not come to hold")
		}
	}
}

// Authorized is a key as a line of authorized_keys.
func Authorized(key ssh.Signer) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key.PublicKey())))
}

// Client is a browser or a script.
type Client struct {
	*Site
	TLS      bool
	onSocket bool
	Cookie   *http.Cookie
	Header   http.Header
	Host     string
}

// Do asks the API; the body is text.
func (c *Client) Do(method, path, body string) *httptest.ResponseRecorder {
	c.t.Helper()
	r := httptest.NewRequestWithContext(c.t.Context(), method, rest.Prefix+path, strings.NewReader(body))
	r.Host = "localhost"
	if c.Host != "" {
		r.Host = c.Host
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for k, v := range c.Header {
		r.Header[k] = v
	}
	if c.TLS {
		r.TLS = &tls.ConnectionState{}
	}
	if c.Cookie != nil {
		r.AddCookie(c.Cookie)
	}
	w := httptest.NewRecorder()
	if c.onSocket {
		c.Socket.ServeHTTP(w, r)
		return w
	}
	c.Web.ServeHTTP(w, r)
	for _, set := range w.Result().Cookies() {
		c.Cookie = set
	}
	return w
}

// Must asks and demands a status; it returns the answer as a tree.
func (c *Client) Must(status int, method, path, body string) map[string]any {
	c.t.Helper()
	w := c.Do(method, path, body)
	if w.Code != status {
		c.t.Fatalf("%s %s is %d, want %d: %s", method, path, w.Code, status, w.Body)
	}
	var tree map[string]any
	_ = json.Unmarshal(w.Body.Bytes(), &tree)
	return tree
}

// RefusedField asks, demands 403, and returns the field that the problem names.
func (c *Client) RefusedField(method, path, body string) string {
	c.t.Helper()
	w := c.Do(method, path, body)
	var problem struct {
		Errors []struct{ Location string }
	}
	_ = json.Unmarshal(w.Body.Bytes(), &problem)
	if w.Code != 403 {
		c.t.Errorf("%s %s %s is %d, want 403: %s", method, path, body, w.Code, w.Body)
		return ""
	}
	if len(problem.Errors) == 0 {
		return ""
	}
	return strings.TrimPrefix(problem.Errors[0].Location, "body.")
}

// List asks for a list.
func (c *Client) List(path string) []map[string]any {
	c.t.Helper()
	w := c.Do("GET", path, "")
	var list []map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &list); w.Code != 200 || err != nil {
		c.t.Fatalf("GET %s is %d: %s", path, w.Code, w.Body)
	}
	return list
}

// Body writes a JSON object of texts.
func Body(pairs ...string) string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	text, _ := json.Marshal(m)
	return string(text)
}
