package sftp

import (
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/crypto/ssh"

	"gatehouse/protocols/sftp/algorithms"
)

// Legacy are algorithms that the clients of a network are offered besides, and
// after, those of everybody.
type Legacy struct {
	From       netip.Prefix
	Algorithms []string
}

// offered are the algorithms and host keys that one client is offered. Host keys
// sign with what their type allows.
type offered struct {
	algorithms.Lists
	// sha1 says that RSA host keys also sign with SHA-1.
	sha1 bool
}

// offeredTo is what a client at an address is offered.
func (c *Config) offeredTo(from netip.Addr) offered {
	o := offered{Lists: c.Algorithms}
	for _, rule := range c.Legacy {
		if !rule.From.Contains(from) {
			continue
		}
		for _, name := range rule.Algorithms {
			o.Lists = o.WithLegacy(name)
			o.sha1 = o.sha1 || name == ssh.KeyAlgoRSA
		}
	}
	return o
}

// admissible is the best of a client's algorithms that a setting would admit,
// empty where there is none. One is enough: the client's order decides among
// several, and it may begin with the weakest.
func admissible(names []string) string {
	for _, name := range algorithms.Legacy().Names() { // the best of a kind come first
		if slices.Contains(names, name) {
			return name
		}
	}
	return ""
}

func validateLegacy(rules []Legacy) error {
	for _, rule := range rules {
		for _, name := range rule.Algorithms {
			if admissible([]string{name}) == "" {
				return fmt.Errorf("there is no algorithm %q to offer to %s", name, rule.From)
			}
		}
	}
	return nil
}
