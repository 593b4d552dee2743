package events

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"sync"

	"gatehouse/storage/seal"
)

// A link is a place in the chain of a node: every entry that a node appends
// carries its number and a MAC over the one before and its own bytes, so that
// none can be changed, taken out, put in or moved without the key.
type link struct {
	Sequence uint64 `json:"sequence"`
	MAC      mac    `json:"mac"`
}

type mac [sha256.Size]byte

// Kinds of entries, the first byte of each. Entries without a chain, which begin
// with a brace, are older than it.
const (
	plainEntry      = 1
	checkpointEntry = 2
)

// The header of an entry: kind, key, number, MAC, and the node's name behind its length.
const (
	keyIDSize  = 4
	headerSize = 1 + keyIDSize + 8 + sha256.Size + 1
	maxNode    = 255
)

var errUnchained = errors.New("the entry is not one of a chain")

// chained is an entry taken apart.
type chained struct {
	link
	kind byte
	key  [keyIDSize]byte
	node string
	body []byte // the event, as it is written
}

func (c *chained) encode() []byte {
	b := make([]byte, 0, headerSize+len(c.node)+len(c.body))
	b = append(b, c.kind)
	b = append(b, c.key[:]...)
	b = binary.BigEndian.AppendUint64(b, c.Sequence)
	b = append(b, c.MAC[:]...)
	b = append(b, byte(len(c.node)))
	b = append(b, c.node...)
	return append(b, c.body...)
}

func parseChained(b []byte) (chained, error) {
	if len(b) < headerSize || b[0] != plainEntry && b[0] != checkpointEntry {
		return chained{}, errUnchained
	}
	c := chained{kind: b[0], key: [keyIDSize]byte(b[1:])}
	c.Sequence = binary.BigEndian.Uint64(b[1+keyIDSize:])
	c.MAC = mac(b[1+keyIDSize+8:])
	end := headerSize + int(b[headerSize-1])
	if len(b) < end {
		return chained{}, errUnchained
	}
	c.node, c.body = string(b[headerSize:end]), b[end:]
	return c, nil
}

// keys are what chains and checkpoints are made with. The present one is first;
// older ones only recognise.
type keys struct {
	chains  []chainKey
	private ed25519.PrivateKey
	public  []ed25519.PublicKey
}

type chainKey struct {
	id   [keyIDSize]byte
	macs *sync.Pool // of HMACs under the key
}

func newChainKey(secret []byte) chainKey {
	id := sha256.Sum256(append([]byte("id of the event chain's key: "), secret...))
	return chainKey{[keyIDSize]byte(id[:]), &sync.Pool{New: func() any { return hmac.New(sha256.New, secret) }}}
}

func newKeys(s *seal.Sealer) keys {
	var k keys
	for _, secret := range s.DeriveAll("event chain") {
		k.chains = append(k.chains, newChainKey(secret))
	}
	for i, seed := range s.DeriveAll("event checkpoints") {
		private := ed25519.NewKeyFromSeed(seed)
		if i == 0 {
			k.private = private
		}
		k.public = append(k.public, private.Public().(ed25519.PublicKey))
	}
	return k
}

// chain gives an event its place after another.
func (k *keys) chain(after link, kind byte, node string, body []byte) chained {
	c := chained{kind: kind, key: k.chains[0].id, node: node, body: body}
	c.Sequence = after.Sequence + 1
	c.MAC = k.chains[0].mac(after.MAC, &c)
	return c
}

// holds reports whether an entry follows another; known is false where it was
// made under a key that is not here.
func (k *keys) holds(after mac, c *chained) (holds, known bool) {
	for _, key := range k.chains {
		if key.id == c.key {
			want := key.mac(after, c)
			return hmac.Equal(want[:], c.MAC[:]), true
		}
	}
	return false, false
}

func (k chainKey) mac(after mac, c *chained) mac {
	m := k.macs.Get().(hash.Hash)
	defer k.macs.Put(m)
	m.Reset()
	b := append(make([]byte, 0, 64), after[:]...)
	b = append(b, c.kind, byte(len(c.node)))
	b = append(b, c.node...)
	b = binary.BigEndian.AppendUint64(b, c.Sequence)
	m.Write(b)
	m.Write(c.body)
	return mac(m.Sum(b[:0]))
}
