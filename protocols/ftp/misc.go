package ftp

import (
	"io/fs"
	"math"
	"strconv"
	"strings"

	"gatehouse/auth/session"
)

// unlimited is what AVBL answers where there is no limit.
const unlimited = math.MaxInt64

// doFEAT lists what RFC 2389 calls features: of the screen, not the library.
func (c *conn) doFEAT(string) string {
	features := []string{"UTF8", "EPSV", "PASV", "SIZE", "MDTM", "MFMT", "REST STREAM", "TVFS", "AVBL", "CLNT"}
	if c.server.config.Active {
		features = append(features, "EPRT")
	}
	if c.server.config.TLS != nil {
		features = append(features, "AUTH TLS", "PBSZ", "PROT")
	}
	features = append(features, "MLST "+c.facts.feature())
	c.sendText(multiline(211, "Features:", features, "End"))
	return ""
}

func (c *conn) doHELP(string) string {
	c.sendText(multiline(214, "Commands:", []string{
		"USER PASS AUTH PBSZ PROT QUIT FEAT OPTS HELP NOOP SYST STAT CLNT",
		"TYPE MODE STRU ALLO REST PASV EPSV PORT EPRT RETR STOR APPE ABOR",
		"CWD CDUP PWD MKD RMD DELE RNFR RNTO SIZE MDTM MFMT AVBL SITE CHMOD",
		"LIST NLST MLSD MLST",
	}, "End"))
	return ""
}

// doCLNT takes the client's name for itself, for those who look at sessions.
func (c *conn) doCLNT(arg string) string {
	c.client = oneLine(arg[:min(len(arg), 100)])
	c.send(plain(200))
	return ""
}

func (c *conn) doOPTS(arg string) string {
	option, value := split(arg)
	switch {
	case (option == "UTF8" || option == "UTF-8") && !strings.EqualFold(value, "OFF"):
		c.send(reply{200, "Names are bytes, UTF-8 where you send it"})
	case option == "MLST":
		c.facts = factsOf(value)
		c.send(reply{200, strings.TrimSpace("MLST OPTS " + c.facts.names())})
	default:
		c.send(plain(501))
	}
	return ""
}

func (c *conn) doQUIT(string) string { return c.pass("QUIT", "") }
func (c *conn) doPWD(string) string  { return c.pass("PWD", "") }
func (c *conn) doCDUP(string) string { return c.passPath("CWD", "..") }

// doTYPE takes binary (image, or local bytes of 8 bits) and ASCII, whose line
// ends are converted (RFC 959, 3.1.1).
func (c *conn) doTYPE(arg string) string {
	switch strings.ToUpper(arg) {
	case "I", "L 8", "L8":
		c.ascii = false
		return c.pass("TYPE", "I")
	case "A", "A N":
		c.ascii = true
		return c.pass("TYPE", "A")
	}
	c.send(plain(504))
	return ""
}

func (c *conn) doMODE(arg string) string { return c.only(arg, "S") }
func (c *conn) doSTRU(arg string) string { return c.only(arg, "F") }

func (c *conn) only(arg, offered string) string {
	if strings.EqualFold(arg, offered) {
		c.send(plain(200))
	} else {
		c.send(plain(504))
	}
	return ""
}

// doALLO refuses what there is no room for before it is sent.
func (c *conn) doALLO(arg string) string {
	size, _, _ := strings.Cut(arg, " ") // a record size may follow, which says nothing here
	if n, ok := number(size); !ok || n > math.MaxInt {
		c.send(plain(501))
		return ""
	}
	return c.pass("ALLO", size)
}

// doREST keeps the offset for the transfer that follows (RFC 3659, 5): an
// offset into a converted file would mean nothing.
func (c *conn) doREST(arg string) string {
	n, ok := number(arg)
	switch {
	case !ok:
		c.send(plain(501))
	case c.ascii && n > 0:
		c.send(reply{504, "Offsets need TYPE I"})
	default:
		c.offset = n
		c.send(reply{350, "Restarting at " + strconv.FormatInt(n, 10)})
	}
	return ""
}

// doSIZE answers with the bytes that a transfer would have, which for a converted
// file nobody knows without reading it (RFC 3659, 4).
func (c *conn) doSIZE(arg string) string {
	if c.ascii {
		c.send(reply{550, "SIZE needs TYPE I"})
		return ""
	}
	return onPath("SIZE")(c, arg)
}

// doMFMT sets the time of the last change: YYYYMMDDHHMMSS and a path.
func (c *conn) doMFMT(arg string) string {
	when, name, _ := strings.Cut(arg, " ")
	if _, ok := number(when); !ok || len(when) != 14 || name == "" {
		c.send(plain(501))
		return ""
	}
	p, err := c.resolve(name)
	if err != nil {
		c.send(replyTo(err))
		return ""
	}
	c.operand = p
	return c.pass("MFMT", when+" "+p.String())
}

func (c *conn) doAVBL(arg string) string { return c.passPath("AVBL", arg) }

// doSITE offers CHMOD alone.
func (c *conn) doSITE(arg string) string {
	sub, rest := split(arg)
	if sub != "CHMOD" {
		c.send(plain(504))
		return ""
	}
	octal, name, _ := strings.Cut(rest, " ")
	bits, err := strconv.ParseUint(octal, 8, 12)
	if err != nil || name == "" {
		c.send(plain(501))
		return ""
	}
	p, err := c.resolve(name)
	if err == nil {
		mode := fs.FileMode(bits) & fs.ModePerm
		err = c.loggedIn().FS().SetAttr(c.ctx, p, session.Attr{Mode: &mode})
	}
	if err != nil {
		c.send(replyTo(err))
		return ""
	}
	c.send(plain(200))
	return ""
}

// doSTAT tells about the connection, while a transfer runs too, or lists a path
// in its reply (RFC 959, 4.1.3).
func (c *conn) doSTAT(arg string) string {
	if arg != "" {
		c.statPath(arg)
		return ""
	}
	lines := []string{"Logged in as " + c.loggedIn().Account(), "Control connection: " + string(c.transport())}
	if t := c.running(); t != nil {
		lines = append(lines, t.verb+" is running")
	}
	c.sendText(multiline(211, "Status:", lines, "End"))
	return ""
}

func (c *conn) statPath(arg string) {
	p, err := c.resolve(withoutOptions(arg))
	if err != nil {
		c.send(replyTo(err))
		return
	}
	body, err := c.listText(p)
	if err != nil {
		c.send(replyTo(err))
		return
	}
	c.sendText(multiline(213, "Status of "+p.String(), body, "End"))
}

// doMLST describes one path on the control connection (RFC 3659, 7).
func (c *conn) doMLST(arg string) string {
	p, err := c.resolve(arg)
	if err != nil {
		c.send(replyTo(err))
		return ""
	}
	info, err := c.loggedIn().FS().Stat(c.ctx, p)
	if err != nil {
		c.send(replyTo(err))
		return ""
	}
	line := c.facts.of(info, "") + " " + p.String()
	c.sendText(multiline(250, "Facts of "+p.String(), []string{line}, "End"))
	return ""
}
