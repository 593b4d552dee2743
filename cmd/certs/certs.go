// Package certs holds the certificate that HTTPS and FTPS share: read from
// files, got by ACME, or self-signed until somebody brings a better one.
package certs

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"gatehouse/cmd/kept"
)

// Config says where the certificate comes from. With Domains it is ACME, else
// the two files, else a self-signed pair. What is got or made is kept in Dir, or
// in Kept by nodes that have it together.
type Config struct {
	Dir              string
	Kept             *kept.Keeper // nil: this node is alone
	Certificate, Key string
	Hosts            []string // names in the self-signed certificate
	Domains          []string
	Email, Directory string
}

// A Source gives TLS configurations over the present certificate. Safe for
// concurrent use.
type Source struct {
	config Config
	acme   *autocert.Manager
	holder string // who orders

	mu      sync.Mutex // guards what follows
	pair    *tls.Certificate
	ftps    *tls.Config
	ordered map[string]bool // by name: nothing is to be ordered
}

// New opens the source; a certificate that cannot be used is an error.
func New(ctx context.Context, c Config) (*Source, error) {
	s := &Source{config: c, holder: rand.Text(), ordered: make(map[string]bool)}
	if len(c.Domains) > 0 {
		s.acme = &autocert.Manager{
			Prompt:     autocert.AcceptTOS,
			Cache:      cache(c),
			HostPolicy: autocert.HostWhitelist(c.Domains...),
			Email:      c.Email,
		}
		if c.Directory != "" {
			s.acme.Client = &acme.Client{DirectoryURL: c.Directory}
		}
		return s, nil
	}
	return s, s.Reload(ctx)
}

func cache(c Config) autocert.Cache {
	folder := autocert.DirCache(filepath.Join(c.Dir, "acme"))
	if c.Kept == nil {
		return folder
	}
	return sharedCache{c.Kept, folder}
}

// Reload reads the files again. Where they cannot be used the present
// certificate stays in force and the error says why.
func (s *Source) Reload(ctx context.Context) error {
	if s.acme != nil {
		return nil
	}
	pair, err := s.load(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pair, s.ftps = pair, nil
	return nil
}

func (s *Source) load(ctx context.Context) (*tls.Certificate, error) {
	switch {
	case s.config.Certificate != "":
	case s.config.Kept != nil:
		return sharedSelfSigned(ctx, s.config.Kept, s.config.Dir, s.config.Hosts)
	default:
		return selfSigned(s.config.Dir, s.config.Hosts)
	}
	pair, err := tls.LoadX509KeyPair(s.config.Certificate, s.config.Key)
	if err != nil {
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	return &pair, nil
}

// HTTPS returns the configuration of a web listener, ACME's challenge included.
// It offers HTTP/1.1 alone: each request then owns its connection, which can be
// cut without ending others.
func (s *Source) HTTPS() *tls.Config {
	c := s.base()
	c.NextProtos = []string{"http/1.1"}
	if s.acme != nil {
		c.NextProtos = append(c.NextProtos, acme.ALPNProto)
	}
	return c
}

// FTPS returns the configuration of FTP. It is the same pointer until the
// certificate is read anew, so that data connections can resume the control
// connection's TLS session.
func (s *Source) FTPS() *tls.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ftps == nil {
		s.ftps = s.base()
	}
	return s.ftps
}

// Challenge answers ACME's HTTP challenge in front of next.
func (s *Source) Challenge(next http.Handler) http.Handler {
	if s.acme == nil {
		return next
	}
	return s.acme.HTTPHandler(next)
}

func (s *Source) base() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.certificate}
}

func (s *Source) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if s.acme != nil {
		return s.order(s.named(hello))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pair, nil
}

// named gives a client that names no server, as FTP clients do, the first domain's.
func (s *Source) named(hello *tls.ClientHelloInfo) *tls.ClientHelloInfo {
	if hello.ServerName != "" {
		return hello
	}
	named := *hello
	named.ServerName = s.config.Domains[0]
	return &named
}

// Status describes the present certificate, for doctor.
type Status struct {
	Origin  string    `json:"origin"` // acme | file | self-signed
	Names   []string  `json:"names"`
	Expires time.Time `json:"expires,omitzero"`
}

// Status tells what the source would serve now.
func (s *Source) Status(ctx context.Context) (Status, error) {
	if s.acme != nil {
		return s.acmeStatus(ctx)
	}
	origin := "file"
	if s.config.Certificate == "" {
		origin = "self-signed"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	leaf, err := x509.ParseCertificate(s.pair.Certificate[0])
	if err != nil {
		return Status{}, fmt.Errorf("parse the certificate: %w", err)
	}
	return Status{Origin: origin, Names: namesOf(leaf), Expires: leaf.NotAfter}, nil
}

// Pin is the SHA-256 of the public key (RFC 7469, section 2.4) while the
// certificate is self-signed, as sha256:BASE64: by it a client knows the gateway
// though no authority vouches for it. It is "" for any other certificate.
func (s *Source) Pin() string {
	if s.acme != nil || s.config.Certificate != "" {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sum := sha256.Sum256(s.pair.Leaf.RawSubjectPublicKeyInfo)
	return "sha256:" + base64.StdEncoding.EncodeToString(sum[:])
}

func (s *Source) acmeStatus(ctx context.Context) (Status, error) {
	st := Status{Origin: "acme", Names: s.config.Domains}
	cached, err := s.acme.Cache.Get(ctx, s.config.Domains[0])
	if errors.Is(err, autocert.ErrCacheMiss) {
		return st, nil
	}
	if err != nil {
		return st, fmt.Errorf("read the ACME cache: %w", err)
	}
	pair, err := tls.X509KeyPair(cached, cached)
	if err != nil {
		return st, fmt.Errorf("read the ACME cache: %w", err)
	}
	st.Expires = pair.Leaf.NotAfter
	return st, nil
}
