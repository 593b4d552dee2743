package ftp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"gatehouse/protocols/ftp/data"
	"gatehouse/protocols/ftp/wire"
)

// lowestPort is the lowest that PORT and EPRT may name: below it are services
// that a client could speak to in the gateway's name.
const lowestPort = 1024

// passive opens a listener for the next data connection, in place of one that
// was not used.
func (c *conn) passive(answer func(port uint16) reply) reply {
	config := c.server.config
	sender := func(ctx context.Context, raw *net.TCPConn) (netip.Addr, error) { return config.Sender(ctx, raw) }
	log := c.log
	stranger := func(raw net.Conn, from netip.Addr, err error) {
		log.Warn("a stranger at a passive port", "connection", raw.RemoteAddr().String(), "from", from.String(), "err", err)
	}
	c.unprepare() // first: its port may be the last of the range
	whose := data.Client{Account: c.loggedIn().AccountID(), Address: c.peer.Addr()}
	times := data.Times{Unused: config.Limits.Prepared, Wait: config.Limits.Accept}
	s, err := data.Passive(config.Ports, c.local.Addr(), whose, times, sender, stranger)
	if err != nil {
		log.Warn("a data connection", "err", err)
		return reply{425, "No port is free now"}
	}
	c.prepare(s)
	return answer(s.Port())
}

// prepare takes s for the next data connection. There is none before.
func (c *conn) prepare(s *data.Source) {
	c.mu.Lock()
	c.pending = s
	c.mu.Unlock()
	if c.ctx.Err() != nil { // cut meanwhile
		s.Cut()
	}
}

// doPASV answers with an IPv4 address and a port.
func (c *conn) doPASV(string) reply {
	if c.extendedOnly {
		return replyTo(errOrder)
	}
	a, err := c.server.public.of(c.ctx, c.peer.Addr(), c.reached)
	if errors.Is(err, errNotIPv4) {
		return reply{501, "PASV knows IPv4 only: use EPSV"}
	}
	if err != nil {
		c.log.Warn("the public address", "err", err)
		return reply{425, "No public address is known now"}
	}
	return c.passive(func(port uint16) reply {
		ip := a.As4()
		return reply{227, fmt.Sprintf("Entering Passive Mode (%d,%d,%d,%d,%d,%d)", ip[0], ip[1], ip[2], ip[3], port>>8, port&0xff)}
	})
}

// family is the network protocol of the control connection (RFC 2428, 2): data
// cannot go over another.
func (c *conn) family() string {
	if c.reached.Is6() {
		return "2"
	}
	return "1"
}

// doEPSV answers with a port (RFC 2428, 3).
func (c *conn) doEPSV(arg string) reply {
	own := c.family()
	switch {
	case strings.EqualFold(arg, "ALL"):
		c.extendedOnly = true
		return plain(200)
	case arg != "" && arg != own:
		if _, number := wire.Number(arg); !number {
			return plain(501)
		}
		return wrongProtocol(own)
	}
	return c.passive(func(port uint16) reply {
		return reply{229, fmt.Sprintf("Entering Extended Passive Mode (|||%d|)", port)}
	})
}

func wrongProtocol(own string) reply {
	return reply{522, "Network protocol not supported, use (" + own + ")"}
}

// doPORT and doEPRT take the client's address, where active mode is on.
func (c *conn) doPORT(arg string) reply { return c.active(arg, wire.ParsePORT) }

func (c *conn) doEPRT(arg string) reply { return c.active(arg, wire.ParseEPRT) }

// active refuses any address but the client's own, and services' ports: the
// gateway connects nowhere for others (RFC 2577).
func (c *conn) active(arg string, parse func(string) (netip.AddrPort, error)) reply {
	if !c.server.config.Active {
		return reply{502, "Active mode is off: use PASV or EPSV"}
	}
	to, err := parse(arg)
	own := c.family()
	switch {
	case c.extendedOnly:
		return replyTo(errOrder)
	case errors.Is(err, wire.ErrPortProtocol):
		return wrongProtocol(own)
	case err != nil:
		return plain(501)
	case to.Addr().Is4() != c.peer.Addr().Is4():
		return wrongProtocol(own)
	case to.Addr() != c.peer.Addr().WithZone("") || to.Port() < lowestPort:
		c.log.Warn("a port that is not the client's", "to", to)
		return reply{501, "Only ports of your own address, 1024 and above"}
	}
	c.unprepare()
	to = netip.AddrPortFrom(c.peer.Addr(), to.Port())
	c.prepare(data.Active(to, c.local.Addr(), c.server.config.Limits.Accept))
	return plain(200)
}
