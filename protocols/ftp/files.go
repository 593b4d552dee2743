package ftp

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"strconv"

	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/protocols/ftp/data"
	"gatehouse/protocols/ftp/wire"
)

func (c *conn) doRETR(arg string) reply {
	return onPath(func(c *conn, p path.Path) reply {
		return c.begin(c.newTransfer("RETR", p, (*transfer).download))
	})(c, arg)
}

func (c *conn) doSTOR(arg string) reply { return c.beginUpload("STOR", arg, (*transfer).store) }

func (c *conn) doAPPE(arg string) reply {
	c.offset = 0
	return c.beginUpload("APPE", arg, (*transfer).appendTo)
}

// doSTOU stores under a name of its own, near the one that the client may have
// given, and tells it (RFC 1123, 4.1.2.9).
func (c *conn) doSTOU(arg string) reply {
	if arg == "" {
		arg = "upload"
	}
	if c.offset > 0 {
		return replyTo(errBeyond)
	}
	return c.beginUpload("STOU", arg, (*transfer).storeUnique)
}

func (c *conn) beginUpload(verb, arg string, do func(*transfer) (reply, error)) reply {
	if c.span != nil {
		return reply{503, "RANG is for RETR and HASH"}
	}
	return onPath(func(c *conn, p path.Path) reply {
		t := c.newTransfer(verb, p, do)
		t.upload = true
		return c.begin(t)
	})(c, arg)
}

// download sends a file, or the span of it that was asked for.
func (t *transfer) download() (reply, error) {
	span := wire.Span{First: t.offset, Length: -1}
	if t.span != nil {
		span = *t.span
	}
	f, err := t.c.files().Open(t.ctx, t.path, session.Open{Read: true})
	if err != nil {
		return said, err
	}
	return plain(226), t.through(f, func() error {
		if err := reaches(f, span.First); err != nil {
			return err
		}
		var w io.Writer
		w, err := t.stream(plain(150))
		if err != nil {
			return err
		}
		if t.ascii {
			w = wire.NewTextWriter(w)
		}
		if _, err := f.CopyTo(w, span.First, span.Length); err != nil {
			return err
		}
		return t.inOrder()
	})
}

// inOrder ends the data connection, unless the transfer was cut. A client that
// has all it asked for may have gone from it.
func (t *transfer) inOrder() error {
	if err := t.failure(); err != nil {
		return err
	}
	_ = t.conn.Close()
	return nil
}

// store puts a file in the place of another, or goes on with it at an offset. One
// that would empty a file waits for the data connection first, and for its
// handshake too: whether that comes about is not known when the file is opened, so
// that a refusal is read before anything moves.
func (t *transfer) store() (reply, error) {
	how := session.Open{Write: true, Create: t.offset == 0, Tentative: true, Resume: t.offset > 0, Size: t.announced}
	if how.Create {
		atomic := t.c.loggedIn().Effective().Uploads(policy.FTP) == policy.Atomic
		t.replaces = t.tls != nil && !atomic
		how.Truncate, how.Atomic = !t.replaces, atomic
		if err := t.connect(); err != nil {
			return said, err
		}
	}
	f, err := t.c.files().Open(t.ctx, t.path, how)
	if err != nil {
		return said, err
	}
	return plain(226), t.through(f, func() error {
		if err := reaches(f, t.offset); err != nil {
			return err
		}
		return t.receive(f, plain(150))
	})
}

// appendTo goes on where a file ends, or begins one: that is made once there is a
// data connection.
func (t *transfer) appendTo() (reply, error) {
	if err := t.connect(); err != nil {
		return said, err
	}
	f, err := t.c.files().Open(t.ctx, t.path, session.Open{Write: true, Create: true, Tentative: true, Resume: true, Size: t.announced})
	if err != nil {
		return said, err
	}
	return plain(226), t.through(f, func() error {
		info, err := f.Stat()
		if err != nil {
			return err
		}
		t.offset = info.Size()
		return t.receive(f, plain(150))
	})
}

func (t *transfer) storeUnique() (reply, error) {
	if err := t.connect(); err != nil {
		return said, err
	}
	f, name, err := t.createUnique()
	if err != nil {
		return said, err
	}
	return reply{226, "Transfer complete, FILE: " + name}, t.through(f, func() error {
		return t.receive(f, reply{150, "FILE: " + name})
	})
}

// uniqueTries is how many names are tried: the one that was asked for, numbered
// ones, and one that nobody has.
const uniqueTries = 100

func (t *transfer) createUnique() (*session.File, string, error) {
	for n := range uniqueTries + 1 {
		name := t.path.Base()
		switch {
		case n == uniqueTries:
			name += "." + rand.Text()
		case n > 0:
			name += "." + strconv.Itoa(n)
		}
		p, err := t.path.Dir().Join(name)
		if err != nil {
			return nil, "", err
		}
		f, err := t.c.files().Open(t.ctx, p, session.Open{Write: true, Create: true, Exclusive: true, Tentative: true, Size: t.announced})
		if !errors.Is(err, fs.ErrExist) {
			return f, name, err
		}
	}
	return nil, "", errNoName
}

// receive takes a file in. In clear the end of the data is all there is to tell
// a whole upload; one from a client that is gone altogether is none.
func (t *transfer) receive(f *session.File, go150 reply) error {
	var r io.Reader
	r, err := t.stream(go150)
	if err == nil && t.replaces && !f.Created() {
		err = f.Truncate(0)
	}
	if err != nil {
		return err
	}
	if t.ascii {
		r = wire.NewTextReader(r)
	}
	if _, err := f.CopyFrom(r, t.offset); err != nil {
		return err
	}
	if t.tls == nil && data.Left(t.c.raw) {
		t.note(errLeft)
	}
	return t.inOrder()
}

// reaches refuses an offset behind the end of the file: there would be a hole.
func reaches(f *session.File, offset int64) error {
	if offset == 0 {
		return nil
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if offset > info.Size() {
		return errBeyond
	}
	return nil
}
