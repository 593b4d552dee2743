package backup

import (
	"bytes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/chacha20poly1305"
)

// A container is a header and pieces. The header has, in the clear, how the key
// comes from the passphrase, and a value that shows a wrong one. Each piece is
// sealed under a nonce made of its number and of whether it is the last: a piece
// that was changed, left out, moved or cut off does not open.
const (
	magic   = "GATEHOUSE BACKUP\n"
	version = 1

	saltSize   = 16
	checkSize  = 16
	headerSize = len(magic) + 2 + 4 + 4 + 1 + saltSize + checkSize
	pieceSize  = 64 << 10
	keySize    = chacha20poly1305.KeySize
)

// cost is how hard a passphrase is to guess: of argon2id, RFC 9106.
type cost struct {
	passes, memory uint32 // memory in KiB
	threads        uint8
}

var (
	presentCost = cost{passes: 3, memory: 64 << 10, threads: 4}
	// worstCost is what a hostile container may ask for.
	worstCost = cost{passes: 64, memory: 1 << 20, threads: 64}
)

// header returns a header without its check, for a new salt.
func header(c cost) []byte {
	b := append(make([]byte, 0, headerSize), magic...)
	b = binary.BigEndian.AppendUint16(b, version)
	b = binary.BigEndian.AppendUint32(b, c.passes)
	b = binary.BigEndian.AppendUint32(b, c.memory)
	b = append(b, c.threads)
	salt := make([]byte, saltSize)
	rand.Read(salt) // never fails: it ends the program where the system has no randomness
	return append(b, salt...)
}

// parseHeader returns the cost and the salt of a header.
func parseHeader(b []byte) (cost, []byte, error) {
	if !bytes.HasPrefix(b, []byte(magic)) {
		return cost{}, nil, ErrNotBackup
	}
	b = b[len(magic):]
	if v := binary.BigEndian.Uint16(b); v != version {
		return cost{}, nil, fmt.Errorf("%w: it has format %d, this program knows %d", ErrNewer, v, version)
	}
	c := cost{passes: binary.BigEndian.Uint32(b[2:]), memory: binary.BigEndian.Uint32(b[6:]), threads: b[10]}
	if c.passes < 1 || c.passes > worstCost.passes || c.memory < 8 || c.memory > worstCost.memory ||
		c.threads < 1 || c.threads > worstCost.threads {
		return cost{}, nil, fmt.Errorf("%w: its header", ErrDamaged)
	}
	return c, b[11 : 11+saltSize], nil
}

// keys returns the cipher of the pieces and the check of the header. Both come
// from the whole header, so that it is authenticated too.
func keys(passphrase string, c cost, salt, head []byte) (cipher.AEAD, []byte, error) {
	root := argon2.IDKey([]byte(passphrase), salt, c.passes, c.memory, c.threads, keySize)
	both, err := hkdf.Key(sha256.New, root, head, "gatehouse backup", keySize+checkSize)
	if err != nil {
		return nil, nil, err
	}
	aead, err := chacha20poly1305.New(both[:keySize])
	return aead, both[keySize:], err
}

// A nonce counts the pieces.
type nonce [chacha20poly1305.NonceSize]byte

func (n *nonce) next() { binary.BigEndian.PutUint64(n[3:11], binary.BigEndian.Uint64(n[3:11])+1) }

func (n *nonce) last() { n[11] = 1 }

// A sealWriter seals what is written in pieces. The last one is written by Close.
type sealWriter struct {
	w     io.Writer
	aead  cipher.AEAD
	nonce nonce
	plain []byte
}

func newSealWriter(w io.Writer, passphrase string, c cost) (*sealWriter, error) {
	head := header(c)
	c, salt, err := parseHeader(head)
	if err != nil {
		return nil, err
	}
	aead, check, err := keys(passphrase, c, salt, head)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(append(head, check...)); err != nil {
		return nil, err
	}
	return newPieceWriter(w, aead), nil
}

func newPieceWriter(w io.Writer, aead cipher.AEAD) *sealWriter {
	return &sealWriter{w: w, aead: aead, plain: make([]byte, 0, pieceSize)}
}

// Write implements io.Writer.
func (s *sealWriter) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		if len(s.plain) == pieceSize {
			if err := s.flush(); err != nil {
				return written, err
			}
		}
		n := min(len(p), pieceSize-len(s.plain))
		s.plain = append(s.plain, p[:n]...)
		p, written = p[n:], written+n
	}
	return written, nil
}

// Close writes the last piece; without it the container does not open to its end.
func (s *sealWriter) Close() error {
	s.nonce.last()
	return s.flush()
}

func (s *sealWriter) flush() error {
	_, err := s.w.Write(s.aead.Seal(nil, s.nonce[:], s.plain, nil))
	s.nonce.next()
	s.plain = s.plain[:0]
	return err
}

// An openReader reads what a sealWriter wrote, and nothing that was not
// authenticated. It returns io.EOF only after the last piece.
type openReader struct {
	r      io.Reader
	aead   cipher.AEAD
	nonce  nonce
	sealed []byte // read ahead: a piece and one byte, which tells whether it is the last
	ahead  int
	plain  []byte
	err    error
}

func newOpenReader(r io.Reader, passphrase string) (*openReader, error) {
	head := make([]byte, headerSize)
	if _, err := io.ReadFull(r, head); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, ErrNotBackup
		}
		return nil, err
	}
	c, salt, err := parseHeader(head)
	if err != nil {
		return nil, err
	}
	aead, check, err := keys(passphrase, c, salt, head[:headerSize-checkSize])
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(check, head[headerSize-checkSize:]) != 1 {
		return nil, ErrPassphrase
	}
	return newPieceReader(r, aead), nil
}

func newPieceReader(r io.Reader, aead cipher.AEAD) *openReader {
	return &openReader{r: r, aead: aead, sealed: make([]byte, pieceSize+aead.Overhead()+1)}
}

// Read implements io.Reader.
func (o *openReader) Read(p []byte) (int, error) {
	for len(o.plain) == 0 {
		if o.err != nil {
			return 0, o.err
		}
		o.err = o.piece()
	}
	n := copy(p, o.plain)
	o.plain = o.plain[n:]
	return n, nil
}

// piece opens the next piece; io.EOF says that it was the last.
func (o *openReader) piece() error {
	n, err := io.ReadFull(o.r, o.sealed[o.ahead:])
	n += o.ahead
	end := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	if err != nil && !end {
		return err
	}
	box := o.sealed[:min(n, len(o.sealed)-1)]
	if end {
		o.nonce.last()
	}
	plain, err := o.aead.Open(nil, o.nonce[:], box, nil)
	if err != nil {
		return ErrDamaged
	}
	o.plain = plain
	o.nonce.next()
	if end {
		return io.EOF
	}
	o.sealed[0], o.ahead = o.sealed[len(o.sealed)-1], 1
	return nil
}
