package cli

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
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

// asked counts what reaches a server, and notes the tokens that come along.
type asked struct {
	times  int
	tokens []string
}

// plain answers every request with a list over HTTP without TLS.
func plain(t *testing.T) (*httptest.Server, *asked) {
	t.Helper()
	seen := &asked{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.times, seen.tokens = seen.times+1, append(seen.tokens, r.Header.Get("Authorization"))
		_, _ = io.WriteString(w, "[]")
	}))
	t.Cleanup(s.Close)
	return s, seen
}

// Where a certificate was asked for, or a token would cross a network, an address
// without TLS is refused before anything is sent: the one who listens there
// would get the token, and answer in the gateway's place.
func TestNothingIsTrustedToClearHTTP(t *testing.T) {
	s, seen := plain(t)
	pin := "sha256:" + base64.StdEncoding.EncodeToString(make([]byte, sha256.Size))
	ca := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure(t).Certificate().Raw})
	if err := os.WriteFile(ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	token := map[string]string{"GATEHOUSE_TOKEN": "gwt_secret"}
	here := strings.TrimPrefix(s.URL, "http://127.0.0.1")
	for name, test := range map[string]struct {
		server string
		env    map[string]string
		args   []string
		status int
		says   string
	}{
		"--pin":                      {server: s.URL, args: []string{"--pin", pin}, status: 2, says: "--ca and --pin go with https://"},
		"GATEHOUSE_PIN":              {server: s.URL, env: map[string]string{"GATEHOUSE_PIN": pin}, status: 2, says: "go with https://"},
		"--ca":                       {server: s.URL, args: []string{"--ca", ca}, status: 2, says: "go with https://"},
		"a token to another machine": {server: "http://192.0.2.1:9", env: token, status: 2, says: "would carry the token unencrypted"},
		"a token to a name":          {server: "http://files.example.org", env: token, status: 2, says: "would carry the token unencrypted"},
		"a name that begins so":      {server: "http://127.0.0.1.example.org", env: token, status: 2, says: "would carry the token unencrypted"},
		"localhost of somebody":      {server: "http://localhost.example.org", env: token, status: 2, says: "would carry the token unencrypted"},
		"a name before the @":        {server: "http://localhost@192.0.2.1:9", env: token, status: 2, says: "would carry the token unencrypted"},
		"in capitals":                {server: "HTTP://192.0.2.1:9", env: token, status: 2, says: "would carry the token unencrypted"},
		"a token to loopback":        {server: s.URL, env: token},
		"a token to ::ffff:":         {server: "http://[::ffff:127.0.0.1]" + here, env: token},
		"no token":                   {server: s.URL},
	} {
		seen.times = 0
		status, _, errs := run(t, test.env, append([]string{"ban", "list", "--server", test.server}, test.args...)...)
		if status != test.status || !strings.Contains(errs, test.says) || (seen.times > 0) != (test.status == 0) {
			t.Errorf("%s: it ends with %d, %d asked: %s", name, status, seen.times, errs)
		}
	}
}

// A gateway, or somebody in its place, that sends on to another address gets the
// token nowhere, and its word for an answer nowhere either.
func TestTheCommandLineFollowsNobody(t *testing.T) {
	elsewhere, seen := plain(t)
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := httptest.NewTLSServer(http.RedirectHandler(elsewhere.URL+"/api/v1/bans", status))
		t.Cleanup(s.Close)
		ends, _, errs := run(t, map[string]string{"GATEHOUSE_TOKEN": "gwt_secret"}, "ban", "list", "--server", s.URL, "--pin", pinOf(s.Certificate()))
		if ends != 1 || !strings.Contains(errs, elsewhere.URL) || !strings.Contains(errs, "--server") {
			t.Errorf("%d: it ends with %d: %s", status, ends, errs)
		}
	}
	if seen.times > 0 {
		t.Errorf("the other address was asked with %q", seen.tokens)
	}
}

// Who has no token yet is told where one goes; who has one hears what the gateway
// has against it.
func TestWithoutATokenItSaysWhereOneGoes(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"title":"Unauthorized","detail":"its own words"}`)
	}))
	t.Cleanup(s.Close)
	if status, _, errs := run(t, nil, "ban", "list", "--server", s.URL); status != 1 || !strings.Contains(errs, "GATEHOUSE_TOKEN") || !strings.Contains(errs, "--token-file") {
		t.Errorf("it ends with %d: %s", status, errs)
	}
	if _, _, errs := run(t, map[string]string{"GATEHOUSE_TOKEN": "gwt_old"}, "ban", "list", "--server", s.URL); !strings.Contains(errs, "its own words") {
		t.Errorf("with a token: %s", errs)
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
