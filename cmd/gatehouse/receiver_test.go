package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A receiver is another program that webhooks lead to: an HTTPS server on loopback
// whose certificate is of an authority of its own.
type receiver struct {
	t    *testing.T
	ca   string // the authority's file
	leaf tls.Certificate
	port string

	server *http.Server
	mu     sync.Mutex
	heard  []heard
	answer func(w http.ResponseWriter, r *http.Request)
}

// A heard is a message as it came.
type heard struct {
	id, kind, path string
	header         http.Header
	body           []byte
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{t: t, ca: filepath.Join(t.TempDir(), "ca.pem")}
	r.certify()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, r.port, _ = net.SplitHostPort(l.Addr().String())
	r.serve(l)
	t.Cleanup(r.down)
	return r
}

// url is an address of the receiver, by its name.
func (r *receiver) url(path string) string { return "https://localhost:" + r.port + path }

func (r *receiver) serve(l net.Listener) {
	r.server = &http.Server{Handler: r, TLSConfig: &tls.Config{Certificates: []tls.Certificate{r.leaf}}}
	go func(s *http.Server) { _ = s.ServeTLS(l, "", "") }(r.server) // ends with down
}

// down is away: connections are refused.
func (r *receiver) down() { _ = r.server.Close() }

// up is there again, at the same port.
func (r *receiver) up() {
	r.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		l, err := net.Listen("tcp", "127.0.0.1:"+r.port)
		if err == nil {
			r.serve(l)
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatal(err)
		}
	}
}

func (r *receiver) certify() {
	r.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		r.t.Fatal(err)
	}
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "receivers"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	root, err := x509.CreateCertificate(rand.Reader, authority, authority, key.Public(), key)
	if err != nil {
		r.t.Fatal(err)
	}
	own, err := x509.CreateCertificate(rand.Reader, leaf, authority, key.Public(), key)
	if err != nil {
		r.t.Fatal(err)
	}
	r.leaf = tls.Certificate{Certificate: [][]byte{own}, PrivateKey: key}
	if err := os.WriteFile(r.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root}), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// ServeHTTP keeps a message, and answers as it is to.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	h := heard{id: req.Header.Get("webhook-id"), header: req.Header.Clone(), body: body}
	var message struct {
		Type string
		Data struct{ Path string }
	}
	_ = json.Unmarshal(body, &message)
	h.kind, h.path = message.Type, message.Data.Path
	r.mu.Lock()
	r.heard = append(r.heard, h)
	answer := r.answer
	r.mu.Unlock()
	if answer != nil {
		answer(w, req)
	}
}

func (r *receiver) answers(how func(http.ResponseWriter, *http.Request)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = how
}

func (r *receiver) all() []heard {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]heard(nil), r.heard...)
}

// waitFor waits until a message about a path has come.
func (r *receiver) waitFor(path string) heard {
	r.t.Helper()
	return r.wait("of "+path, func(h heard) bool { return h.path == path })
}

func (r *receiver) wait(what string, is func(heard) bool) heard {
	r.t.Helper()
	for deadline := time.Now().Add(90 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		for _, h := range r.all() {
			if is(h) {
				return h
			}
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("no message %s has come", what)
		}
	}
}

// verify judges a message as the published algorithm has it (Standard Webhooks 1.0,
// symmetric signatures), by its headers and its body as it came. It stands in
// docs/webhooks.md too.
func verify(secret string, h http.Header, body []byte) error {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return err
	}
	sent, err := strconv.ParseInt(h.Get("webhook-timestamp"), 10, 64)
	if err != nil || time.Since(time.Unix(sent, 0)).Abs() > 5*time.Minute {
		return errors.New("it is too old")
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.%s", h.Get("webhook-id"), sent, body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for one := range strings.FieldsSeq(h.Get("webhook-signature")) {
		if hmac.Equal([]byte(one), []byte(want)) {
			return nil
		}
	}
	return errors.New("the gateway has not signed it")
}
