package certs_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/acme/autocert"

	"gatehouse/cmd/certs"
	"gatehouse/cmd/kept"
	"gatehouse/storage/seal"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

func keeper(t *testing.T, st state.Store) *kept.Keeper {
	t.Helper()
	s, err := seal.New(bytes.Repeat([]byte{1}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return kept.New(st, s)
}

// Nodes that start at once serve one certificate, which is for the names of each,
// under one key: who has pinned it may reach any of them.
func TestNodesShareTheSelfSignedCertificate(t *testing.T) {
	k := keeper(t, memory.New())
	hosts := [][]string{{"a.example.org"}, {"b.example.org", "192.0.2.1"}, nil, {"a.example.org"}}
	sources := make([]*certs.Source, len(hosts))
	var all sync.WaitGroup
	for i := range sources {
		dir := t.TempDir()
		all.Go(func() {
			var err error
			if sources[i], err = certs.New(t.Context(), certs.Config{Dir: dir, Kept: k, Hosts: hosts[i]}); err != nil {
				t.Error(err)
				return
			}
			if _, err := os.Stat(filepath.Join(dir, "self-signed.pem")); !os.IsNotExist(err) {
				t.Errorf("a copy in the data folder: %v", err)
			}
		})
	}
	all.Wait()
	if t.Failed() {
		return
	}
	pin := sources[0].Pin()
	last := served(t, open(t, certs.Config{Dir: t.TempDir(), Kept: k}))
	for i, s := range sources {
		if s.Pin() != pin {
			t.Errorf("node %d has another key", i)
		}
		for _, name := range hosts[i] {
			if err := last.VerifyHostname(name); err != nil {
				t.Errorf("who starts last: %v", err)
			}
		}
		if err := s.Reload(t.Context()); err != nil || !served(t, s).Equal(last) {
			t.Errorf("node %d has another certificate when it has reloaded (%v)", i, err)
		}
	}
}

// What the first node had while it was alone goes on: its clients know it. What a
// second one had does not win over it.
func TestTheFirstNodesCertificateBecomesThatOfAll(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	known := open(t, certs.Config{Dir: first}).Pin()
	if open(t, certs.Config{Dir: second}).Pin() == known {
		t.Fatal("two made the same key")
	}
	k := keeper(t, memory.New())
	for _, dir := range []string{first, second} {
		if pin := open(t, certs.Config{Dir: dir, Kept: k}).Pin(); pin != known {
			t.Errorf("%s serves with %s, want %s", dir, pin, known)
		}
	}
}

// pairFor is a certificate as ACME's cache has it.
func pairFor(t *testing.T, name string) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private})
	return append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
}

// While one node orders, another waits and takes what was ordered; it has no way
// to a directory here, and would fail if it ordered for itself.
func TestOneNodeOrders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keeper(t, memory.New())
		if mine, err := k.Claim(t.Context(), "acme-order", "another node", time.Hour); !mine || err != nil {
			t.Fatal(mine, err)
		}
		s := open(t, certs.Config{Dir: t.TempDir(), Kept: k, Domains: []string{"files.example.org"}, Directory: "https://127.0.0.1:1/"})
		began := time.Now()
		go func() { // ends with what it puts
			time.Sleep(10 * time.Second)
			if err := k.Replace(context.Background(), "acme/files.example.org", pairFor(t, "files.example.org")); err != nil {
				t.Error(err)
			}
		}()
		near, far := net.Pipe()
		go func() { _ = tls.Server(far, s.HTTPS()).HandshakeContext(t.Context()) }() // ends with the client
		client := tls.Client(near, &tls.Config{ServerName: "files.example.org", InsecureSkipVerify: true})
		if err := client.HandshakeContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 10*time.Second {
			t.Errorf("it was there after %v", took)
		}
		if err := client.ConnectionState().PeerCertificates[0].VerifyHostname("files.example.org"); err != nil {
			t.Error(err)
		}
		_, _ = near.Close(), far.Close()
	})
}

// An account and certificates that the first node got while it was alone are those
// of all; a certificate got later wins over what a folder has.
func TestWhatACMEGaveIsShared(t *testing.T) {
	k := keeper(t, memory.New())
	first, second := t.TempDir(), t.TempDir()
	for _, dir := range []string{first, second} {
		if err := autocert.DirCache(filepath.Join(dir, "acme")).Put(t.Context(), "files.example.org", pairFor(t, "files.example.org")); err != nil {
			t.Fatal(err)
		}
	}
	var ends []time.Time
	for _, dir := range []string{first, second} {
		s := open(t, certs.Config{Dir: dir, Kept: k, Domains: []string{"files.example.org"}, Directory: "https://127.0.0.1:1/"})
		status, err := s.Status(t.Context())
		if err != nil || status.Expires.IsZero() {
			t.Fatalf("%+v, %v", status, err)
		}
		ends = append(ends, status.Expires)
	}
	shared, _, err := k.Get(t.Context(), "acme/files.example.org")
	folder, rerr := os.ReadFile(filepath.Join(first, "acme", "files.example.org"))
	if err != nil || rerr != nil || !bytes.Equal(shared, folder) || !ends[0].Equal(ends[1]) {
		t.Errorf("the second node's is served: %v, %v, %v", ends, err, rerr)
	}
}
