package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// lifetime of a self-signed certificate; it is made anew a month before its end.
const lifetime = 397 * 24 * time.Hour

// selfSigned returns the pair kept in dir, made where there is none that holds,
// for every one of hosts.
func selfSigned(dir string, hosts []string) (*tls.Certificate, error) {
	text, err := readSelfSigned(dir)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(text, text)
	key, _ := pair.PrivateKey.(*ecdsa.PrivateKey)
	if err == nil && fresh(pair.Leaf, hosts) {
		return &pair, nil
	}
	if text, err = makeSelfSigned(key, hosts, time.Now()); err != nil {
		return nil, fmt.Errorf("make a self-signed certificate: %w", err)
	}
	name := filepath.Join(dir, selfSignedFile)
	if err := os.WriteFile(name+".new", text, 0o600); err != nil {
		return nil, fmt.Errorf("keep the self-signed certificate: %w", err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		return nil, fmt.Errorf("keep the self-signed certificate: %w", err)
	}
	pair, err = tls.X509KeyPair(text, text)
	return &pair, err
}

const selfSignedFile = "self-signed.pem"

// readSelfSigned returns nil where none is kept in dir.
func readSelfSigned(dir string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(dir, selfSignedFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the self-signed certificate: %w", err)
	}
	return text, nil
}

// fresh reports whether a certificate is for every one of hosts, and for a while.
func fresh(leaf *x509.Certificate, hosts []string) bool {
	return time.Until(leaf.NotAfter) > lifetime/12 && names(leaf, hosts)
}

// namesOf are all that a certificate is for.
func namesOf(leaf *x509.Certificate) []string {
	list := slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		list = append(list, ip.String())
	}
	return list
}

// names reports whether a certificate is for every one of hosts.
func names(leaf *x509.Certificate, hosts []string) bool {
	return !slices.ContainsFunc(bare(hosts), func(h string) bool { return leaf.VerifyHostname(h) != nil })
}

// bare leaves out ports, which no certificate has.
func bare(hosts []string) []string {
	var list []string
	for _, h := range hosts {
		if name, _, err := net.SplitHostPort(h); err == nil {
			h = name
		}
		if h = strings.Trim(h, "[]"); h != "" && !slices.Contains(list, h) {
			list = append(list, h)
		}
	}
	return list
}

// makeSelfSigned makes a certificate for the key, so that who has pinned it goes on;
// nil makes a new one.
func makeSelfSigned(key *ecdsa.PrivateKey, hosts []string, now time.Time) (text []byte, err error) {
	if key == nil {
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return nil, err
		}
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template := x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "Gatehouse (self-signed)"},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(lifetime),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true, // so that it can be trusted as it is, by --cacert
	}
	for _, h := range bare(append([]string{"localhost", "127.0.0.1", "::1"}, hosts...)) {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
			continue
		}
		template.DNSNames = append(template.DNSNames, h)
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	text = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return append(text, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...), nil
}
