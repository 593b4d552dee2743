package ftp

import (
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"

	"gatehouse/auth/session"
	"gatehouse/policy/path"
	"gatehouse/protocols/ftp/wire"
)

// unlimited is what AVBL answers where there is no limit.
const unlimited = math.MaxInt64

func (c *conn) doPWD(string) reply {
	return reply{257, quoted(c.folder.String()) + " is the current folder"}
}

func (c *conn) doCDUP(string) reply {
	p, err := c.resolve("..")
	if err != nil {
		return replyTo(err)
	}
	return c.enterFolder(p)
}

func (c *conn) enterFolder(p path.Path) reply {
	if _, err := c.folderAt(p); err != nil {
		return replyTo(err)
	}
	c.folder = p
	return plain(250)
}

// folderAt describes what has to be a folder.
func (c *conn) folderAt(p path.Path) (session.Info, error) {
	info, err := c.files().Stat(c.ctx, p)
	if err == nil && !info.IsDir() {
		err = session.ErrNotDir
	}
	return info, err
}

// makeFolder makes a folder with the mount's own mode.
func (c *conn) makeFolder(p path.Path) reply {
	if err := c.files().Mkdir(c.ctx, p, 0); err != nil {
		return replyTo(err)
	}
	return reply{257, quoted(p.String()) + " made"}
}

func (c *conn) removeFolder(p path.Path) reply { return replyTo(c.files().RemoveDir(c.ctx, p)) }

func (c *conn) removeFile(p path.Path) reply { return replyTo(c.files().Remove(c.ctx, p)) }

func (c *conn) renameFrom(p path.Path) reply {
	if _, err := c.files().Lstat(c.ctx, p); err != nil {
		return replyTo(err)
	}
	c.renaming = &p
	return plain(350)
}

// renameTo moves a file or tree; a file may replace a file, as rename(2) has it.
func (c *conn) renameTo(p path.Path) reply {
	if c.renaming == nil {
		return replyTo(errOrder)
	}
	return replyTo(c.files().Rename(c.ctx, *c.renaming, p, session.ReplaceFile))
}

// doSIZE answers with the bytes that a transfer would have, which for a converted
// file nobody knows without reading it (RFC 3659, 4).
func (c *conn) doSIZE(p path.Path) reply {
	if c.ascii {
		return reply{550, "SIZE needs TYPE I"}
	}
	info, err := c.files().Stat(c.ctx, p)
	switch {
	case err != nil:
		return replyTo(err)
	case info.IsDir():
		return replyTo(session.ErrIsDir)
	}
	return reply{213, strconv.FormatInt(info.Size(), 10)}
}

func (c *conn) doMDTM(p path.Path) reply {
	info, err := c.files().Stat(c.ctx, p)
	if err != nil {
		return replyTo(err)
	}
	return reply{213, wire.FormatTime(info.ModTime())}
}

// doMFMT sets the time of the last change.
func (c *conn) doMFMT(arg string) reply {
	when, name, _ := strings.Cut(arg, " ")
	return c.setFacts("Modify="+when+";", name)
}

// doMFF sets the facts that can be set: all of them, or none where one is not
// understood.
func (c *conn) doMFF(arg string) reply {
	facts, name, _ := strings.Cut(arg, " ")
	return c.setFacts(facts, name)
}

// settable are the facts of MFF, as FEAT shows them.
const settable = "Modify;UNIX.mode;"

func (c *conn) setFacts(facts, name string) reply {
	a, err := settableFacts(facts)
	if err != nil {
		return replyTo(err)
	}
	return onPath(func(c *conn, p path.Path) reply {
		if err := c.files().SetAttr(c.ctx, p, a); err != nil {
			return replyTo(err)
		}
		return reply{213, facts + " " + p.String()}
	})(c, name)
}

// settableFacts reads name=value; of what can be set.
func settableFacts(facts string) (a session.Attr, err error) {
	list, ended := strings.CutSuffix(facts, ";")
	if !ended {
		return a, errFacts
	}
	for fact := range strings.SplitSeq(list, ";") {
		key, value, _ := strings.Cut(fact, "=")
		switch strings.ToLower(key) {
		case "modify":
			when, ok := wire.Time(value)
			if !ok {
				return a, errFacts
			}
			a.Modified = &when
		case "unix.mode":
			if a.Mode, err = parseMode(value); err != nil {
				return a, err
			}
		default:
			return a, errFacts
		}
	}
	return a, nil
}

func parseMode(octal string) (*fs.FileMode, error) {
	bits, err := strconv.ParseUint(octal, 8, 12)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errFacts, err)
	}
	mode := fs.FileMode(bits)
	if mode&^fs.ModePerm != 0 {
		return nil, errMode
	}
	return &mode, nil
}

// doAVBL is what may still be written below a folder.
func (c *conn) doAVBL(p path.Path) reply {
	_, err := c.folderAt(p)
	if err != nil {
		return replyTo(err)
	}
	free, err := c.room(p)
	if err != nil {
		return replyTo(err)
	}
	return reply{213, strconv.FormatInt(free, 10)}
}

// room is what is left below p; unlimited never reads as zero.
func (c *conn) room(p path.Path) (int64, error) {
	space, err := c.files().Space(c.ctx, p)
	if err != nil {
		return 0, err
	}
	return freeBytes(space), nil
}

func freeBytes(s session.Space) int64 {
	if s.FreeBytes < 0 {
		return unlimited
	}
	return s.FreeBytes
}

// doSITE offers CHMOD alone.
func (c *conn) doSITE(arg string) reply {
	switch sub, rest := wire.Split(arg); sub {
	case "HELP":
		c.sendText(multiline(214, "SITE commands:", []string{"CHMOD mode path", "HELP"}, "End"))
		return said
	case "CHMOD":
		return c.chmod(rest)
	}
	return plain(504)
}

func (c *conn) chmod(arg string) reply {
	octal, name, _ := strings.Cut(arg, " ")
	mode, err := parseMode(octal)
	if err != nil {
		return replyTo(err)
	}
	return onPath(func(c *conn, p path.Path) reply {
		if err := c.files().SetAttr(c.ctx, p, session.Attr{Mode: mode}); err != nil {
			return replyTo(err)
		}
		return plain(200)
	})(c, name)
}
