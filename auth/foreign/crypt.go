package foreign

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"hash"
	"strconv"
	"strings"
	"time"
)

// Bounds of SHA-crypt. Rounds outside the format's own are brought inside them
// by its definition; beyond maxRounds a hash is refused.
const (
	defaultRounds = 5000
	leastRounds   = 1000
	maxRounds     = 1_000_000
	maxCryptSalt  = 16
	// maxCryptPassword is the longest password that is looked at, in bytes, as musl
	// has it: every round reads the whole of it.
	maxCryptPassword = 256
)

// A shaCrypt is a hash of the SHA-256 or SHA-512 based crypt of U. Drepper
// ("Unix crypt using SHA-256 and SHA-512", version 0.6).
type shaCrypt struct {
	sum    func() hash.Hash
	order  []byte
	rounds int
	salt   []byte
	want   string
}

func parseSHACrypt(s string) (shaCrypt, error) {
	c := shaCrypt{sum: sha512.New, order: order512[:], rounds: defaultRounds}
	if strings.HasPrefix(s, "$5$") {
		c.sum, c.order = sha256.New, order256[:]
	}
	rest := s[len("$6$"):]
	if text, after, ok := strings.Cut(rest, "$"); ok && strings.HasPrefix(text, "rounds=") {
		n, err := roundsOf(text)
		if err != nil {
			return shaCrypt{}, err
		}
		c.rounds, rest = n, after
	}
	salt, want, ok := strings.Cut(rest, "$")
	if !ok || len(salt) > maxCryptSalt || len(want) != encodedLen(len(c.order)) {
		return shaCrypt{}, ErrUnknown
	}
	c.salt, c.want = []byte(salt), want
	return c, nil
}

func verifySHACrypt(s string, password []byte) (bool, error) {
	c, err := parseSHACrypt(s)
	if err != nil || len(password) > maxCryptPassword {
		return false, err
	}
	return equal(encodeCrypt(c.compute(password), c.order), c.want), nil
}

func checkSHACrypt(s string) error {
	_, err := parseSHACrypt(s)
	return err
}

func costSHACrypt(setting []string) (time.Duration, error) {
	rounds := defaultRounds
	if len(setting) > 1 {
		n, err := roundsOf(setting[1])
		if err != nil {
			return 0, err
		}
		rounds = n
	}
	return time.Duration(rounds) * shaCryptRound, nil
}

// roundsOf reads rounds=N.
func roundsOf(text string) (int, error) {
	digits, ok := strings.CutPrefix(text, "rounds=")
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < 0 || n > maxRounds {
		return 0, ErrUnknown
	}
	return max(n, leastRounds), nil
}

// compute follows the steps of the definition.
func (c shaCrypt) compute(password []byte) []byte {
	b := c.digest(password, c.salt, password) // steps 4 to 8
	a := c.sum()                              // steps 1 to 12
	a.Write(password)
	a.Write(c.salt)
	a.Write(stretch(b, len(password)))
	for n := len(password); n > 0; n >>= 1 {
		if n&1 != 0 {
			a.Write(b)
		} else {
			a.Write(password)
		}
	}
	sum := a.Sum(nil)
	p := stretch(c.repeated(password, len(password)), len(password)) // steps 13 to 16
	s := stretch(c.repeated(c.salt, 16+int(sum[0])), len(c.salt))    // steps 17 to 20
	for i := range c.rounds {                                        // step 21
		sum = round(c.sum(), i, sum, p, s)
	}
	return sum
}

// round is the i-th of the rounds that make a hash slow, the same in all of these
// schemes.
func round(h hash.Hash, i int, sum, password, salt []byte) []byte {
	first, last := sum, password
	if i%2 != 0 {
		first, last = password, sum
	}
	h.Write(first)
	if i%3 != 0 {
		h.Write(salt)
	}
	if i%7 != 0 {
		h.Write(password)
	}
	h.Write(last)
	return h.Sum(nil)
}

func (c shaCrypt) digest(parts ...[]byte) []byte {
	h := c.sum()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// repeated is the digest of something that is written n times.
func (c shaCrypt) repeated(b []byte, n int) []byte {
	h := c.sum()
	for range n {
		h.Write(b)
	}
	return h.Sum(nil)
}

// An md5Crypt is a hash of the MD5 based crypt of P.-H. Kamp, or of Apache's
// variant of it, which differs by its mark.
type md5Crypt struct{ mark, salt, want string }

func parseMD5Crypt(s string) (md5Crypt, error) {
	c := md5Crypt{mark: "$1$"}
	if strings.HasPrefix(s, "$apr1$") {
		c.mark = "$apr1$"
	}
	var ok bool
	c.salt, c.want, ok = strings.Cut(s[len(c.mark):], "$")
	if !ok || len(c.salt) > 8 || len(c.want) != encodedLen(len(orderMD5)) {
		return md5Crypt{}, ErrUnknown
	}
	return c, nil
}

func verifyMD5Crypt(s string, password []byte) (bool, error) {
	c, err := parseMD5Crypt(s)
	if err != nil {
		return false, err
	}
	return equal(encodeCrypt(c.compute(password), orderMD5[:]), c.want), nil
}

func checkMD5Crypt(s string) error {
	_, err := parseMD5Crypt(s)
	return err
}

func costMD5Crypt([]string) (time.Duration, error) { return 1000 * md5Round, nil }

func (c md5Crypt) compute(password []byte) []byte {
	salt := []byte(c.salt)
	b := md5.New()
	b.Write(password)
	b.Write(salt)
	b.Write(password)
	a := md5.New()
	a.Write(password)
	a.Write([]byte(c.mark))
	a.Write(salt)
	a.Write(stretch(b.Sum(nil), len(password)))
	for n := len(password); n > 0; n >>= 1 {
		if n&1 != 0 {
			a.Write([]byte{0})
		} else {
			a.Write(password[:1])
		}
	}
	sum := a.Sum(nil)
	for i := range 1000 {
		sum = round(md5.New(), i, sum, password, salt)
	}
	return sum
}

// stretch repeats b up to n bytes.
func stretch(b []byte, n int) []byte {
	out := make([]byte, 0, n+len(b))
	for len(out) < n {
		out = append(out, b...)
	}
	return out[:n]
}

// The orders in which the bytes of a digest are written, three at a time, the
// first of them the most significant.
var (
	order512 = [64]byte{
		0, 21, 42, 22, 43, 1, 44, 2, 23, 3, 24, 45, 25, 46, 4, 47, 5, 26, 6, 27, 48, 28, 49, 7, 50, 8, 29, 9, 30, 51,
		31, 52, 10, 53, 11, 32, 12, 33, 54, 34, 55, 13, 56, 14, 35, 15, 36, 57, 37, 58, 16, 59, 17, 38, 18, 39, 60,
		40, 61, 19, 62, 20, 41, 63,
	}
	order256 = [32]byte{
		0, 10, 20, 21, 1, 11, 12, 22, 2, 3, 13, 23, 24, 4, 14, 15, 25, 5, 6, 16, 26, 27, 7, 17, 18, 28, 8, 9, 19, 29,
		31, 30,
	}
	orderMD5 = [16]byte{0, 6, 12, 1, 7, 13, 2, 8, 14, 3, 9, 15, 4, 10, 5, 11}
)

// letters are the digits of crypt's base 64.
const letters = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// encodedLen is how many letters n bytes are written with.
func encodedLen(n int) int { return (n*8 + 5) / 6 }

// encodeCrypt writes a digest as crypt does: groups of 24 bits, the least
// significant 6 first.
func encodeCrypt(sum, order []byte) string {
	var text strings.Builder
	for len(order) > 0 {
		n := min(3, len(order))
		var v uint32
		for _, at := range order[:n] {
			v = v<<8 | uint32(sum[at])
		}
		for range encodedLen(n) {
			text.WriteByte(letters[v&63])
			v >>= 6
		}
		order = order[n:]
	}
	return text.String()
}

// equal compares in constant time.
func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
