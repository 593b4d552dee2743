package ftp

import (
	"strconv"
	"strings"

	"gatehouse/protocols/ftp/wire"
)

// doTYPE takes binary (image, or local bytes of 8 bits) and ASCII, whose line
// ends are converted (RFC 959, 3.1.1).
func (c *conn) doTYPE(arg string) reply {
	switch strings.ToUpper(arg) {
	case "I", "L 8", "L8":
		c.ascii = false
	case "A", "A N":
		c.ascii = true
		c.offset, c.span = 0, nil // meant other bytes
	default:
		return plain(504)
	}
	return plain(200)
}

// only takes the one argument that is carried out.
func only(offered string) func(*conn, string) reply {
	return func(_ *conn, arg string) reply {
		switch {
		case arg == "":
			return plain(501)
		case strings.EqualFold(arg, offered):
			return plain(200)
		}
		return plain(504)
	}
}

// doALLO refuses what is too large wherever it goes, and has the upload that
// follows refused where its folder has no room for it. A record size may follow,
// which says nothing here.
func (c *conn) doALLO(arg string) reply {
	text, record, some := strings.Cut(arg, " ")
	size, ok := wire.Number(text)
	if some {
		_, good := wire.Number(strings.TrimPrefix(strings.ToUpper(record), "R "))
		ok = ok && good
	}
	if !ok {
		return plain(501)
	}
	if err := c.files().Announced(size); err != nil {
		return replyTo(err)
	}
	c.announced = size
	return plain(200)
}

// doREST keeps the offset for the transfer that follows (RFC 3659, 5): an
// offset into a converted file would mean nothing.
func (c *conn) doREST(arg string) reply {
	n, ok := wire.Number(arg)
	switch {
	case !ok:
		return plain(501)
	case c.ascii && n > 0:
		return reply{504, "Offsets need TYPE I"}
	}
	c.offset, c.span = n, nil
	return reply{350, "Restarting at " + strconv.FormatInt(n, 10)}
}

// doRANG keeps the first and the last byte for a RETR or HASH that follows; a
// first one behind the last is all of the file again.
func (c *conn) doRANG(arg string) reply {
	from, to, _ := strings.Cut(arg, " ")
	first, ok := wire.Number(from)
	last, too := wire.Number(to)
	switch {
	case !ok || !too || last == unlimited:
		return plain(501)
	case c.ascii && first <= last:
		return reply{504, "Offsets need TYPE I"}
	case first > last:
		c.offset, c.span = 0, nil
		return reply{350, "Restarting at 0, to the end"}
	}
	c.offset, c.span = 0, &wire.Span{First: first, Length: last - first + 1}
	return reply{350, "Restarting at " + from + ", to " + to}
}
