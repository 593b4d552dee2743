package auth

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Params are the cost parameters of argon2id (RFC 9106).
type Params struct {
	Memory  uint32 // KiB
	Time    uint32
	Threads uint8
}

// DefaultParams are what new hashes cost: 19 MiB, 2 passes, 1 thread.
func DefaultParams() Params { return Params{Memory: 19 * 1024, Time: 2, Threads: 1} }

// Bounds of a hash that is verified: what comes from elsewhere must not eat the
// machine's memory.
const (
	maxMemory  = 256 * 1024
	maxTime    = 20
	maxThreads = 16
	saltSize   = 16
	hashSize   = 32
)

var errHash = errors.New("not an argon2id hash that can be verified")

func (p Params) validate() error {
	if p.Time == 0 || p.Time > maxTime || p.Threads == 0 || p.Threads > maxThreads ||
		p.Memory < 8*uint32(p.Threads) || p.Memory > maxMemory {
		return fmt.Errorf("argon2id with m=%d,t=%d,p=%d: %w", p.Memory, p.Time, p.Threads, errHash)
	}
	return nil
}

// cost is what a hash costs, in blocks of memory touched.
func (p Params) cost() float64 { return float64(p.Memory) * float64(p.Time) }

// scheme writes the part of a PHC string before salt and hash.
func (p Params) scheme() string {
	return fmt.Sprintf("argon2id$v=%d$m=%d,t=%d,p=%d", argon2.Version, p.Memory, p.Time, p.Threads)
}

// encode writes a hash in the PHC string format.
func (p Params) encode(salt, hash []byte) string {
	enc := base64.RawStdEncoding
	return "$" + p.scheme() + "$" + enc.EncodeToString(salt) + "$" + enc.EncodeToString(hash)
}

// parseScheme reads the part of a PHC string before salt and hash.
func parseScheme(s string) (Params, error) {
	var p Params
	var version int
	n, err := fmt.Sscanf(s, "argon2id$v=%d$m=%d,t=%d,p=%d", &version, &p.Memory, &p.Time, &p.Threads)
	if err != nil || n != 4 || version != argon2.Version || p.scheme() != s {
		return Params{}, errHash
	}
	return p, p.validate()
}

func parseHash(phc string) (p Params, salt, hash []byte, err error) {
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[0] != "" {
		return Params{}, nil, nil, errHash
	}
	if p, err = parseScheme(strings.Join(parts[1:4], "$")); err != nil {
		return Params{}, nil, nil, err
	}
	enc := base64.RawStdEncoding.Strict()
	salt, saltErr := enc.DecodeString(parts[4])
	hash, hashErr := enc.DecodeString(parts[5])
	if saltErr != nil || hashErr != nil || len(salt) < 8 || len(hash) < 16 || len(hash) > 64 {
		return Params{}, nil, nil, errHash
	}
	return p, salt, hash, nil
}

// A hasher makes and verifies hashes of passwords.
type hasher struct {
	params  Params
	compute func(password, salt []byte, p Params) []byte
	others  func(hash string, password []byte) (bool, error)
}

func argon2id(password, salt []byte, p Params) []byte {
	return argon2.IDKey(password, salt, p.Time, p.Memory, p.Threads, hashSize)
}

// hash makes the PHC string of a password.
func (h hasher) hash(password []byte) string {
	salt := random(saltSize)
	return h.params.encode(salt, h.compute(password, salt, h.params))
}

// verify reports whether password, prepared, is the one of phc, and whether phc
// was made with other parameters than new hashes are. What others have made is
// of the password as it was typed.
func (h hasher) verify(phc string, password, typed []byte) (ok, old bool, err error) {
	if !strings.HasPrefix(phc, "$argon2id$") {
		ok, err = h.others(phc, typed)
		return ok, true, err
	}
	p, salt, want, err := parseHash(phc)
	if err != nil {
		return false, false, err
	}
	if len(want) != hashSize {
		return subtle.ConstantTimeCompare(argon2.IDKey(password, salt, p.Time, p.Memory, p.Threads, uint32(len(want))), want) == 1, true, nil
	}
	got := h.compute(password, salt, p)
	return subtle.ConstantTimeCompare(got, want) == 1, p != h.params, nil
}
