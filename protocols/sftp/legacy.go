package sftp

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Legacy are algorithms that the clients of a network are offered besides, and
// after, those of everybody.
type Legacy struct {
	From       netip.Prefix
	Algorithms []string
}

// offered are the algorithms and host keys that one client is offered.
type offered struct {
	Algorithms
	// sha1 says that RSA host keys also sign with SHA-1.
	sha1 bool
}

// offeredTo is what a client at an address is offered.
func (c *Config) offeredTo(from netip.Addr) offered {
	o := offered{Algorithms: c.Algorithms}
	for _, rule := range c.Legacy {
		if rule.From.Contains(from) {
			for _, name := range rule.Algorithms {
				o.add(name)
			}
		}
	}
	return o
}

// add adds an algorithm to the lists of its kind, false where it is of none.
func (o *offered) add(name string) bool {
	known := false
	for _, k := range kindsOf(&o.Algorithms) {
		if slices.Contains(k.legacy, name) {
			known = true
			if !slices.Contains(*k.list, name) {
				*k.list = append(slices.Clip(*k.list), name)
			}
		}
	}
	o.sha1 = o.sha1 || name == ssh.KeyAlgoRSA
	return known
}

// A kindOf is one list of algorithms with what could be in it besides.
type kindOf struct {
	list   *[]string
	legacy []string
}

// kindsOf are the lists that legacy algorithms may be added to.
func kindsOf(a *Algorithms) []kindOf {
	modern, old := ssh.SupportedAlgorithms(), ssh.InsecureAlgorithms()
	exchanges := slices.DeleteFunc(slices.Concat(modern.KeyExchanges, old.KeyExchanges), func(name string) bool {
		return strings.Contains(name, "group-exchange") // for clients only
	})
	return []kindOf{
		{&a.KeyExchanges, exchanges},
		{&a.Ciphers, slices.Concat(modern.Ciphers, old.Ciphers)},
		{&a.MACs, slices.Concat(modern.MACs, old.MACs)},
		{&a.PublicKeys, []string{ssh.KeyAlgoRSA}},
	}
}

// admissible is the best of a client's algorithms that a setting would admit,
// empty where there is none. One is enough: the client's order decides among
// several, and it may begin with the weakest.
func admissible(names []string) string {
	for _, k := range kindsOf(&Algorithms{}) {
		for _, name := range k.legacy { // the best come first
			if slices.Contains(names, name) {
				return name
			}
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
