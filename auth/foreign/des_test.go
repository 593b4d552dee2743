package foreign

import (
	"crypto/des"
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// Without salt it is DES as it is, 25 times over.
func TestDESWithoutSaltIsTheStandards(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var password, key, block [desKeySize]byte
		for i := range password {
			password[i] = byte(random.UintN(256))
			key[i] = password[i] << 1
		}
		c, err := des.NewCipher(key[:])
		if err != nil {
			t.Fatal(err)
		}
		for range desTimes {
			c.Encrypt(block[:], block[:])
		}
		if got, want := computeDES("..", password[:]), binary.BigEndian.Uint64(block[:]); got != want {
			t.Fatalf("%x: got %x, want %x", password, got, want)
		}
	}
}

// Hashes of many salts by libxcrypt, of one password: each bit of the salt counts.
func TestDESSalts(t *testing.T) {
	for _, hash := range []string{
		"/.L0hIjGjoFDE", "0.fOMnP9hDdi6", "2.42eunRItoXE", "6.GN0jWeu5PcE", "E..3UcY5NUK8I", "U.QpEoYf5wA72", "./voQ3b94NhtM",
		".02MrMN0Frl6g", ".2ZB7OHKybmnE", ".6VtPg3HaDDFo", ".Ew3iqTGrU2xY", ".USDPI2X269lI", "weI8OHVGSTKR2", "JJpZyRVzM4yqg",
	} {
		if ok, err := Verify(hash, []byte("saltines")); err != nil || !ok {
			t.Errorf("%s: got %v %v", hash, ok, err)
		}
		other := letters[len(letters)-1]
		if hash[0] == other {
			other = '.'
		}
		if ok, err := Verify(string(other)+hash[1:], []byte("saltines")); err != nil || ok {
			t.Errorf("%s with another salt: got %v %v", hash, ok, err)
		}
	}
}
