package floor

import (
	"net"
	"net/http"

	"golang.org/x/net/webdav"
)

// dav is WebDAV over plain files.
type dav struct{ accepted chan net.Conn }

func newDAV(c Config) *dav {
	d := &dav{make(chan net.Conn)}
	files := &webdav.Handler{FileSystem: webdav.Dir(c.Root), LockSystem: webdav.NewMemLS()}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != c.User || password != c.Password {
			w.Header().Set("WWW-Authenticate", `Basic realm="floor"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		files.ServeHTTP(w, r)
	})}
	go func() { _ = server.Serve(d) }() // ends with the process
	return d
}

func (d *dav) serve(c net.Conn) { d.accepted <- c }

// Accept hands on what both ports have accepted.
func (d *dav) Accept() (net.Conn, error) { return <-d.accepted, nil }

// Close leaves the ports to those who opened them.
func (d *dav) Close() error { return nil }

// Addr names no port, since there are two.
func (d *dav) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
