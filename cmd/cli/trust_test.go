package cli

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// secure answers every request with a list over TLS, under a certificate of no
// known authority.
func secure(t *testing.T, pairs ...tls.Certificate) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "[]") }))
	s.TLS = &tls.Config{Certificates: pairs}
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that turn away
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// A token goes to nobody but the gateway that was meant: without --ca or --pin
// that of an unknown certificate is not it, and the message says what to do.
func TestWhomTheCommandLineTrusts(t *testing.T) {
	s, other := secure(t), secure(t, otherKey(t))
	pin := pinOf(s.Certificate())
	ca := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		server string
		env    map[string]string
		args   []string
		status int
		says   string
	}{
		"an unknown certificate":      {server: s.URL, status: 1, says: "give --pin " + pin},
		"--ca":                        {server: s.URL, args: []string{"--ca", ca}},
		"GATEHOUSE_CA":                {server: s.URL, env: map[string]string{"GATEHOUSE_CA": ca}},
		"--pin":                       {server: s.URL, args: []string{"--pin", pin}},
		"--pin as curl has it":        {server: s.URL, args: []string{"--pin", strings.Replace(pin, ":", "//", 1)}},
		"GATEHOUSE_PIN":               {server: s.URL, env: map[string]string{"GATEHOUSE_PIN": pin}},
		"--ca of another":             {server: other.URL, args: []string{"--ca", ca}, status: 1, says: "cannot be trusted"},
		"--pin of another":            {server: other.URL, args: []string{"--pin", pin}, status: 1, says: "somebody may be in between"},
		"--ca without a certificate":  {server: s.URL, args: []string{"--ca", os.DevNull}, status: 1, says: "holds no certificate"},
		"--pin that is none":          {server: s.URL, args: []string{"--pin", "sha256:abc"}, status: 2, says: "base64 of 32 bytes"},
		"both":                        {server: s.URL, args: []string{"--pin", pin, "--ca", ca}, status: 2, says: "not both"},
		"an address without a scheme": {server: strings.TrimPrefix(s.URL, "https://"), status: 2, says: "such as https://"},
	} {
		status, _, errs := run(t, test.env, append([]string{"ban", "list", "--server", test.server}, test.args...)...)
		if status != test.status || !strings.Contains(errs, test.says) {
			t.Errorf("%s: it ends with %d: %s", name, status, errs)
		}
	}
}

// otherKey is a pair of a key that nobody has pinned.
func otherKey(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"example.com"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
