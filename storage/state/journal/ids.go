package journal

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"gatehouse/storage/state"
)

const (
	idSize = 16
	// bucketLife is how long ids are gathered that are forgotten together.
	bucketLife = time.Minute
	// mostIDs is how many a stream remembers, whatever the time: about 40 MiB.
	mostIDs = 1 << 20
)

// A key is an operation id as it is kept.
type key [idSize]byte

// keyOf returns the bytes that an id spells, or a hash of one made elsewhere.
func keyOf(id state.OperationID) key {
	if id == "" {
		return key{}
	}
	var k key
	if _, err := hex.Decode(k[:], []byte(id[:min(len(id), 2*idSize)])); err == nil && hex.EncodeToString(k[:]) == string(id) && k != (key{}) {
		return k
	}
	hash := sha256.Sum256([]byte(id))
	return key(hash[:])
}

// ids are the operation ids of a stream that may still be retried, and the
// position that each came to. Those of a minute are forgotten together. Over a
// restart they stand with the entries, and go when those are trimmed.
type ids struct {
	buckets []bucket // oldest first
	total   int
}

type bucket struct {
	begun time.Time
	made  map[key]uint64
}

func (s *ids) position(k key) (uint64, bool) {
	if k == (key{}) {
		return 0, false
	}
	for i := len(s.buckets) - 1; i >= 0; i-- {
		if p, ok := s.buckets[i].made[k]; ok {
			return p, true
		}
	}
	return 0, false
}

// remember keeps an id that was used at a time not before those already kept.
func (s *ids) remember(k key, position uint64, at time.Time) {
	if k == (key{}) {
		return
	}
	n := len(s.buckets)
	if n == 0 || at.Sub(s.buckets[n-1].begun) >= bucketLife || len(s.buckets[n-1].made) >= mostIDs/16 {
		s.buckets = append(s.buckets, bucket{begun: at, made: make(map[key]uint64)})
		s.forget(at)
	}
	s.buckets[len(s.buckets)-1].made[k] = position
	s.total++
}

// forget drops what is too old, or too much.
func (s *ids) forget(now time.Time) {
	for len(s.buckets) > 0 && (now.Sub(s.buckets[0].begun) > state.OperationLife+bucketLife || s.total >= mostIDs) {
		s.total -= len(s.buckets[0].made)
		s.buckets = s.buckets[1:]
	}
}

// since returns what came to positions from one on.
func (s *ids) since(first uint64) []made {
	var found []made
	for _, b := range s.buckets {
		for id, position := range b.made {
			if position >= first {
				found = append(found, made{id, position, b.begun.UnixNano()})
			}
		}
	}
	return found
}
