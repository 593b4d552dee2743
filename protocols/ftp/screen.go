package ftp

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"gatehouse/policy/path"
)

// maxPassed bounds a line for the library, which reads lines of 4096 bytes.
const maxPassed = 4000

// lastCall is how long a client that will send no command any more may take over
// its data connection.
const lastCall = time.Second

// A command is what the screen does with one: answer it, or return a line that
// the library carries out.
type command struct {
	run     func(c *conn, arg string) string
	open    bool // before a login too
	urgent  bool // while a transfer runs too
	between bool // may stand between REST or ALLO and the transfer they are for
}

var commands = map[string]command{
	"USER": {run: (*conn).doUSER, open: true},
	"PASS": {run: (*conn).doPASS, open: true},
	"AUTH": {run: (*conn).doAUTH, open: true},
	"PBSZ": {run: (*conn).doPBSZ, open: true, between: true},
	"PROT": {run: (*conn).doPROT, open: true, between: true},
	"CCC":  {run: answer(reply{534, "The control connection stays protected"})},

	"FEAT": {run: (*conn).doFEAT, open: true},
	"HELP": {run: (*conn).doHELP, open: true},
	"CLNT": {run: (*conn).doCLNT, open: true},
	"OPTS": {run: (*conn).doOPTS, open: true},
	"NOOP": {run: answer(plain(200)), open: true, between: true},
	"SYST": {run: answer(reply{215, "UNIX Type: L8"}), open: true},
	"QUIT": {run: (*conn).doQUIT, open: true},
	"STAT": {run: (*conn).doSTAT, urgent: true},
	"ABOR": {run: (*conn).doABOR, urgent: true},

	"TYPE": {run: (*conn).doTYPE, between: true},
	"MODE": {run: (*conn).doMODE, between: true},
	"STRU": {run: (*conn).doSTRU, between: true},
	"ALLO": {run: (*conn).doALLO, between: true},
	"REST": {run: (*conn).doREST, between: true},
	"PASV": {run: (*conn).doPASV, between: true},
	"EPSV": {run: (*conn).doEPSV, between: true},
	"PORT": {run: (*conn).doPORT, between: true},
	"EPRT": {run: (*conn).doEPRT, between: true},

	"RETR": {run: (*conn).doRETR},
	"STOR": {run: (*conn).doSTOR},
	"APPE": {run: (*conn).doAPPE},
	"LIST": {run: (*conn).doLIST},
	"NLST": {run: (*conn).doNLST},
	"MLSD": {run: (*conn).doMLSD},
	"MLST": {run: (*conn).doMLST},

	"PWD": {run: (*conn).doPWD}, "XPWD": {run: (*conn).doPWD},
	"CWD": {run: onPath("CWD")}, "XCWD": {run: onPath("CWD")},
	"CDUP": {run: (*conn).doCDUP}, "XCUP": {run: (*conn).doCDUP},
	"MKD": {run: onPath("MKD")}, "XMKD": {run: onPath("MKD")},
	"RMD": {run: onPath("RMD")}, "XRMD": {run: onPath("RMD")},
	"DELE": {run: onPath("DELE")},
	"RNFR": {run: onPath("RNFR")},
	"RNTO": {run: onPath("RNTO")},
	"SIZE": {run: (*conn).doSIZE},
	"MDTM": {run: onPath("MDTM")},
	"MFMT": {run: (*conn).doMFMT},
	"AVBL": {run: (*conn).doAVBL},
	"SITE": {run: (*conn).doSITE},

	"ACCT": {run: answer(plain(502))}, "REIN": {run: answer(plain(502))},
	"SMNT": {run: answer(plain(502))}, "STOU": {run: answer(plain(502))},
	"HOST": {run: answer(plain(502)), open: true}, "LANG": {run: answer(plain(502)), open: true},
	"ADAT": {run: answer(plain(502)), open: true}, "MIC": {run: answer(plain(502))},
	"CONF": {run: answer(plain(502))}, "ENC": {run: answer(plain(502))},
}

// next reads commands and answers them, up to one for the library.
func (c *conn) next() (string, error) {
	for {
		line, err := c.readLine()
		if errors.Is(err, errLongLine) {
			line = "" // not understood, in its turn
		} else if err != nil {
			return "", err
		}
		verb, arg := split(line)
		if line, err := c.screen(verb, arg); line != "" || err != nil {
			return line, err
		}
	}
}

func (c *conn) screen(verb, arg string) (string, error) {
	cmd, known := commands[verb]
	if !cmd.urgent || arg != "" { // STAT of a path takes its turn
		if err := c.await(); err != nil {
			return "", err
		}
	}
	renaming := c.renaming
	c.renaming = false
	defer func() {
		if !cmd.between {
			c.offset, c.announced = 0, 0
		}
	}()
	switch {
	case !known:
		c.send(plain(500))
	case !cmd.open && c.loggedIn() == nil:
		c.send(plain(530))
	case verb == "RNTO" && !renaming:
		c.send(replyTo(errOrder))
	default:
		return cmd.run(c, arg), nil
	}
	return "", nil
}

// await waits for the transfer, so that replies come in the order of commands.
// Nobody reads meanwhile, so it looks whether the client has gone: without one
// nothing goes on, and where it may still read the answers, what waits for data
// from it ends.
func (c *conn) await() error {
	t := c.running()
	if t == nil {
		return nil
	}
	look := time.NewTicker(lastCall / 8)
	defer look.Stop()
	for left := (time.Time{}); ; {
		select {
		case <-t.done:
			return nil
		case <-c.done:
			return errCut
		case <-look.C:
		}
		switch {
		case c.broken():
			c.close()
		case !c.left():
		case left.IsZero():
			left = time.Now()
		case t.source.connection() == nil && time.Since(left) >= lastCall:
			t.cut(errNoData)
		}
	}
}

// pass hands a command to the library; its reply is known beforehand or rendered
// by replied.
func (c *conn) pass(verb, arg string) string {
	line := verb
	if arg != "" {
		line += " " + arg
	}
	if len(line) > maxPassed {
		c.send(replyTo(path.ErrTooLong))
		return ""
	}
	c.passed, c.err, c.answered = verb, nil, reply{}
	return line
}

// answer is a command with one constant reply.
func answer(r reply) func(*conn, string) string {
	return func(c *conn, _ string) string {
		c.send(r)
		return ""
	}
}

// onPath is a command on one path, which the library is given parsed.
func onPath(verb string) func(*conn, string) string {
	return func(c *conn, arg string) string {
		if arg == "" {
			c.send(plain(501))
			return ""
		}
		return c.passPath(verb, arg)
	}
}

func (c *conn) passPath(verb, arg string) string {
	p, err := c.resolve(arg)
	if err != nil {
		c.send(replyTo(err))
		return ""
	}
	c.operand = p
	return c.pass(verb, p.String())
}

// resolve parses a path as the client sent it, from the current folder.
func (c *conn) resolve(arg string) (path.Path, error) {
	if strings.HasPrefix(arg, "/") {
		return path.Parse(arg)
	}
	return path.Parse(c.library.Path() + "/" + arg)
}

// replied renders a reply of the library: its code, and a text of ours.
func (c *conn) replied(code int, text string) {
	t := c.running()
	if t != nil {
		c.send(t.render(code))
	} else {
		c.send(c.render(code, text))
	}
	if code < 200 {
		return
	}
	if t != nil {
		c.finish(t)
	}
	c.mu.Lock()
	leaving := c.leaving
	c.mu.Unlock()
	if leaving != "" {
		c.end(leaving)
	}
}

func (c *conn) render(code int, text string) reply {
	switch {
	case c.err != nil:
		return replyTo(c.err)
	case code >= 400:
		return plain(code)
	case c.answered.code != 0:
		return c.answered
	case code == 220:
		return reply{220, text}
	case code == 213 && c.passed == "MFMT":
		return reply{213, strings.SplitN(text, " ", 2)[0] + " " + c.operand.String()}
	case code == 213:
		return reply{213, text}
	case code == 257 && c.passed == "MKD":
		return reply{257, quoted(c.operand.String()) + " made"}
	case code == 257:
		return reply{257, quoted(c.library.Path()) + " is the current folder"}
	case code == 350 && c.passed == "RNFR":
		c.renaming = true
	}
	return plain(code)
}

// number reads a count as clients send it: digits alone.
func number(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}
