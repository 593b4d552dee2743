package ftp

import (
	"strings"

	"gatehouse/policy/path"
	"gatehouse/protocols/ftp/listing"
)

// A command is what is done with one. A run that has answered, or that will once
// its transfer is over, returns said.
type command struct {
	run     func(c *conn, arg string) reply
	args    string // as HELP shows them
	open    bool   // before a login too
	sealed  bool   // over TLS only
	urgent  bool   // while a transfer runs too
	first   bool   // before all that waits for a transfer
	absent  bool   // known, and not carried out
	between bool   // may stand between REST, RANG or ALLO and the transfer they are for
}

// said stands for a reply that was sent already, or is still to come.
var said reply

// step carries one command out; an error ends the connection.
func (c *conn) step() error {
	r, err := c.next()
	if err != nil {
		return err
	}
	c.started = nil
	answer := c.perform(r.command, r.known, r.arg)
	if t := c.started; t != nil {
		return c.carryOut(t)
	}
	if answer != said {
		c.send(answer)
		if c.running() == nil {
			c.depart()
		}
	}
	return c.ctx.Err()
}

// carryOut runs a transfer. Unless that was soon over another goroutine reads the
// commands now, and is all that may touch the dialogue.
func (c *conn) carryOut(t *transfer) error {
	c.server.relay.enter(c)
	t.run()
	if c.server.relay.leave(c) {
		return errRelieved
	}
	return c.ctx.Err()
}

// perform carries a command out, if it is one and may come now.
func (c *conn) perform(cmd command, known bool, arg string) (r reply) {
	var fault error
	defer func() {
		if fault != nil {
			r = replyTo(fault)
		}
	}()
	defer c.contain(&fault)
	renaming := c.renaming
	defer func() {
		if c.renaming == renaming {
			c.renaming = nil
		}
		if !cmd.between {
			c.offset, c.announced, c.span = 0, 0, nil
		}
	}()
	switch {
	case !known:
		return plain(500)
	case !cmd.open && c.loggedIn() == nil:
		return plain(530)
	case cmd.sealed && c.binding == nil:
		return replyTo(errOrder)
	}
	return cmd.run(c, arg)
}

// answer is a command with one constant reply.
func answer(r reply) func(*conn, string) reply {
	return func(*conn, string) reply { return r }
}

// onPath is a command that needs a path, parsed.
func onPath(run func(c *conn, p path.Path) reply) func(*conn, string) reply {
	return func(c *conn, arg string) reply {
		if arg == "" {
			return plain(501)
		}
		return onFolder(run)(c, arg)
	}
}

// onFolder is onPath for a command that takes the current folder where none is
// named.
func onFolder(run func(c *conn, p path.Path) reply) func(*conn, string) reply {
	return func(c *conn, arg string) reply {
		p, err := c.resolve(arg)
		if err != nil {
			return replyTo(err)
		}
		return run(c, p)
	}
}

// resolve parses a path as the client sent it, from the current folder.
func (c *conn) resolve(arg string) (path.Path, error) {
	if !listing.Carries(arg) {
		return path.Path{}, path.ErrInvalid // no listing would show it
	}
	if strings.HasPrefix(arg, "/") {
		return path.Parse(arg)
	}
	return path.Parse(c.folder.String() + "/" + arg)
}
