package sftp

import (
	"fmt"
	"slices"

	"golang.org/x/crypto/ssh"
)

// Algorithms are those offered to clients, in the order of our preference; the
// client's order decides. Host keys sign with what their type allows, never
// with SHA-1.
type Algorithms struct {
	KeyExchanges, Ciphers, MACs []string
	// PublicKeys are those that may prove an account.
	PublicKeys []string
}

// Modern returns what is offered by default: nothing that relies on SHA-1 or on
// CBC. MACs over the plain text come last, for clients that know no others: libssh2
// before 1.11, which curl uses, and JSch.
func Modern() Algorithms {
	return Algorithms{
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

// orModern fills in the lists that are empty.
func (a Algorithms) orModern() Algorithms {
	modern := Modern()
	for _, l := range []struct {
		set    *[]string
		modern []string
	}{
		{&a.KeyExchanges, modern.KeyExchanges}, {&a.Ciphers, modern.Ciphers},
		{&a.MACs, modern.MACs}, {&a.PublicKeys, modern.PublicKeys},
	} {
		if len(*l.set) == 0 {
			*l.set = l.modern
		}
	}
	return a
}

// validate refuses what is unknown or known to be broken.
func (a Algorithms) validate() error {
	known := ssh.SupportedAlgorithms()
	for _, l := range []struct {
		kind       string
		set, known []string
	}{
		{"key exchange", a.KeyExchanges, known.KeyExchanges},
		{"cipher", a.Ciphers, known.Ciphers},
		{"MAC", a.MACs, slices.DeleteFunc(known.MACs, func(m string) bool { return m == ssh.HMACSHA1 })},
		{"public key", a.PublicKeys, known.PublicKeyAuths},
	} {
		for _, name := range l.set {
			if !slices.Contains(l.known, name) {
				return fmt.Errorf("the %s algorithm %q is unknown or insecure", l.kind, name)
			}
		}
	}
	return nil
}
