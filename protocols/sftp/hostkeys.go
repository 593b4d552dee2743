package sftp

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/ssh"
)

// hostKeys are the keys that prove the server.
type hostKeys struct {
	all []ssh.AlgorithmSigner
	// inUse is the first of each type.
	inUse []ssh.Signer
}

// newHostKeys checks the keys, and sees to it that those of RSA sign with SHA-2
// only (RFC 8332).
func newHostKeys(keys []ssh.Signer) (hostKeys, error) {
	var h hostKeys
	if len(keys) == 0 {
		return h, errors.New("there is no host key")
	}
	seen := map[string]bool{}
	for _, key := range keys {
		signer, ok := key.(ssh.AlgorithmSigner)
		if !ok {
			return h, fmt.Errorf("a host key of type %s cannot choose its algorithm", key.PublicKey().Type())
		}
		h.all = append(h.all, signer)
		if seen[key.PublicKey().Type()] {
			continue
		}
		seen[key.PublicKey().Type()] = true
		used, err := withAlgorithms(signer)
		if err != nil {
			return h, err
		}
		h.inUse = append(h.inUse, used)
	}
	return h, nil
}

func withAlgorithms(key ssh.AlgorithmSigner) (ssh.Signer, error) {
	kind := key.PublicKey().Type()
	algorithms := []string{kind}
	if kind == ssh.KeyAlgoRSA {
		algorithms = []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	if !slices.Contains(ssh.SupportedAlgorithms().HostKeys, algorithms[0]) {
		return nil, fmt.Errorf("a host key of type %s is not secure", kind)
	}
	signer, err := ssh.NewSignerWithAlgorithms(key, algorithms)
	if err != nil {
		return nil, fmt.Errorf("use a host key of type %s: %w", kind, err)
	}
	return signer, nil
}

func (h hostKeys) addTo(c *ssh.ServerConfig) {
	for _, key := range h.inUse {
		c.AddHostKey(key)
	}
}

// find returns the key with this public part.
func (h hostKeys) find(blob []byte) ssh.AlgorithmSigner {
	for _, key := range h.all {
		if string(key.PublicKey().Marshal()) == string(blob) {
			return key
		}
	}
	return nil
}
