package ftp

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"gatehouse/auth/session"
	"gatehouse/protocols/ftp/data"
)

// A Mode says how TLS begins on a listener.
type Mode int

// Explicit begins in clear and changes over at AUTH TLS (RFC 4217); Implicit
// begins with a handshake.
const (
	Explicit Mode = iota
	Implicit
)

// A Requirement says what a listener in Explicit mode asks of TLS, before any
// account's own rule. Implicit always requires it.
type Requirement string

// The requirements: no TLS offered, offered, asked of everyone. Empty is Optional.
const (
	Off      Requirement = "off"
	Optional Requirement = "optional"
	Required Requirement = "required"
)

// Config is what a Server is made of.
type Config struct {
	Manager *session.Manager
	Log     *slog.Logger // default: slog.Default

	// TLS returns the present configuration, the same pointer for as long as
	// nothing changed: tickets are only good under the one that sealed them.
	// Its certificates and versions are used; NextProtos and GetConfigForClient
	// are not. nil where there is no certificate.
	TLS     func() *tls.Config
	Mode    Mode
	Require Requirement
	// Resumption refuses protected data connections that do not resume a TLS
	// session of their own control connection: nobody else at the client's
	// address can take them then. Clients that cannot, or that share one cache of
	// sessions among several connections, are refused.
	Resumption bool

	Ports  *data.Ports     // passive ports; nil takes any
	Public []PublicAddress // what PASV tells clients; the first that fits, else the control connection's own
	Active bool            // allow PORT and EPRT, to the client's own address only

	// Sender tells who is behind a passive data connection, where a proxy may
	// stand between: it reads what the proxy sends before the client's bytes. It
	// is bounded in time, and an error refuses the connection. nil takes the
	// connection's own address.
	Sender func(context.Context, net.Conn) (netip.Addr, error)

	// Hosts are the names that HOST may ask for (RFC 7151); none takes any.
	Hosts []string

	Hashes *Hashes // places for files that are hashed; nil makes its own

	Limits Limits
	Name   string // in the greeting, which tells no version; default Gatehouse
}

// PublicAddress is what clients from a network are told in the reply to PASV.
type PublicAddress struct {
	From    netip.Prefix // the zero prefix is everyone
	Address string       // an IPv4 address or a DNS name
}

// Limits bound what a connection may take. Zero fields take the defaults.
type Limits struct {
	Strangers           int           // connections not logged in; 200
	StrangersPerAddress int           // of one IPv4 address or IPv6 /64; 20
	Login               time.Duration // from connecting to being logged in; 1 minute
	Idle                time.Duration // without a command or transfer; 15 minutes
	Stall               time.Duration // a data connection without progress; 2 minutes
	Prepared            time.Duration // from PASV to the transfer; 1 minute
	Accept              time.Duration // for a data connection to be made; 30 seconds
	Reply               time.Duration // for the client to take a reply; 30 seconds
}

func (c Config) withDefaults() (Config, error) {
	if c.Manager == nil {
		return c, errors.New("ftp: no session manager")
	}
	c.Require = cmp.Or(c.Require, Optional)
	switch {
	case c.Mode == Implicit:
		c.Require = Required
	case c.Require == Off:
		c.TLS = nil
	case c.Require != Optional && c.Require != Required:
		return c, fmt.Errorf("ftp: TLS cannot be %q: off, optional or required", c.Require)
	}
	if c.TLS == nil && c.Require == Required {
		return c, errors.New("ftp: TLS is required and there is none")
	}
	c.Log = cmp.Or(c.Log, slog.Default())
	c.Name = cmp.Or(c.Name, "Gatehouse")
	if c.Sender == nil {
		c.Sender = func(_ context.Context, n net.Conn) (netip.Addr, error) { return addrPort(n.RemoteAddr()).Addr(), nil }
	}
	l := &c.Limits
	l.Strangers = cmp.Or(l.Strangers, 200)
	l.StrangersPerAddress = cmp.Or(l.StrangersPerAddress, 20)
	l.Login = cmp.Or(l.Login, time.Minute)
	l.Idle = cmp.Or(l.Idle, 15*time.Minute)
	l.Stall = cmp.Or(l.Stall, 2*time.Minute)
	l.Prepared = cmp.Or(l.Prepared, time.Minute)
	l.Accept = cmp.Or(l.Accept, 30*time.Second)
	l.Reply = cmp.Or(l.Reply, 30*time.Second)
	if c.Hashes == nil {
		c.Hashes = NewHashes(0)
	}
	return c, nil
}
