package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/crypto/ssh"
)

// A farm is all servers over one set of folders, with what they share: a user's
// key, a host key, a certificate.
type farm struct {
	work    string // configurations, logs and the gateway's store: on a disk
	data    string // what is served
	binary  string // the gateway
	groups  *groups
	log     *slog.Logger
	signer  ssh.Signer // the user's key
	servers []*server
}

const (
	account  = "bench"
	password = "measured many times over"
)

// newFarm prepares the folders, and starts nothing.
func newFarm(work, data, binary string, g *groups, log *slog.Logger) (*farm, error) {
	f := &farm{work: work, data: data, binary: binary, groups: g, log: log}
	key, err := f.newKey("key")
	if err != nil {
		return nil, err
	}
	f.signer = key
	if err := os.WriteFile(f.file("authorized"), ssh.MarshalAuthorizedKey(key.PublicKey()), 0o600); err != nil {
		return nil, err
	}
	if _, err := f.newKey("host"); err != nil {
		return nil, err
	}
	return f, f.newCertificate()
}

// file is the name of something in the work folder.
func (f *farm) file(name string) string { return filepath.Join(f.work, name) }

// newKey writes a private key of SSH.
func (f *farm) newKey(name string) (ssh.Signer, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, name)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(f.file(name), pem.EncodeToMemory(block), 0o600); err != nil {
		return nil, err
	}
	return ssh.NewSignerFromKey(private)
}

// opensslConfig lets the peers take the suite that the gateway takes by itself.
const opensslConfig = `openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = suites
[suites]
Ciphersuites = TLS_AES_128_GCM_SHA256
`

// command starts a peer, with what it says in a file.
func (f *farm) command(name, program string, args ...string) func() (*exec.Cmd, error) {
	return func() (*exec.Cmd, error) {
		cmd := exec.Command(program, args...)
		cmd.Env = append(os.Environ(), "OPENSSL_CONF="+f.file("openssl.conf"))
		return cmd, logTo(cmd, f.file(name+".said"))
	}
}

// newCertificate writes the certificate of all servers, and its key.
func (f *farm) newCertificate() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(30 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(f.file("openssl.conf"), []byte(opensslConfig), 0o644),
		os.WriteFile(f.file("cert.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o644),
		os.WriteFile(f.file("cert.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
}

// add arranges one server and starts it. A peer that is not installed here is
// left out, and said to be.
func (f *farm) add(ctx context.Context, arrange func(*farm) (*server, error)) error {
	s, err := arrange(f)
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, errNeedsRoot) {
		f.log.Warn("left out", "why", err)
		return nil
	}
	if err != nil {
		return err
	}
	f.servers = append(f.servers, s)
	return s.start(ctx, f.groups)
}

var errNeedsRoot = errors.New("needs root")

// close ends all servers.
func (f *farm) close() error {
	var errs []error
	for _, s := range f.servers {
		errs = append(errs, s.stop())
	}
	return errors.Join(errs...)
}

// server makes the folder of a server, and what all have in common.
func (f *farm) server(name string, o owner) (*server, error) {
	s := &server{name: name, root: filepath.Join(f.data, name), owner: o, user: account, password: password, addr: map[door]string{}, prefix: map[door]string{}}
	return s, s.folder("")
}

// listen finds addresses for doors.
func (s *server) listen(doors ...door) error {
	for _, d := range doors {
		address, err := freeAddress()
		if err != nil {
			return err
		}
		s.addr[d] = address
	}
	return nil
}

// port is that of a door.
func (s *server) port(d door) string {
	_, port, _ := net.SplitHostPort(s.addr[d])
	return port
}

// us owns what servers serve that run as whoever measures.
func us() owner { return owner{os.Getuid(), os.Getgid()} }

// peer finds the program of a peer and whom it runs as.
func peer(program, account string) (string, owner, error) {
	path, err := find(program)
	if err != nil {
		return "", owner{}, err
	}
	if os.Getuid() != 0 {
		return "", owner{}, fmt.Errorf("%s: %w", program, errNeedsRoot)
	}
	o, err := ownerOf(account)
	return path, o, err
}
