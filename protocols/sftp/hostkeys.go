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
	// inUse is the first of each type; withSHA1 the same for clients that know no
	// RSA signature but with SHA-1.
	inUse, withSHA1 []ssh.Signer
	announced       []byte // the public parts of all, as they are announced
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
		h.announced = append(h.announced, ssh.Marshal(struct{ Key []byte }{key.PublicKey().Marshal()})...)
		if seen[key.PublicKey().Type()] {
			continue
		}
		seen[key.PublicKey().Type()] = true
		used, old, err := withAlgorithms(signer)
		if err != nil {
			return h, err
		}
		h.inUse, h.withSHA1 = append(h.inUse, used), append(h.withSHA1, old)
	}
	return h, nil
}

func withAlgorithms(key ssh.AlgorithmSigner) (used, withSHA1 ssh.Signer, err error) {
	kind := key.PublicKey().Type()
	algorithms := []string{kind}
	if kind == ssh.KeyAlgoRSA {
		algorithms = []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	if !slices.Contains(ssh.SupportedAlgorithms().HostKeys, algorithms[0]) {
		return nil, nil, fmt.Errorf("a host key of type %s is not secure", kind)
	}
	if used, err = ssh.NewSignerWithAlgorithms(key, algorithms); err != nil {
		return nil, nil, fmt.Errorf("use a host key of type %s: %w", kind, err)
	}
	if kind != ssh.KeyAlgoRSA {
		return used, used, nil
	}
	withSHA1, err = ssh.NewSignerWithAlgorithms(key, append(algorithms, ssh.KeyAlgoRSA))
	return used, withSHA1, err
}

func (h hostKeys) addTo(c *ssh.ServerConfig, sha1 bool) {
	keys := h.inUse
	if sha1 {
		keys = h.withSHA1
	}
	for _, key := range keys {
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
