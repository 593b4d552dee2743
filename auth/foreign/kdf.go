package foreign

import (
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"
	"time"

	"github.com/openwall/yescrypt-go"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// Bounds of what is spent on one hash: about two seconds, or 128 MiB.
const (
	maxBcrypt     = 14
	maxIterations = 2_000_000
	maxYescrypt   = 128 << 20 // bytes
	maxMemory     = 256 << 10 // KiB
	maxPasses     = 20
	maxThreads    = 16
)

// What things cost, measured beside Reference.
const (
	bcryptBase    = 71 * time.Millisecond / (1 << 10)
	shaCryptRound = 650 * time.Nanosecond
	md5Round      = 300 * time.Nanosecond
	pbkdf2Round   = 600 * time.Nanosecond
	yescryptMiB   = 4 * time.Millisecond
	argon2Pass    = Reference / (2 * 19) // of a MiB
)

func verifyBcrypt(s string, password []byte) (bool, error) {
	// Longer than 72 bytes is cut by the format itself.
	err := bcrypt.CompareHashAndPassword([]byte(s), password[:min(len(password), 72)])
	if errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		return false, nil
	}
	if err != nil {
		return false, ErrUnknown
	}
	return true, nil
}

func checkBcrypt(s string) error {
	if _, err := bcrypt.Cost([]byte(s)); err != nil || len(s) != 60 {
		return ErrUnknown
	}
	return nil
}

func costBcrypt(setting []string) (time.Duration, error) {
	if len(setting) != 2 {
		return 0, ErrUnknown
	}
	cost, err := strconv.Atoi(setting[1])
	if err != nil || cost < bcrypt.MinCost || cost > maxBcrypt {
		return 0, ErrUnknown
	}
	return bcryptBase << cost, nil
}

func verifyYescrypt(s string, password []byte) (bool, error) {
	got, err := yescrypt.Hash(password, []byte(s))
	if err != nil {
		return false, ErrUnknown
	}
	return subtle.ConstantTimeCompare(got, []byte(s)) == 1, nil
}

func checkYescrypt(s string) error {
	// Its salt is read only while it is computed; the rest is the setting's.
	if strings.Count(s, "$") != 4 || len(s[strings.LastIndexByte(s, '$')+1:]) != encodedLen(32) {
		return ErrUnknown
	}
	return nil
}

// costYescrypt reads the two letters of the setting that say how much memory is
// touched: 128 bytes times N times r.
func costYescrypt(setting []string) (time.Duration, error) {
	if len(setting) != 2 || len(setting[1]) != 3 || setting[1][0] != 'j' {
		return 0, ErrUnknown
	}
	n, r := strings.IndexByte(letters, setting[1][1])+1, strings.IndexByte(letters, setting[1][2])+1
	if n < 10 || n > 18 || r < 1 || r > 32 || 128<<n*r > maxYescrypt {
		return 0, ErrUnknown
	}
	return time.Duration(float64(int(128)<<n*r) / (1 << 20) * float64(yescryptMiB)), nil
}

// An argon2i is a PHC string of argon2i (RFC 9106).
type argon2i struct {
	memory, passes uint32
	threads        uint8
	salt, want     []byte
}

func parseArgon2i(s string) (a argon2i, err error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 {
		return a, ErrUnknown
	}
	if a, err = parseArgon2iSetting(parts[1:4]); err != nil {
		return a, err
	}
	enc := base64.RawStdEncoding.Strict()
	salt, saltErr := enc.DecodeString(parts[4])
	want, wantErr := enc.DecodeString(parts[5])
	if saltErr != nil || wantErr != nil || len(salt) < 8 || len(want) < 16 || len(want) > 64 {
		return a, ErrUnknown
	}
	a.salt, a.want = salt, want
	return a, nil
}

func parseArgon2iSetting(setting []string) (a argon2i, err error) {
	const form = "argon2i$v=%d$m=%d,t=%d,p=%d"
	text, version := strings.Join(setting, "$"), 0
	n, err := fmt.Sscanf(text, form, &version, &a.memory, &a.passes, &a.threads)
	if err != nil || n != 4 || text != fmt.Sprintf(form, argon2.Version, a.memory, a.passes, a.threads) {
		return a, ErrUnknown
	}
	if a.memory > maxMemory || a.memory < 8*uint32(a.threads) || a.passes == 0 || a.passes > maxPasses ||
		a.threads == 0 || a.threads > maxThreads {
		return a, ErrUnknown
	}
	return a, nil
}

func verifyArgon2i(s string, password []byte) (bool, error) {
	a, err := parseArgon2i(s)
	if err != nil {
		return false, err
	}
	got := argon2.Key(password, a.salt, a.passes, a.memory, a.threads, uint32(len(a.want)))
	return subtle.ConstantTimeCompare(got, a.want) == 1, nil
}

func checkArgon2i(s string) error {
	_, err := parseArgon2i(s)
	return err
}

func costArgon2i(setting []string) (time.Duration, error) {
	a, err := parseArgon2iSetting(setting)
	return time.Duration(float64(a.memory) / 1024 * float64(a.passes) * float64(argon2Pass)), err
}

// A pbkdf2Hash is what SFTPGo writes: $pbkdf2-ALGORITHM$ITERATIONS$SALT$HASH,
// the salt as it is or, with b64salt in the algorithm's name, in base64.
type pbkdf2Hash struct {
	sum        func() hash.Hash
	coded      bool // the salt is in base64
	iterations int
	salt, want []byte
}

func parsePBKDF2(s string) (p pbkdf2Hash, err error) {
	parts := strings.Split(s, "$")
	if len(parts) != 5 {
		return p, ErrUnknown
	}
	if p, err = parsePBKDF2Setting(parts[1:3]); err != nil {
		return p, err
	}
	if p.salt = []byte(parts[3]); p.coded {
		if p.salt, err = base64.StdEncoding.DecodeString(parts[3]); err != nil {
			return p, ErrUnknown
		}
	}
	if p.want, err = base64.StdEncoding.DecodeString(parts[4]); err != nil || len(p.want) < 16 || len(p.want) > 64 {
		return p, ErrUnknown
	}
	// All iterations are made for each digest that the hash is made of.
	size := p.sum().Size()
	if p.iterations*((len(p.want)+size-1)/size) > maxIterations {
		return p, ErrUnknown
	}
	return p, nil
}

func parsePBKDF2Setting(setting []string) (p pbkdf2Hash, err error) {
	if len(setting) != 2 {
		return p, ErrUnknown
	}
	name := strings.TrimPrefix(setting[0], "pbkdf2-")
	name, p.coded = strings.CutPrefix(name, "b64salt-")
	switch name {
	case "sha1":
		p.sum = sha1.New
	case "sha256":
		p.sum = sha256.New
	case "sha512":
		p.sum = sha512.New
	default:
		return p, ErrUnknown
	}
	p.iterations, err = strconv.Atoi(setting[1])
	if err != nil || p.iterations < 1 || p.iterations > maxIterations {
		return p, ErrUnknown
	}
	return p, nil
}

func verifyPBKDF2(s string, password []byte) (bool, error) {
	p, err := parsePBKDF2(s)
	if err != nil {
		return false, err
	}
	got, err := pbkdf2.Key(p.sum, string(password), p.salt, p.iterations, len(p.want))
	if err != nil {
		return false, ErrUnknown
	}
	return subtle.ConstantTimeCompare(got, p.want) == 1, nil
}

func checkPBKDF2(s string) error {
	_, err := parsePBKDF2(s)
	return err
}

func costPBKDF2(setting []string) (time.Duration, error) {
	p, err := parsePBKDF2Setting(setting)
	return time.Duration(p.iterations) * pbkdf2Round, err
}
