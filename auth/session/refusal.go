package session

import (
	"crypto/rand"
	"net/netip"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"gatehouse/policy"
)

// newReference names a refusal, for people to read to one another: 40 random
// bits in digits and letters that are not taken for one another.
func newReference() string {
	b := make([]byte, 10)
	rand.Read(b) // never fails
	id := strings.ToUpper(shortID(b))
	return id[:4] + "-" + id[4:8]
}

// How long, and for how many, a refusal that costs nothing keeps its reference.
const (
	refusalLife = time.Minute
	maxRefusals = 10_000
)

// refusals remembers the references of refusals that came without any work.
type refusals struct {
	mu    sync.Mutex // guards known
	known map[refusalKey]refusal
}

type refusalKey struct {
	address netip.Addr
	door    policy.Door
	account string
	rule    policy.Rule
}

type refusal struct {
	reference string
	until     time.Time
}

func newRefusals() *refusals { return &refusals{known: make(map[refusalKey]refusal)} }

func (r *refusals) get(k refusalKey) (string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	found, ok := r.known[k]
	return found.reference, ok && time.Now().Before(found.until)
}

func (r *refusals) put(k refusalKey, reference string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if len(r.known) >= maxRefusals {
		for old, x := range r.known {
			if !now.Before(x.until) {
				delete(r.known, old)
			}
		}
	}
	if len(r.known) >= maxRefusals {
		clear(r.known)
	}
	r.known[k] = refusal{reference: reference, until: now.Add(refusalLife)}
}

// printable bounds what a client says of itself, and leaves out what would
// forge a line.
func printable(s string) string {
	const longest = 200
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
	for len(s) > longest {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return s
}
