package ftp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"gatehouse/policy"
	"gatehouse/protocols/protocoltest"
)

// A site is a world with an FTP door.
type site struct {
	*protocoltest.World
	server *Server
	config Config
	addr   string
	ended  chan error // of Serve
}

// newSite serves FTP on loopback, with TLS offered and clear FTP allowed.
func newSite(t testing.TB, changes ...func(*Config)) *site {
	t.Helper()
	w := protocoltest.NewWorld(t)
	w.SetSite(func(s *policy.Site) { s.PlainFTP = policy.Allow })
	return serve(t, w, changes...)
}

func serve(t testing.TB, w *protocoltest.World, changes ...func(*Config)) *site {
	t.Helper()
	config := serverTLS()
	s := &site{World: w, ended: make(chan error, 1)}
	s.config = Config{Manager: w.Sessions, Log: w.Log, TLS: func() *tls.Config { return config }}
	for _, change := range changes {
		change(&s.config)
	}
	var err error
	if s.server, err = New(s.config); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	go func() { s.ended <- s.server.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		_ = s.server.Shutdown(ctx)
		if err := <-s.ended; !errors.Is(err, ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
		strangers := 0
		for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if strangers = s.server.waiting(); strangers == 0 {
				return
			}
		}
		t.Errorf("%d connections are still counted as strangers", strangers)
	})
	return s
}

// waiting is how many connections count as strangers.
func (s *Server) waiting() int {
	return s.strangers.Taken()
}

// trust is a client's TLS configuration, with a session cache of its own.
func (s *site) trust() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(certificate().Leaf)
	return &tls.Config{ServerName: "localhost", RootCAs: pool, ClientSessionCache: tls.NewLRUClientSessionCache(16)}
}

func serverTLS() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{certificate()}}
}

var certificate = sync.OnceValue(func() tls.Certificate { return protocoltest.Certificate("localhost") })

// certificateFile is the certificate for clients that are programs.
func certificateFile(t testing.TB) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "ca.pem")
	b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate().Certificate[0]})
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
