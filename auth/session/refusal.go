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
	"gatehouse/storage/keyed"
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
	// maxClaims is how many credentials that a banned address names, and how many
	// accounts that an origin names, have a refusal each.
	maxClaims = 8
)

// refusals remembers the references of refusals that came without any work.
type refusals struct {
	mu    sync.Mutex // guards known
	known map[refusalKey]refusal
	// turns are of those that are turned away, so that one of each is recorded.
	turns keyed.Mutex[refusalKey]
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
	claims    int // for a tally
}

// Keys of what is kept for an address or an origin beside its refusals.
const (
	tallied = "how many it has named"
	beyond  = "all that it names beyond those"
)

// keyOf is what a refusal shares its reference with. That of a banned address
// tells nobody which rule was named: what brings a credential's id shares it with
// the same id only, good for the door or not, there or made up.
func (r *refusals) keyOf(a auth.Attempt, p auth.Proof, d policy.Decision) refusalKey {
	key := refusalKey{address: p.Attempt.Address, door: a.Door, account: a.Account, rule: d.Rule}
	switch {
	case d.Rule == policy.RuleDoorSite: // whoever is named, so that names can be made up
		key.address = origin(key.address)
		return r.named(key)
	case d.Rule == policy.RuleDoorAccount:
		return key
	case a.Claims() == "":
		return refusalKey{address: key.address, rule: d.Rule}
	}
	key.rule, key.claim = "", a.Claims()
	return r.counted(key)
}

// counted is k where its address has named few credentials, else the key of all
// that it names beyond those.
func (r *refusals) counted(k refusalKey) refusalKey {
	return r.among(k, refusalKey{address: k.address, claim: tallied}, refusalKey{address: k.address, claim: beyond})
}

// named is counted for the accounts that an origin names where no credential is
// looked at.
func (r *refusals) named(k refusalKey) refusalKey {
	tally, rest := k, k
	tally.account, tally.claim = "", tallied
	rest.account, rest.claim = "", beyond
	return r.among(k, tally, rest)
}

// among is k while it is one of the first few that its tally counts, else rest.
func (r *refusals) among(k, tally, rest refusalKey) refusalKey {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if now.Before(r.known[k].until) {
		return k
	}
	count := r.known[tally]
	if !now.Before(count.until) {
		count = refusal{until: now.Add(refusalLife)}
	}
	if count.claims >= maxClaims {
		return rest
	}
	count.claims++
	r.known[tally] = count
	return k
}

// origin is the network that one who makes up addresses has: of IPv6 a /64.
func origin(a netip.Addr) netip.Addr {
	if !a.Is6() {
		return a
	}
	p, _ := a.Prefix(64) // never fails for IPv6
	return p.Addr()
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
