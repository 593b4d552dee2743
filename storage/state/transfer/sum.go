package transfer

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"slices"
	"strings"

	"gatehouse/storage/state"
)

// A Sum tells what a store holds: how much of each kind, and a digest over all
// of it, with revisions, positions and ends. Two stores that hold the same have
// the same Sum, whatever keeps them.
type Sum struct {
	Scopes   int    `json:"scopes"`
	Records  int    `json:"records"`
	Counters int    `json:"counters"`
	Streams  int    `json:"streams"`
	Entries  int    `json:"entries"`
	Digest   string `json:"digest"`
}

// A place is a scope or a stream.
type place struct{ kind, name string }

func (p place) String() string { return fmt.Sprintf("%s %q", p.kind, p.name) }

func (p place) compare(q place) int {
	return strings.Compare(p.kind+"\x00"+p.name, q.kind+"\x00"+q.name)
}

func placeOf(item state.Item) place {
	if item.Kind == state.ItemStream || item.Kind == state.ItemEntry {
		return place{state.ItemStream, item.Scope}
	}
	return place{state.ItemScope, item.Scope}
}

// A holding is what a place holds. The order of its items is the store's own,
// so that mixed is their digests, each of one item, by exclusive or.
type holding struct {
	revision                   uint64
	records, counters, entries int
	mixed                      [sha256.Size]byte
}

// empty reports that a place is as one that was never written to.
func (h holding) empty() bool { return h == holding{} }

func (h *holding) add(item state.Item) {
	switch item.Kind {
	case state.ItemScope, state.ItemStream:
		h.revision = item.Revision
		return
	case state.ItemRecord:
		h.records++
	case state.ItemCounter:
		h.counters++
	case state.ItemEntry:
		h.entries++
	}
	one := digest(item)
	subtle.XORBytes(h.mixed[:], h.mixed[:], one[:])
}

func digest(item state.Item) (sum [sha256.Size]byte) {
	h := sha256.New()
	write(h, item.Kind)
	write(h, item.Scope)
	write(h, item.Name)
	write(h, string(item.Value))
	end := int64(0)
	if !item.Expires.IsZero() {
		end = item.Expires.UnixNano()
	}
	writeNumbers(h, item.Revision, uint64(end))
	h.Sum(sum[:0])
	return sum
}

func write(h hash.Hash, text string) {
	writeNumbers(h, uint64(len(text)))
	_, _ = h.Write([]byte(text)) // a hash takes everything
}

func writeNumbers(h hash.Hash, list ...uint64) {
	for _, n := range list {
		_, _ = h.Write(binary.BigEndian.AppendUint64(nil, n))
	}
}

// sumOf adds up all places.
func sumOf(held map[place]holding) Sum {
	var sum Sum
	all := sha256.New()
	for _, p := range slices.SortedFunc(maps.Keys(held), place.compare) {
		h := held[p]
		if p.kind == state.ItemStream {
			sum.Streams++
		} else {
			sum.Scopes++
		}
		sum.Records += h.records
		sum.Counters += h.counters
		sum.Entries += h.entries
		write(all, p.kind)
		write(all, p.name)
		writeNumbers(all, h.revision, uint64(h.records), uint64(h.counters), uint64(h.entries))
		_, _ = all.Write(h.mixed[:])
	}
	sum.Digest = "sha256:" + hex.EncodeToString(all.Sum(nil))
	return sum
}
