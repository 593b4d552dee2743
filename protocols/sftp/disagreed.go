package sftp

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"gatehouse/protocols/places"
)

// Bounds of what is logged of a stranger's lists, and how often.
const (
	mostNamed  = 32
	longestOne = 64
	quiet      = time.Minute
	mostQuiet  = 1024
)

// disagreed logs a handshake that found no algorithm in common, with what the
// client offered and the setting that would admit it: once in a while for each
// network, since it costs a stranger nothing.
func (c *connection) disagreed(err error) bool {
	var none *ssh.AlgorithmNegotiationError
	if !errors.As(err, &none) || !c.server.disagreements.first(c.address, time.Now()) {
		return none != nil
	}
	setting := "none would admit it"
	if name := admissible(none.RequestedAlgorithms); name != "" {
		setting = fmt.Sprintf("sftp.legacy: [{from: %s, algorithms: [%s]}]", c.address, name)
	}
	c.log.Info("an ssh client and this server have no algorithm in common", "kind", none.What,
		"client_offers", strings.Join(bounded(none.RequestedAlgorithms), ","), "server_offers", strings.Join(none.SupportedAlgorithms, ","), "setting", setting)
	return true
}

// bounded are the first names of a list, each cut to a length.
func bounded(names []string) []string {
	var list []string
	for _, name := range names[:min(len(names), mostNamed)] {
		list = append(list, name[:min(len(name), longestOne)])
	}
	return list
}

// seldom remembers networks for a while. The zero value is ready; safe for
// concurrent use.
type seldom struct {
	mu   sync.Mutex // guards last
	last map[netip.Prefix]time.Time
}

// first reports whether a network was not seen for a while. Where too many are
// remembered, all are forgotten.
func (s *seldom) first(a netip.Addr, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := places.Client(a)
	if at, known := s.last[from]; known && now.Sub(at) < quiet {
		return false
	}
	if s.last == nil || len(s.last) >= mostQuiet {
		s.last = make(map[netip.Prefix]time.Time)
	}
	s.last[from] = now
	return true
}
