package ftp

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"strings"

	"gatehouse/auth/session"
	"gatehouse/policy/path"
	"gatehouse/protocols/ftp/wire"
)

// An algorithm is one of HASH, by the names of IANA's registry where it has one.
type algorithm struct {
	name string
	make func() hash.Hash
}

// algorithms are what HASH knows, the one first that is used where none is asked
// for. The weak ones tell a broken transfer from a whole one, and no more.
var algorithms = []algorithm{
	{"SHA-256", sha256.New},
	{"SHA-512", sha512.New},
	{"SHA-1", sha1.New},
	{"MD5", md5.New},
	{"CRC32", func() hash.Hash { return crc32.NewIEEE() }},
}

func algorithmNamed(name string) (algorithm, bool) {
	for _, a := range algorithms {
		if strings.EqualFold(a.name, name) {
			return a, true
		}
	}
	return algorithm{}, false
}

// feature is the algorithms as FEAT shows them, this one with a star.
func (a algorithm) feature() string {
	var b strings.Builder
	for _, one := range algorithms {
		b.WriteString(one.name)
		if one.name == a.name {
			b.WriteByte('*')
		}
		b.WriteByte(';')
	}
	return b.String()
}

// chooseHash is OPTS HASH.
func (c *conn) chooseHash(name string) reply {
	if name != "" {
		a, known := algorithmNamed(name)
		if !known {
			return reply{501, "Unknown algorithm, still " + c.hash.name}
		}
		c.hash = a
	}
	return reply{200, c.hash.name}
}

// doHASH hashes a file, or the span of it that RANG named
// (draft-bryan-ftpext-hash).
func (c *conn) doHASH(arg string) reply {
	return onPath(func(c *conn, p path.Path) reply {
		return c.start(c.newTransfer("HASH", p, (*transfer).hashed))
	})(c, arg)
}

// hashed is a command of before HASH, with one algorithm: XMD5 "name" 0 1000.
func hashed(name string) func(*conn, string) reply {
	a, _ := algorithmNamed(name)
	return func(c *conn, arg string) reply {
		file, span, ok := c.spanOf(arg)
		if !ok {
			return plain(501)
		}
		return onPath(func(c *conn, p path.Path) reply {
			t := c.newTransfer("X", p, (*transfer).hashed)
			t.hash, t.span = a, &span
			return c.start(t)
		})(c, file)
	}
}

// spanOf parts a name from the two ends that may follow it. In a name without
// quotes figures are part of it, where there is such a file.
func (c *conn) spanOf(arg string) (name string, s wire.Span, ok bool) {
	name, rest, isQuoted := wire.Quoted(arg)
	if isQuoted {
		s, ok = wire.ParseSpan(rest)
		return name, s, ok
	}
	if p, err := c.resolve(arg); err == nil {
		if _, err := c.files().Stat(c.ctx, p); err == nil {
			return arg, wire.Whole, true
		}
	}
	fields := strings.Fields(arg)
	for n := min(2, len(fields)-1); n > 0; n-- {
		if s, ok := wire.ParseSpan(strings.Join(fields[len(fields)-n:], " ")); ok {
			return strings.Join(fields[:len(fields)-n], " "), s, true
		}
	}
	return arg, wire.Whole, true
}

// hashed reads the file as a download does, and answers with its hash. Who may not
// read it hears so at once; else it takes a place among those that hash now.
func (t *transfer) hashed() (reply, error) {
	span := wire.Whole
	if t.span != nil {
		span = *t.span
	}
	f, err := t.c.files().Open(t.ctx, t.path, session.Open{Read: true})
	if err != nil {
		return said, err
	}
	sum := t.hash.make()
	var n int64
	err = t.through(f, func() error {
		if err := reaches(f, span.First); err != nil {
			return err
		}
		leave, err := t.c.server.config.Hashes.enter(t.ctx, t.c.loggedIn().AccountID())
		if err != nil {
			return err
		}
		defer leave()
		n, err = f.CopyTo(breakable{t, sum}, span.First, span.Length)
		return err
	})
	text := hex.EncodeToString(sum.Sum(nil))
	if t.verb != "HASH" {
		return reply{250, strings.ToUpper(text)}, err
	}
	last := span.First + max(0, n-1)
	return reply{213, fmt.Sprintf("%s %d-%d %s %s", t.hash.name, span.First, last, text, t.path)}, err
}

// A breakable is a hash that takes nothing more once its transfer is cut.
type breakable struct {
	t *transfer
	h hash.Hash
}

// Write is io.Writer's.
func (b breakable) Write(p []byte) (int, error) {
	if err := b.t.failure(); err != nil {
		return 0, err
	}
	return b.h.Write(p)
}
