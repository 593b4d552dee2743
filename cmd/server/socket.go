package server

import (
	"context"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"os"
	"path/filepath"

	"gatehouse/policy"
)

// listenPrivate opens a Unix socket that its owner alone can use. It is made
// under another name and closed to others before it gets its own.
func listenPrivate(ctx context.Context, name string) (net.Listener, error) {
	var lc net.ListenConfig
	building := filepath.Join(filepath.Dir(name), ".building.sock")
	_ = os.Remove(building)
	l, err := lc.Listen(ctx, "unix", building)
	if err != nil {
		return nil, err
	}
	u := l.(*net.UnixListener)
	u.SetUnlinkOnClose(false)
	if err := os.Chmod(building, 0o600); err != nil {
		return nil, err
	}
	if err := os.Rename(building, name); err != nil {
		return nil, err
	}
	return &socketListener{u, name}, nil
}

// socketListener removes the socket when it is closed.
type socketListener struct {
	*net.UnixListener
	name string
}

// Close closes the listener and removes the socket.
func (l *socketListener) Close() error {
	_ = os.Remove(l.name)
	return l.UnixListener.Close()
}

// socketConnection: the local socket has no address.
func socketConnection(*http.Request) (netip.Addr, policy.Transport) {
	return netip.Addr{}, policy.Local
}

// profiles are offered on the local socket alone.
func profiles(mux *http.ServeMux) {
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
}
