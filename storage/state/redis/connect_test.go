package redis

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gatehouse/storage/state"
	"gatehouse/storage/state/redis/redistest"
)

// A replica becomes the master while it is written and watched: all that was
// acknowledged to a replica too is there, and heard.
func TestFailover(t *testing.T) {
	t.Parallel()
	w := redistest.StartWatched(t)
	s := opened(t, Options{URL: w.URL()})
	changes := watched(t, s, "s", 0)
	mustPut(t, s, "s", "before")
	wantChange(t, changes, state.Change{Revision: 1, Name: "before"})
	w.Master.Do(t, "WAIT", 1, 30_000)
	w.FailOver(t)
	// Whoever is the master while it goes over: in the end it is the other one.
	for began, n := time.Now(), 0; ; n++ {
		revision := settled(t, s, "s", fmt.Sprint(n))
		reply, err := w.Replica.Try("ROLE") // a server whose role changes ends its connections
		role, _ := reply.([]any)
		if err == nil && role[0] == "master" && w.Replica.Do(t, "GET", s.keys.key("s", "v")) == fmt.Sprint(revision) {
			break
		}
		if err == nil && role[0] != "master" { // a Sentinel that stood still gives up what it was at
			_, _ = w.Sentinel.Try("SENTINEL", "FAILOVER", redistest.Name)
		}
		if time.Since(began) > 2*time.Minute {
			t.Fatal("the replica is never written to")
		}
	}
	if _, err := s.Get(t.Context(), "s", "before"); err != nil {
		t.Errorf("get: %v", err)
	}
	last := settled(t, s, "s", "last")
	for {
		select {
		case c := <-changes:
			if c.Revision >= last {
				return
			}
		case <-time.After(30 * time.Second):
			t.Fatal("the last change is not heard")
		}
	}
}

// settled puts a record, again until its outcome is known.
func settled(t *testing.T, s *Store, scope, name string) uint64 {
	t.Helper()
	b := state.Batch{Scope: scope, ID: state.NewOperationID(), Puts: []state.Put{{Name: name}}}
	for began := time.Now(); ; {
		r, err := s.Apply(t.Context(), b)
		if err == nil {
			return r.Revision
		}
		if !errors.Is(err, state.ErrAway) || time.Since(began) > 60*time.Second {
			t.Fatalf("put %s: %v", name, err)
		}
	}
}

// A server that asks for TLS and for who is there.
func TestTLSAndPassword(t *testing.T) {
	t.Parallel()
	certificate, key, roots := selfSigned(t)
	port := redistest.Port(t)
	server := redistest.Start(t, "--tls-port", port, "--tls-cert-file", certificate, "--tls-key-file", key,
		"--tls-ca-cert-file", certificate, "--tls-auth-clients", "no")
	server.Do(t, "ACL", "SETUSER", "gate", "on", ">se/cr@t", "~gh:*", "&gh:*",
		"+@read", "+@write", "+@scripting", "+@pubsub", "+@connection", "+time")
	server.Do(t, "ACL", "SETUSER", "default", "-@all", "+info", "+acl")
	address := net.JoinHostPort("127.0.0.1", port)
	s := opened(t, Options{URL: "rediss://gate:se%2Fcr%40t@" + address, TLS: roots})
	changes := watched(t, s, "s", 0)
	mustPut(t, s, "s", "a")
	wantChange(t, changes, state.Change{Revision: 1, Name: "a"})
	if text := dumped(t, s); text == "" { // a server alone needs no right of an administrator for it
		t.Error("the dump is empty")
	}
	for name, o := range map[string]Options{
		"an unknown root":  {URL: "rediss://gate:se%2Fcr%40t@" + address},
		"a wrong password": {URL: "rediss://gate:wrong@" + address, TLS: roots},
		"nobody":           {URL: "rediss://" + address, TLS: roots},
	} {
		if s, err := Open(t.Context(), o); err == nil {
			t.Errorf("%s: opened", name)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// selfSigned makes a certificate for 127.0.0.1, and what trusts it.
func selfSigned(t *testing.T) (certificate, key string, roots *tls.Config) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certificate, key = filepath.Join(dir, "certificate"), filepath.Join(dir, "key")
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := errors.Join(os.WriteFile(certificate, public, 0o600),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600)); err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(public)
	return certificate, key, &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}
