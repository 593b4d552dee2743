package foreign

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"strings"
	"time"
)

// digests are the schemes of RFC 2307 and their later kin: one plain digest, of
// the password or, with the S before it, of the password and a salt behind it.
var digests = map[string]func() hash.Hash{
	"MD5": md5.New, "SHA": sha1.New, "SHA256": sha256.New, "SHA512": sha512.New,
}

// maxDigestSalt bounds the salt behind a digest.
const maxDigestSalt = 64

type digest struct {
	sum        func() hash.Hash
	want, salt []byte
}

func parseDigest(s string) (d digest, err error) {
	name, text, ok := strings.Cut(s[1:], "}")
	name = strings.ToUpper(name)
	d.sum = digests[name]
	salted := false
	if d.sum == nil {
		d.sum, salted = digests[strings.TrimPrefix(name, "S")], true
	}
	if !ok || d.sum == nil {
		return d, ErrUnknown
	}
	size := d.sum().Size()
	all, err := base64.StdEncoding.DecodeString(text)
	if len(text) == hex.EncodedLen(size) && !salted {
		all, err = hex.DecodeString(text)
	}
	if err != nil || len(all) < size || len(all) > size+maxDigestSalt || salted == (len(all) == size) {
		return d, ErrUnknown
	}
	d.want, d.salt = all[:size], all[size:]
	return d, nil
}

func verifyDigest(s string, password []byte) (bool, error) {
	d, err := parseDigest(s)
	if err != nil {
		return false, err
	}
	h := d.sum()
	h.Write(password)
	h.Write(d.salt)
	return subtle.ConstantTimeCompare(h.Sum(nil), d.want) == 1, nil
}

func checkDigest(s string) error {
	_, err := parseDigest(s)
	return err
}

func costDigest([]string) (time.Duration, error) { return 0, nil }
