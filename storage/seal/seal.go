// Package seal keeps secrets that must be readable again: sealed with an AEAD
// under the installation's key, bound to the id of the record they belong to.
// It also derives keys for keyed hashes from the same key.
package seal

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// KeySize is the length of an installation's key.
const KeySize = 32

// Errors of Open. They never tell what was sealed.
var (
	// ErrKey says that something was sealed under a key that is not here.
	ErrKey = errors.New("sealed under another key than this installation's")
	// ErrSealed says that something was changed, or sealed for another record.
	ErrSealed = errors.New("damaged, or sealed for another record")
)

// What is sealed begins with the version of this layout and the id of the key,
// then the nonce; both are authenticated with the record's id.
const (
	version    = 1
	keyIDSize  = 4
	headerSize = 1 + keyIDSize
)

// A Sealer seals under its first key and opens what was sealed under any of
// them. Safe for concurrent use.
type Sealer struct {
	keys []key
}

type key struct {
	root []byte
	id   [keyIDSize]byte
	aead cipher.AEAD
}

// New returns a sealer under a key of KeySize bytes; older keys only open.
func New(present []byte, older ...[]byte) (*Sealer, error) {
	s := new(Sealer)
	for _, root := range append([][]byte{present}, older...) {
		k, err := newKey(root)
		if err != nil {
			return nil, err
		}
		s.keys = append(s.keys, k)
	}
	return s, nil
}

func newKey(root []byte) (key, error) {
	if len(root) != KeySize {
		return key{}, fmt.Errorf("the sealing key has %d bytes, not %d", len(root), KeySize)
	}
	k := key{root: append([]byte(nil), root...)}
	copy(k.id[:], k.derive("key id"))
	aead, err := chacha20poly1305.NewX(k.derive("seal"))
	if err != nil {
		return key{}, fmt.Errorf("make the sealing cipher: %w", err)
	}
	k.aead = aead
	return k, nil
}

// Seal seals a secret for the record with this id.
func (s *Sealer) Seal(record string, secret []byte) []byte {
	k := s.keys[0]
	out := make([]byte, headerSize+k.aead.NonceSize(), headerSize+k.aead.NonceSize()+len(secret)+k.aead.Overhead())
	out[0] = version
	copy(out[1:], k.id[:])
	nonce := out[headerSize:]
	rand.Read(nonce) // never fails: it ends the program where the system has no randomness
	return k.aead.Seal(out, nonce, secret, bound(out[:headerSize], record))
}

// Open opens what was sealed for the record with this id: ErrKey, ErrSealed.
func (s *Sealer) Open(record string, sealed []byte) ([]byte, error) {
	if len(sealed) < headerSize || sealed[0] != version {
		return nil, ErrSealed
	}
	k, err := s.key([keyIDSize]byte(sealed[1:headerSize]))
	if err != nil {
		return nil, err
	}
	body := sealed[headerSize:]
	if len(body) < k.aead.NonceSize() {
		return nil, ErrSealed
	}
	nonce, box := body[:k.aead.NonceSize()], body[k.aead.NonceSize():]
	secret, err := k.aead.Open(nil, nonce, box, bound(sealed[:headerSize], record))
	if err != nil {
		return nil, ErrSealed
	}
	return secret, nil
}

func (s *Sealer) key(id [keyIDSize]byte) (key, error) {
	for _, k := range s.keys {
		if k.id == id {
			return k, nil
		}
	}
	return key{}, ErrKey
}

// Derive returns a key of KeySize bytes for one purpose: a different one for
// each, from which neither another nor the installation's can be found.
func (s *Sealer) Derive(purpose string) []byte { return s.keys[0].derive("derived " + purpose) }

// DeriveAll is Derive under each of the installation's keys, the present one
// first: for what must be recognised that was made under an older one.
func (s *Sealer) DeriveAll(purpose string) [][]byte {
	var all [][]byte
	for _, k := range s.keys {
		all = append(all, k.derive("derived "+purpose))
	}
	return all
}

func (k key) derive(purpose string) []byte {
	b, err := hkdf.Key(sha256.New, k.root, nil, "gatehouse "+purpose, KeySize)
	if err != nil {
		panic(err) // the length is constant and small enough
	}
	return b
}

// bound is what is authenticated beside the secret.
func bound(header []byte, record string) []byte {
	return append(append([]byte(nil), header...), record...)
}
