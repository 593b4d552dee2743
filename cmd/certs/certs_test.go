package certs_test

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gatehouse/cmd/certs"
)

// served is the certificate that the source gives to a client.
func served(t *testing.T, s *certs.Source) *x509.Certificate {
	t.Helper()
	pair, err := s.HTTPS().GetCertificate(&tls.ClientHelloInfo{ServerName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

func open(t *testing.T, c certs.Config) *certs.Source {
	t.Helper()
	s, err := certs.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheSelfSignedCertificateIsKept(t *testing.T) {
	dir := t.TempDir()
	first := served(t, open(t, certs.Config{Dir: dir}))
	if again := served(t, open(t, certs.Config{Dir: dir})); !again.Equal(first) {
		t.Error("another start makes another certificate")
	}
	info, err := os.Stat(filepath.Join(dir, "self-signed.pem"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its key is open to others: %v, %v", info, err)
	}
	if left := time.Until(first.NotAfter); left < 300*24*time.Hour || left > 398*24*time.Hour {
		t.Errorf("it ends in %v", left)
	}
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		if err := first.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
}

func TestTheSelfSignedCertificateIsMadeAnewForANewName(t *testing.T) {
	dir := t.TempDir()
	first := served(t, open(t, certs.Config{Dir: dir}))
	named := certs.Config{Dir: dir, Hosts: []string{"files.example.org", "files.example.org:8443", "192.0.2.7"}}
	second := served(t, open(t, named))
	if second.Equal(first) {
		t.Fatal("the old one is kept")
	}
	for _, name := range []string{"files.example.org", "192.0.2.7"} {
		if err := second.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if again := served(t, open(t, named)); !again.Equal(second) {
		t.Error("it is made anew at each start")
	}
}

// Who has pinned the key of a self-signed certificate goes on when it is renewed.
func TestThePinOutlivesTheCertificate(t *testing.T) {
	dir := t.TempDir()
	first := open(t, certs.Config{Dir: dir})
	sum := sha256.Sum256(served(t, first).RawSubjectPublicKeyInfo)
	if want := "sha256:" + base64.StdEncoding.EncodeToString(sum[:]); first.Pin() != want {
		t.Errorf("the pin is %q, want %q", first.Pin(), want)
	}
	second := open(t, certs.Config{Dir: dir, Hosts: []string{"files.example.org"}})
	if served(t, second).Equal(served(t, first)) || second.Pin() != first.Pin() {
		t.Errorf("the pin was %s and is %s", first.Pin(), second.Pin())
	}
	if pin := open(t, files(t)).Pin(); pin != "" {
		t.Errorf("a certificate from elsewhere has the pin %s", pin)
	}
}

func TestABrokenSelfSignedFileIsMadeAnew(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "self-signed.pem"), []byte("-----BEGIN CERT"), 0o600); err != nil {
		t.Fatal(err)
	}
	served(t, open(t, certs.Config{Dir: dir}))
}

// files makes a pair in files of its own.
func files(t *testing.T) certs.Config {
	t.Helper()
	dir := t.TempDir()
	open(t, certs.Config{Dir: dir})
	name := filepath.Join(dir, "self-signed.pem")
	return certs.Config{Dir: t.TempDir(), Certificate: name, Key: name}
}

func TestReloadWithBrokenFilesKeepsTheOldOne(t *testing.T) {
	c := files(t)
	s := open(t, c)
	first := served(t, s)
	if err := os.WriteFile(c.Certificate, []byte("half a certif"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(t.Context()); err == nil {
		t.Error("broken files are taken")
	}
	if !served(t, s).Equal(first) {
		t.Error("the old one is gone")
	}
	fresh, err := os.ReadFile(files(t).Certificate)
	if err == nil {
		err = os.WriteFile(c.Certificate, fresh, 0o600)
	}
	if err == nil {
		err = s.Reload(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	if served(t, s).Equal(first) {
		t.Error("the new one is not served")
	}
	if _, err := certs.New(t.Context(), certs.Config{Certificate: "/none", Key: "/none"}); err == nil {
		t.Error("a start without its certificate goes on")
	}
}

// FTPS data connections resume the control connection's session: only under the
// same configuration do they find its keys.
func TestTheFTPSConfigurationStaysUntilItIsReloaded(t *testing.T) {
	s := open(t, files(t))
	first := s.FTPS()
	if s.FTPS() != first {
		t.Error("each call gives another one")
	}
	if err := s.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.FTPS() == first {
		t.Error("the old one stays after a reload")
	}
}

func TestNoOldTLS(t *testing.T) {
	s := open(t, files(t))
	if s.HTTPS().MinVersion < tls.VersionTLS12 || s.FTPS().MinVersion < tls.VersionTLS12 {
		t.Error("TLS 1.1 is offered")
	}
}

func TestStatus(t *testing.T) {
	for origin, c := range map[string]certs.Config{
		"self-signed": {Dir: t.TempDir()}, "file": files(t), "acme": {Dir: t.TempDir(), Domains: []string{"files.example.org"}},
	} {
		if st, err := open(t, c).Status(t.Context()); err != nil || st.Origin != origin || len(st.Names) == 0 {
			t.Errorf("%s: %+v, %v", origin, st, err)
		}
	}
}
