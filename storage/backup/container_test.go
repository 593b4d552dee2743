package backup

import (
	"bytes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/crypto/chacha20poly1305"
)

const boxSize = pieceSize + chacha20poly1305.Overhead

func testKey(t testing.TB) cipher.AEAD {
	t.Helper()
	aead, err := chacha20poly1305.New(make([]byte, chacha20poly1305.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return aead
}

func seal(t testing.TB, plain []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := newPieceWriter(&out, testKey(t))
	if _, err := io.Copy(w, iotest.HalfReader(bytes.NewReader(plain))); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func unseal(t testing.TB, sealed []byte) ([]byte, error) {
	t.Helper()
	return io.ReadAll(newPieceReader(iotest.HalfReader(bytes.NewReader(sealed)), testKey(t)))
}

func bytesOf(n int) []byte {
	b := make([]byte, n)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(b) // never fails
	return b
}

func TestPiecesRoundTrip(t *testing.T) {
	for _, n := range []int{0, 1, pieceSize - 1, pieceSize, pieceSize + 1, 3 * pieceSize, 3*pieceSize + 7} {
		plain := bytesOf(n)
		got, err := unseal(t, seal(t, plain))
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: got %d, %v", n, len(got), err)
		}
	}
}

// Somebody who can write to where backups lie cuts, changes, swaps, repeats or
// mixes their pieces: none of it opens to its end.
func TestPiecesThatWereTamperedWith(t *testing.T) {
	plain := bytesOf(3*pieceSize + 100)
	sealed := seal(t, plain)
	piece := func(i int) []byte { return sealed[i*boxSize : min((i+1)*boxSize, len(sealed))] }
	shorter := seal(t, plain[:pieceSize])
	for name, bad := range map[string][]byte{
		"nothing":              {},
		"the first piece":      piece(0),
		"all but the last":     sealed[:3*boxSize],
		"all but a byte":       sealed[:len(sealed)-1],
		"a byte more":          append(bytes.Clone(sealed), 0),
		"the last piece twice": append(bytes.Clone(sealed), piece(3)...),
		"the last piece alone": piece(3),
		"a piece left out":     bytes.Join([][]byte{piece(0), piece(2), piece(3)}, nil),
		"two pieces swapped":   bytes.Join([][]byte{piece(1), piece(0), piece(2), piece(3)}, nil),
		"a piece repeated":     bytes.Join([][]byte{piece(0), piece(0), piece(1), piece(2), piece(3)}, nil),
		"the end of another":   bytes.Join([][]byte{shorter, piece(1), piece(2), piece(3)}, nil),
	} {
		if got, err := unseal(t, bad); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	for range 50 {
		bad := bytes.Clone(sealed)
		bad[rand.IntN(len(bad))] ^= byte(1 + rand.IntN(255))
		got, err := unseal(t, bad)
		if !errors.Is(err, ErrDamaged) || !bytes.HasPrefix(plain, got) {
			t.Errorf("a changed byte: %d bytes, %v", len(got), err)
		}
	}
}

func TestHeaders(t *testing.T) {
	good := header(presentCost)
	if c, salt, err := parseHeader(append(good, make([]byte, checkSize)...)); err != nil || c != presentCost || len(salt) != saltSize {
		t.Fatalf("%+v, %v", c, err)
	}
	set := func(change func(numbers []byte)) []byte {
		b := append(bytes.Clone(good), make([]byte, checkSize)...)
		change(b[len(magic):])
		return b
	}
	for _, test := range []struct {
		name string
		head []byte
		want error
	}{
		{"empty", nil, ErrNotBackup},
		{"short", good, ErrNotBackup},
		{"something else", []byte(strings.Repeat("PK\x03\x04", 100)), ErrNotBackup},
		{"newer", set(func(b []byte) { binary.BigEndian.PutUint16(b, version+1) }), ErrNewer},
		// a hostile file asks for all memory, or for a year of work
		{"too much memory", set(func(b []byte) { binary.BigEndian.PutUint32(b[6:], 1<<31) }), ErrDamaged},
		{"too many passes", set(func(b []byte) { binary.BigEndian.PutUint32(b[2:], 1<<31) }), ErrDamaged},
		{"no pass", set(func(b []byte) { binary.BigEndian.PutUint32(b[2:], 0) }), ErrDamaged},
		{"no thread", set(func(b []byte) { b[10] = 0 }), ErrDamaged},
		{"no memory", set(func(b []byte) { binary.BigEndian.PutUint32(b[6:], 0) }), ErrDamaged},
		{"cheaper than it was written", set(func(b []byte) { binary.BigEndian.PutUint32(b[2:], 1) }), ErrPassphrase},
	} {
		_, err := newOpenReader(bytes.NewReader(test.head), "a passphrase")
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte{frameItem, 3, 1, 2, 3})
	f.Add([]byte{frameFile, 0})
	f.Add([]byte{frameItem, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, content []byte) {
		if i, err := parseItem(content); err == nil {
			var out bytes.Buffer
			if err := (&frameWriter{w: &out}).item(i); err != nil {
				t.Fatal(err)
			}
		}
		name, _, _, err := parseFile(content)
		if err == nil && (name == "" || name[0] == '/' || strings.Contains("/"+name+"/", "/../")) {
			t.Errorf("took the name %q", name)
		}
	})
}
