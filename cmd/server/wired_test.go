package server

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"testing"

	"gatehouse/protocols/places"
	"gatehouse/protocols/webdav/wire"
)

// The connections of the web doors are those that WebDAV can tell what leaves
// together, and give their places back all the same.
func TestRequestsKnowTheirConnection(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := webServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if places.From(r.Context()) == nil || wire.From(r.Context()) == nil {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}), slog.New(slog.DiscardHandler))
	yielding(s)
	l := bounded(inner, bounds{all: 1, each: 1, exempt: func(netip.Addr) bool { return false }})
	served := make(chan error, 1)
	go func() { served <- s.Serve(wire.Listen(l)) }() // ends with s
	answer, err := http.Get("http://" + inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	if answer.StatusCode != http.StatusOK {
		t.Error("the request has no connection, or no place")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	<-served
	if n := l.table.Taken(); n != 0 {
		t.Errorf("%d places are taken at the end", n)
	}
}
