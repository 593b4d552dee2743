// Package webdav speaks WebDAV (RFC 4918, class 1, 2 and 3; RFC 4331 quota
// properties) over the guarded file system of a session. It decides nothing:
// it turns requests into calls of session.FS, and their outcomes into answers.
//
// Each request logs in by itself with Basic authentication. Uploads are atomic,
// listings are streamed, and a session or handle that is cut breaks the
// connection, also when the client has stopped reading or sending.
package webdav

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"gatehouse/auth/session"
	"gatehouse/protocols/places"
)

// Config is what a Handler is made of. Sessions is required.
type Config struct {
	// Prefix is where the tree stands in the server's namespace; default "/dav/".
	Prefix   string
	Sessions *session.Manager
	Log      *slog.Logger
	// Origin tells who sent a request and how it travelled, for servers behind
	// a trusted proxy; nil takes the connection's own address and TLS state.
	Origin func(*http.Request) Origin
	// Hosts are names (host or host:port) by which clients know this server,
	// beside the Host of their request; a Destination elsewhere is refused.
	Hosts []string
	// Realm is shown by clients that ask for a password; default "Gatehouse".
	Realm string
	// Stall ends a request whose body or answer does not move; default a minute.
	Stall time.Duration
	// Requests is how many of one account are carried out at a time; default 512.
	Requests int
}

// A Handler serves WebDAV. It is an http.Handler for any server whose
// ResponseWriter supports deadlines; see Mount for how to put it in front of others.
//
// The server sets ReadHeaderTimeout, IdleTimeout, MaxHeaderBytes and a
// WriteTimeout (which begins each request with a fresh deadline), and bounds
// connections. ReadTimeout may be 0: the handler moves deadlines as bytes move.
type Handler struct {
	c      Config
	prefix string // with a slash at both ends
	// underWay are the requests that are being carried out.
	underWay  *underWay
	questions questions
}

// New makes a handler.
func New(c Config) *Handler {
	if c.Prefix == "" {
		c.Prefix = "/dav/"
	}
	if c.Realm == "" {
		c.Realm = "Gatehouse"
	}
	if c.Stall <= 0 {
		c.Stall = time.Minute
	}
	if c.Requests <= 0 {
		c.Requests = 512
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Origin == nil {
		c.Origin = direct
	}
	h := &Handler{c: c, prefix: "/", underWay: newUnderWay(c.Requests)}
	if trimmed := strings.Trim(c.Prefix, "/"); trimmed != "" {
		h.prefix = "/" + trimmed + "/"
	}
	return h
}

// Mount returns a handler that serves what stands under the prefix itself, and
// leaves the rest to next. It stands in front of an http.ServeMux, which would
// redirect paths with ".." and "//" before they could be refused. OPTIONS of the
// server's root it answers too: Windows looks there for a WebDAV server first.
func (h *Handler) Mount(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := r.URL.Path
		if strings.HasPrefix(p, h.prefix) || p+"/" == h.prefix || p == "/" && r.Method == http.MethodOptions {
			h.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x, err := newExchange(w, r, h.c.Stall)
	if err != nil {
		h.c.Log.Error("webdav needs a server whose connections take deadlines", "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	defer x.finish()
	defer h.contain(x, r)
	header := w.Header()
	for _, p := range protection {
		header[p.name] = p.values
	}
	if err := h.serve(x, r); err != nil {
		h.fail(x, r, err)
	}
}

// serve does what every request needs before its method is asked.
func (h *Handler) serve(x *exchange, r *http.Request) error {
	if r.Method == http.MethodOptions {
		return options(x)
	}
	do, known := methods[r.Method]
	if !known {
		return refuse(http.StatusMethodNotAllowed, "this method is not known here")
	}
	s, done, err := h.login(r)
	if err != nil {
		return err
	}
	defer done()
	places.From(r.Context()).Keep()
	if err := h.underWay.begin(s.AccountID()); err != nil {
		return err
	}
	defer h.underWay.end(s.AccountID())
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	defer x.endWith(s.Context(), cancel)()

	q := &request{h: h, x: x, r: r, ctx: ctx, fs: s.FS()}
	if q.path, q.slash, err = h.locate(r.URL.EscapedPath()); err != nil {
		return err
	}
	if err := q.submit(); err != nil {
		return err
	}
	if err := q.judge(); err != nil {
		return err
	}
	return do(q)
}

// contain keeps a panic from passing the request. What was begun was undone by
// deferred calls; an answer that was begun is broken off, so that it cannot be
// taken for a whole one.
func (h *Handler) contain(x *exchange, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		x.finish()
		panic(http.ErrAbortHandler)
	}
	h.c.Log.Error("panic in a request", "method", r.Method, "panic", p, "stack", string(debug.Stack()))
	if x.started() {
		x.finish()
		panic(http.ErrAbortHandler)
	}
	http.Error(x, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
}

// protection keeps what users store here from ever running as a page of this server.
// Its names are written as net/http writes them.
var protection = []struct {
	name   string
	values []string
}{
	{"X-Content-Type-Options", []string{"nosniff"}},
	{"Content-Security-Policy", []string{"default-src 'none'; frame-ancestors 'none'; sandbox"}},
	{"Cross-Origin-Resource-Policy", []string{"same-origin"}},
	{"Referrer-Policy", []string{"no-referrer"}},
	{"Cache-Control", []string{"private, no-cache"}},
}

// reference names one answer, for the client's text and for the log.
func reference() string { return rand.Text()[:12] }
