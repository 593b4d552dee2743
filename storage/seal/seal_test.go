package seal

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func sealer(t *testing.T, fill byte, older ...byte) *Sealer {
	t.Helper()
	var keys [][]byte
	for _, b := range older {
		keys = append(keys, bytes.Repeat([]byte{b}, KeySize))
	}
	s, err := New(bytes.Repeat([]byte{fill}, KeySize), keys...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRoundTrip(t *testing.T) {
	s := sealer(t, 1)
	for _, secret := range []string{"", "a", strings.Repeat("long ", 10_000), "\x00\xff"} {
		sealed := s.Seal("account:1", []byte(secret))
		// A short secret may stand in there by chance.
		if len(secret) > 8 && bytes.Contains(sealed, []byte(secret)) {
			t.Error("the secret can be read")
		}
		got, err := s.Open("account:1", sealed)
		if err != nil || string(got) != secret {
			t.Errorf("opened %q, %v, want %q", got, err, secret)
		}
	}
}

func TestSameSecretLooksDifferent(t *testing.T) {
	s := sealer(t, 1)
	if bytes.Equal(s.Seal("r", []byte("x")), s.Seal("r", []byte("x"))) {
		t.Error("a nonce came twice")
	}
}

// Somebody who can write the store moves the sealed secret of one account to
// another, whose password they know: it does not open there.
func TestMovedToAnotherRecord(t *testing.T) {
	s := sealer(t, 1)
	sealed := s.Seal("account:1", []byte("totp"))
	for _, record := range []string{"account:2", "", "account:1 "} {
		if _, err := s.Open(record, sealed); !errors.Is(err, ErrSealed) {
			t.Errorf("opened for %q: %v", record, err)
		}
	}
}

func TestEveryChangedByteIsSeen(t *testing.T) {
	s := sealer(t, 1)
	sealed := s.Seal("r", []byte("secret"))
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, err := s.Open("r", changed); err == nil {
			t.Errorf("opened with byte %d changed", i)
		}
	}
	for n := range sealed {
		if _, err := s.Open("r", sealed[:n]); err == nil {
			t.Errorf("opened when cut to %d bytes", n)
		}
	}
	if _, err := s.Open("r", append(bytes.Clone(sealed), 0)); !errors.Is(err, ErrSealed) {
		t.Errorf("opened with a byte more: %v", err)
	}
}

func TestOtherKeys(t *testing.T) {
	old := sealer(t, 1).Seal("r", []byte("secret"))
	if _, err := sealer(t, 2).Open("r", old); !errors.Is(err, ErrKey) {
		t.Errorf("another key: %v, want ErrKey", err)
	}
	both := sealer(t, 2, 1)
	if got, err := both.Open("r", old); err != nil || string(got) != "secret" {
		t.Errorf("with the older key: %q, %v", got, err)
	}
	if _, err := sealer(t, 2).Open("r", both.Seal("r", nil)); err != nil {
		t.Errorf("it is not sealed under the present key: %v", err)
	}
	for _, n := range []int{0, 16, 31, 33} {
		if _, err := New(make([]byte, n)); err == nil {
			t.Errorf("a key of %d bytes was taken", n)
		}
	}
}

func TestDerive(t *testing.T) {
	s := sealer(t, 1)
	a, b := s.Derive("a"), s.Derive("b")
	if len(a) != KeySize || bytes.Equal(a, b) || !bytes.Equal(a, s.Derive("a")) {
		t.Errorf("derived %x and %x", a, b)
	}
	if bytes.Equal(a, sealer(t, 2).Derive("a")) {
		t.Error("another key derives the same")
	}
	if bytes.Equal(s.Derive("seal"), s.keys[0].derive("seal")) {
		t.Error("the key that seals can be derived from outside")
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	if _, err := Load(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	first, err := LoadOrMake(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("the file has mode %v, %v", info.Mode(), err)
	}
	second, err := LoadOrMake(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := second.Open("r", first.Seal("r", []byte("s"))); err != nil || string(got) != "s" {
		t.Errorf("loaded again it opens %q, %v", got, err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestTwoWhoMakeItShareOneKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	sealers := make([]*Sealer, 8)
	var all sync.WaitGroup
	for i := range sealers {
		all.Go(func() {
			var err error
			if sealers[i], err = LoadOrMake(path); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, s := range sealers {
		if s != nil && !bytes.Equal(s.Derive("x"), sealers[0].Derive("x")) {
			t.Error("two keys were made")
		}
	}
}

func TestRefusedFiles(t *testing.T) {
	good := prefix + base64.StdEncoding.EncodeToString(make([]byte, KeySize)) + "\n"
	for _, test := range []struct {
		name, text string
		mode       os.FileMode
		want       string
	}{
		{"readable by the group", good, 0o640, "chmod 600"},
		{"readable by all", good, 0o604, "chmod 600"},
		{"writable by all", good, 0o602, "chmod 600"},
		{"empty", "", 0o600, "no key"},
		{"something else", "hello\n", 0o600, "not a file of sealing keys"},
		{"short key", prefix + "AAAA\n", 0o600, "damaged"},
		{"not base64", prefix + "!!!!\n", 0o600, "damaged"},
		{"damaged older key", good + prefix + "AAAA\n", 0o600, "damaged"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), FileName)
			if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, test.mode); err != nil {
				t.Fatal(err)
			}
			_, err := LoadOrMake(path)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "AAAA") {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if text, err := os.ReadFile(path); err != nil || string(text) != test.text {
				t.Errorf("the file became %q, %v", text, err)
			}
		})
	}
	if _, err := LoadOrMake(t.TempDir()); err == nil {
		t.Error("a folder was taken for a key")
	}
}

func TestOlderKeysInTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	var text strings.Builder
	for _, b := range []byte{2, 1} {
		text.WriteString(prefix + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, KeySize)) + "\n")
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Open("r", sealer(t, 1).Seal("r", []byte("old"))); err != nil || string(got) != "old" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := sealer(t, 2).Open("r", s.Seal("r", nil)); err != nil {
		t.Errorf("not sealed under the first key of the file: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	s, err := New(make([]byte, KeySize))
	if err != nil {
		f.Fatal(err)
	}
	f.Add("r", s.Seal("r", []byte("x")))
	f.Add("", []byte{version})
	f.Fuzz(func(t *testing.T, record string, sealed []byte) {
		secret, err := s.Open(record, sealed)
		if err == nil && !bytes.Equal(secret, []byte("x")) {
			t.Errorf("opened %q", secret)
		}
	})
}
