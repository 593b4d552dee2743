package proxied

import (
	"net"
	"net/netip"
)

// A Conn is a connection through a proxy. It is still TCP's own, so that the
// kernel moves files.
type Conn struct {
	*net.TCPConn
	client, reached netip.AddrPort
}

// RemoteAddr is the client's, as the proxy has told it.
func (c *Conn) RemoteAddr() net.Addr {
	if !c.client.IsValid() {
		return unknown{}
	}
	return net.TCPAddrFromAddrPort(c.client)
}

// Reached is the address that the client came to, the proxy's; the zero value
// where it is not known.
func (c *Conn) Reached() netip.AddrPort { return c.reached }

// unknown is the address of a client that its proxy does not know. It parses as
// none, and what is none is admitted nowhere.
type unknown struct{}

// Network is that of the connection.
func (unknown) Network() string { return "tcp" }

func (unknown) String() string { return "unknown" }
