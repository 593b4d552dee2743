// Package algorithms says which SSH algorithms there are here: those that every
// client is offered, and those that a configuration may name besides.
package algorithms

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Lists are algorithms by kind, each in the order of preference.
type Lists struct {
	KeyExchanges, Ciphers, MACs []string
	// PublicKeys are those that may prove an account.
	PublicKeys []string
}

// Modern returns what is offered by default: nothing that relies on SHA-1 or on
// CBC. MACs over the plain text come last, for clients that know no others: libssh2
// before 1.11, which curl uses, and JSch.
func Modern() Lists {
	return Lists{
		KeyExchanges: []string{
			ssh.KeyExchangeMLKEM768X25519, ssh.KeyExchangeCurve25519,
			ssh.KeyExchangeECDHP256, ssh.KeyExchangeECDHP384, ssh.KeyExchangeECDHP521,
		},
		Ciphers: []string{
			ssh.CipherAES128GCM, ssh.CipherAES256GCM,
			ssh.CipherAES128CTR, ssh.CipherAES256CTR, ssh.CipherChaCha20Poly1305,
		},
		MACs:       []string{ssh.HMACSHA256ETM, ssh.HMACSHA512ETM, ssh.HMACSHA256, ssh.HMACSHA512},
		PublicKeys: ssh.SupportedAlgorithms().PublicKeyAuths,
	}
}

// Legacy returns what a network's clients may be offered besides, old ones and
// others, the best first: RSA signatures are those with SHA-1.
func Legacy() Lists {
	modern, old := ssh.SupportedAlgorithms(), ssh.InsecureAlgorithms()
	exchanges := slices.DeleteFunc(slices.Concat(modern.KeyExchanges, old.KeyExchanges), func(name string) bool {
		return strings.Contains(name, "group-exchange") // for clients only
	})
	return Lists{
		KeyExchanges: exchanges,
		Ciphers:      slices.Concat(modern.Ciphers, old.Ciphers),
		MACs:         slices.Concat(modern.MACs, old.MACs),
		PublicKeys:   []string{ssh.KeyAlgoRSA},
	}
}

// kinds are the lists with what a message calls their kind.
func (l *Lists) kinds() []kind {
	return []kind{{"key exchange", &l.KeyExchanges}, {"cipher", &l.Ciphers}, {"MAC", &l.MACs}, {"public key", &l.PublicKeys}}
}

type kind struct {
	name string
	list *[]string
}

// Names are those of all kinds.
func (l Lists) Names() []string {
	return slices.Concat(l.KeyExchanges, l.Ciphers, l.MACs, l.PublicKeys)
}

// OrModern fills in the lists that are empty.
func (l Lists) OrModern() Lists {
	modern := Modern()
	normal := modern.kinds()
	for i, k := range l.kinds() {
		if len(*k.list) == 0 {
			*k.list = *normal[i].list
		}
	}
	return l
}

// WithLegacy adds one of Legacy at the end of the list of its kind, where it is
// not in it already. The lists that l shares stay as they are.
func (l Lists) WithLegacy(name string) Lists {
	legacy := Legacy()
	besides := legacy.kinds()
	for i, k := range l.kinds() {
		if slices.Contains(*besides[i].list, name) && !slices.Contains(*k.list, name) {
			*k.list = append(slices.Clip(*k.list), name)
		}
	}
	return l
}

// Validate refuses what is unknown or known to be broken.
func (l Lists) Validate() error {
	known := ssh.SupportedAlgorithms()
	sound := Lists{
		KeyExchanges: known.KeyExchanges,
		Ciphers:      known.Ciphers,
		MACs:         slices.DeleteFunc(known.MACs, func(m string) bool { return m == ssh.HMACSHA1 }),
		PublicKeys:   known.PublicKeyAuths,
	}
	allowed := sound.kinds()
	for i, k := range l.kinds() {
		for _, name := range *k.list {
			if !slices.Contains(*allowed[i].list, name) {
				return fmt.Errorf("the %s algorithm %q is unknown or insecure", k.name, name)
			}
		}
	}
	return nil
}
