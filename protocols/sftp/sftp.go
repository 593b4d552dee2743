// Package sftp is the SFTP door: SSH connections that log in and are served
// with the guarded file system of their session, and with nothing else. What
// may be done is decided below; here are the protocol and its limits.
package sftp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"gatehouse/auth"
	"gatehouse/auth/session"
	"gatehouse/protocols/places"
	"gatehouse/protocols/sftp/algorithms"
	"gatehouse/protocols/sftp/buffers"
)

// ErrServerClosed is what Serve returns after Shutdown.
var ErrServerClosed = errors.New("sftp: server closed")

// Manager is the part of session.Manager that the door needs.
type Manager interface {
	// Login admits who proved a credential, or refuses with *auth.RefusedError.
	Login(ctx context.Context, a auth.Attempt) (*session.Session, error)
	// OffersKey reports whether a key would be taken. It admits nobody.
	OffersKey(ctx context.Context, a auth.Attempt) bool
	// RefuseOffer records who left having offered only what would not be taken.
	RefuseOffer(ctx context.Context, a auth.Attempt) error
}

// Config is what a Server is made of. Manager, HostKeys and Log must be set.
type Config struct {
	Manager Manager
	// HostKeys prove the server. Several of one type are all announced to
	// clients that log in; the first of them is the one in use.
	HostKeys []ssh.Signer
	Log      *slog.Logger
	// ServerVersion is the SSH identification; default "SSH-2.0-Gatehouse".
	ServerVersion string
	// Banner is a text that clients see before they log in; default none.
	Banner string
	// Algorithms default to the modern ones; each list left empty does.
	Algorithms algorithms.Lists
	// Legacy are old algorithms for those who know nothing better.
	Legacy []Legacy
	Limits Limits
}

// Limits bound what clients may hold. Each zero value is a default.
type Limits struct {
	// Unauthenticated is how many connections may be logging in at a time, in
	// all and from one address (an IPv6 /64); default 200 and 32.
	Unauthenticated, UnauthenticatedPerAddress int
	// Handshake is the time from the connection to the login; default 30 s.
	Handshake time.Duration
	// Code is the time to type a one-time code, from the moment at which the
	// first proof was right; default 2 minutes.
	Code time.Duration
	// LoginTries is how many credentials one connection may try; default 6.
	LoginTries int
	// Idle ends a connection without requests and without open files; default
	// an hour, negative never.
	Idle time.Duration
	// Stalled is how long a peer may take to send or receive 32 KiB of a packet
	// that is under way; default a minute.
	Stalled time.Duration
	// Keepalive is the time between questions whether the peer is still there.
	// Three without a sign of life end the connection. Default 30 s.
	Keepalive time.Duration
	// Channels and Handles are how many of each one connection may have open;
	// default 8 and 1,024.
	Channels, Handles int
}

// A Server serves SFTP. Its methods are safe for concurrent use.
type Server struct {
	config Config
	keys   hostKeys
	// disagreements are whose handshakes were logged of late.
	disagreements seldom
	// strangers are who has not logged in.
	strangers *places.Table
	buffers   *buffers.Pool
	// ctx ends when the server has no more patience: after Shutdown, at the end
	// of its grace. It is the context of logins, which have none of their own.
	ctx  context.Context
	stop context.CancelFunc

	mu        sync.Mutex // guards what follows
	draining  bool
	listeners map[net.Listener]struct{}
	open      map[*connection]struct{}
	served    sync.WaitGroup // connections; Add only while not draining
}

// New makes a server, or says what is wrong with its configuration.
func New(c Config) (*Server, error) {
	if c.Manager == nil || c.Log == nil {
		return nil, errors.New("sftp: a manager and a log are needed")
	}
	c.setDefaults()
	if err := errors.Join(c.Algorithms.Validate(), validateLegacy(c.Legacy)); err != nil {
		return nil, fmt.Errorf("sftp: %w", err)
	}
	keys, err := newHostKeys(c.HostKeys)
	if err != nil {
		return nil, fmt.Errorf("sftp: %w", err)
	}
	s := &Server{
		config:    c,
		keys:      keys,
		strangers: places.New(c.Limits.Unauthenticated, c.Limits.UnauthenticatedPerAddress),
		buffers:   &buffers.Pool{},
		listeners: map[net.Listener]struct{}{},
		open:      map[*connection]struct{}{},
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s, nil
}

func (c *Config) setDefaults() {
	l := &c.Limits
	for _, n := range []struct {
		set    *int
		normal int
	}{
		{&l.Unauthenticated, 200}, {&l.UnauthenticatedPerAddress, 32}, {&l.LoginTries, 6},
		{&l.Channels, 8}, {&l.Handles, 1024},
	} {
		if *n.set <= 0 {
			*n.set = n.normal
		}
	}
	for _, d := range []struct {
		set    *time.Duration
		normal time.Duration
	}{
		{&l.Handshake, 30 * time.Second}, {&l.Code, 2 * time.Minute}, {&l.Stalled, time.Minute}, {&l.Keepalive, 30 * time.Second},
	} {
		if *d.set <= 0 {
			*d.set = d.normal
		}
	}
	if l.Idle == 0 {
		l.Idle = time.Hour
	}
	if c.ServerVersion == "" {
		c.ServerVersion = "SSH-2.0-Gatehouse"
	}
	c.Algorithms = c.Algorithms.OrModern()
}
