package algorithms

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

func TestModernIsSound(t *testing.T) {
	if err := Modern().Validate(); err != nil {
		t.Error(err)
	}
	for _, name := range Legacy().Names() {
		old := Lists{KeyExchanges: []string{name}, Ciphers: []string{name}, MACs: []string{name}, PublicKeys: []string{name}}
		if err := old.Validate(); err == nil {
			t.Errorf("%s is a sound algorithm of every kind", name)
		}
	}
}

// What a network's clients are offered besides comes last, and to them alone.
func TestWithLegacy(t *testing.T) {
	mine := Modern()
	shared := mine.MACs[:2]
	mine.MACs = shared
	with := mine.WithLegacy(ssh.HMACSHA1).WithLegacy(ssh.HMACSHA1).WithLegacy(ssh.HMACSHA256ETM).WithLegacy(ssh.KeyAlgoRSA).WithLegacy("rot13")
	if want := append(slices.Clone(shared), ssh.HMACSHA1); !slices.Equal(with.MACs, want) {
		t.Errorf("MACs are %v, want %v", with.MACs, want)
	}
	if last := with.PublicKeys[len(with.PublicKeys)-1]; last != ssh.KeyAlgoRSA {
		t.Errorf("the last algorithm of keys is %s", last)
	}
	if len(mine.MACs) != 2 || !slices.Equal(Modern().Names()[:5], with.KeyExchanges) {
		t.Errorf("others are offered %v", mine)
	}
}

// An algorithm that only a client of this library can speak is nothing that a
// server could offer.
func TestLegacyCanBeOffered(t *testing.T) {
	for _, name := range Legacy().Names() {
		if strings.Contains(name, "group-exchange") {
			t.Errorf("%s is named", name)
		}
	}
}

func TestEmptyListsAreModern(t *testing.T) {
	l := Lists{Ciphers: []string{ssh.CipherAES256CTR}}.OrModern()
	if !slices.Equal(l.Ciphers, []string{ssh.CipherAES256CTR}) || !slices.Equal(l.KeyExchanges, Modern().KeyExchanges) {
		t.Errorf("got %+v", l)
	}
}
