package session

import (
	"crypto/rand"
	"net/netip"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"gatehouse/auth"
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
	// maxClaims is how many credentials that a banned address names have a
	// refusal each.
	maxClaims = 8
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
	claim   string // the id of a credential that was named
}

type refusal struct {
	reference string
	until     time.Time
	claims    int // for the tally of an address
}

// Keys of what is kept for a banned address beside its refusals.
const (
	tallied = "how many credentials it has named"
	beyond  = "all that it names beyond those"
)

// keyOf is what a refusal shares its reference with. That of a banned address
// tells nobody which rule was named: what brings a credential's id shares it with
// the same id only, good for the door or not, there or made up.
func (r *refusals) keyOf(a auth.Attempt, p auth.Proof, d policy.Decision) refusalKey {
	key := refusalKey{address: p.Attempt.Address, door: a.Door, account: a.Account, rule: d.Rule}
	switch {
	case d.Rule == policy.RuleDoorSite || d.Rule == policy.RuleDoorAccount:
		return key
	case a.Claims() == "":
		return refusalKey{address: key.address, rule: d.Rule}
	}
	key.rule, key.claim = "", a.Claims()
	return r.counted(key)
}

// counted returns the key of a claim or, where its address has made too many
// others, the one of all of those.
func (r *refusals) counted(k refusalKey) refusalKey {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if now.Before(r.known[k].until) {
		return k
	}
	key := refusalKey{address: k.address, claim: tallied}
	tally := r.known[key]
	if !now.Before(tally.until) {
		tally = refusal{until: now.Add(refusalLife)}
	}
	if tally.claims >= maxClaims {
		return refusalKey{address: k.address, claim: beyond}
	}
	tally.claims++
	r.known[key] = tally
	return k
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
