// Package foreign verifies password hashes that other programs have made: those
// of /etc/shadow (crypt), of htpasswd, of LDAP directories and of SFTPGo. A hash
// whose cost is beyond bounds is not touched: what was imported must not eat the
// machine.
package foreign

import (
	"errors"
	"strings"
	"time"
)

// ErrUnknown says that a hash is in no known format, or costs more than is spent.
var ErrUnknown = errors.New("not a password hash that can be verified")

// A format is one way of writing hashes.
type format struct {
	prefix string
	// check refuses a hash that cannot be read.
	check func(hash string) error
	// verify reports whether password is that of hash.
	verify func(hash string, password []byte) (bool, error)
	// cost reads the setting, which stands before salt and hash, and refuses one
	// that is damaged or too dear.
	cost func(setting []string) (time.Duration, error)
}

// formats are told apart by what hashes begin with; the first that fits is it.
// What begins with none of these may be desCrypt.
var formats = []format{
	{"$2a$", checkBcrypt, verifyBcrypt, costBcrypt},
	{"$2b$", checkBcrypt, verifyBcrypt, costBcrypt},
	{"$2y$", checkBcrypt, verifyBcrypt, costBcrypt},
	{"$6$", checkSHACrypt, verifySHACrypt, costSHACrypt},
	{"$5$", checkSHACrypt, verifySHACrypt, costSHACrypt},
	{"$1$", checkMD5Crypt, verifyMD5Crypt, costMD5Crypt},
	{"$apr1$", checkMD5Crypt, verifyMD5Crypt, costMD5Crypt},
	{"$y$", checkYescrypt, verifyYescrypt, costYescrypt},
	{"$argon2i$", checkArgon2i, verifyArgon2i, costArgon2i},
	{"$pbkdf2-", checkPBKDF2, verifyPBKDF2, costPBKDF2},
	{"{", checkDigest, verifyDigest, costDigest},
}

// formatOf finds the format of a hash, or of its setting alone.
func formatOf(hash string) (format, error) {
	for _, f := range formats {
		if strings.HasPrefix(hash, f.prefix) {
			return f, nil
		}
	}
	if checkDES(hash) == nil {
		return desCrypt, nil
	}
	return format{}, ErrUnknown
}

// Verify reports whether password is the one of hash; ErrUnknown. It costs what
// Cost says.
func Verify(hash string, password []byte) (bool, error) {
	f, err := formatOf(hash)
	if err != nil {
		return false, err
	}
	if _, err := f.cost(setting(hash)); err != nil {
		return false, err
	}
	return f.verify(hash, password)
}

// Known reports why a hash cannot be verified; nil where it can. It is cheap.
func Known(hash string) error {
	f, err := formatOf(hash)
	if err != nil {
		return err
	}
	if _, err := f.cost(setting(hash)); err != nil {
		return err
	}
	return f.check(hash)
}

// Cost is about how long a hash takes to verify, on a machine on which argon2id
// with 19 MiB and 2 passes takes Reference. It reads the hash without salt and
// digest, such as 6$rounds=10000 or 2b$12; ErrUnknown for what is not verified,
// and for what has no setting: a plain digest or DES cost next to nothing.
func Cost(scheme string) (time.Duration, error) {
	f, err := formatOf("$" + scheme + "$")
	if err != nil {
		return 0, err
	}
	return f.cost(strings.Split(scheme, "$"))
}

// setting is a hash without salt and digest; bcrypt writes the two in one.
func setting(hash string) []string {
	parts := strings.Split(strings.TrimPrefix(hash, "$"), "$")
	last := 2
	if strings.HasPrefix(hash, "$2") {
		last = 1
	}
	return parts[:max(len(parts)-last, 0)]
}

// Reference is what argon2id with 19 MiB and 2 passes costs where Cost is right.
const Reference = 29 * time.Millisecond
