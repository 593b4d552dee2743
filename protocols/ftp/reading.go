package ftp

import (
	"errors"
	"io"
	"os"
	"slices"
	"time"

	"gatehouse/protocols/ftp/data"
	"gatehouse/protocols/ftp/wire"
)

// How long a client that will send no command any more may take to make its data
// connection, and may let that stand still.
const (
	lastCall   = time.Second
	standstill = 5 * time.Second
)

// mostAhead bounds what waits behind a transfer, in bytes with eachAhead for every
// command. Nothing is read beyond, and an ABOR is not seen there.
const (
	mostAhead = 64 << 10
	eachAhead = 64
)

// A request is a command as the client sent it.
type request struct {
	command
	known     bool
	verb, arg string
}

// meanwhile reports whether it may be answered while a transfer runs: STAT of a
// path takes its turn.
func (r request) meanwhile() bool { return r.urgent && r.arg == "" }

func (r request) size() int { return len(r.verb) + len(r.arg) + eachAhead }

// next returns the command whose turn it is. While a transfer runs it reads on:
// ABOR is seen behind whatever waits. A client that has ended its side is done once
// all it said was answered.
func (c *conn) next() (request, error) {
	for {
		if r, ok := c.takeWaiting(); ok {
			return r, nil
		}
		busy := c.running() != nil
		switch {
		case c.left && !busy:
			return request{}, io.EOF
		case c.left || busy && c.ahead >= mostAhead:
			if err := c.await(); err != nil {
				return request{}, err
			}
			continue
		}
		line, err := c.readLine()
		switch {
		case errors.Is(err, io.EOF):
			c.left = true
			continue
		case errors.Is(err, os.ErrDeadlineExceeded) && c.hasTurn():
			continue
		case errors.Is(err, wire.ErrLong):
			line = "" // not understood, in its turn
		case err != nil:
			return request{}, err
		}
		r := c.request(line)
		c.wait(r)
	}
}

func (c *conn) request(line string) (r request) {
	r.verb, r.arg = wire.Split(line)
	r.command, r.known = c.server.commands[r.verb]
	return r
}

// wait has a command wait for its turn, which may be now.
func (c *conn) wait(r request) {
	c.ahead += r.size()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = append(c.waiting, r)
}

// takeWaiting returns the command whose turn it is.
func (c *conn) takeWaiting() (r request, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := c.turn()
	if i < 0 {
		return r, false
	}
	r = c.waiting[i]
	if c.waiting = slices.Delete(c.waiting, i, i+1); len(c.waiting) == 0 {
		c.waiting = nil
	}
	c.ahead -= r.size()
	return r, true
}

// turn is which of those that wait may be carried out now, negative if none: the
// first, once no transfer runs or, where it may be answered meanwhile, once that
// has begun, so that its 150 comes first; else ABOR, unless the transfer is being
// answered, and what came behind its answer means another one. c.mu is held.
func (c *conn) turn() int {
	t := c.transfer
	switch {
	case len(c.waiting) == 0:
		return -1
	case t == nil:
		return 0
	case t.over:
		return -1
	case t.begun && c.waiting[0].meanwhile():
		return 0
	}
	return slices.IndexFunc(c.waiting, func(r request) bool { return r.first })
}

func (c *conn) hasTurn() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.turn() >= 0
}

// behind reports whether anything has come in that was not carried out yet.
func (c *conn) behind() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.waiting) > 0 || c.lines.Pending()
}

// past ends the waiting for a command at once.
var past = time.Unix(1, 0)

// readLine waits for a command: until the login is due, as long as a transfer
// runs, or until the connection has idled too long; also until it is the turn of
// one that waits.
func (c *conn) readLine() (string, error) {
	if err := c.setPatience(); err != nil {
		return "", err
	}
	line, err := c.lines.Next()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) && !c.hasTurn():
		c.send(reply{421, "Nothing came in for too long"})
	case errors.Is(err, wire.ErrFlood):
		c.send(reply{421, "The command line has no end"})
	}
	return line, err
}

func (c *conn) setPatience() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	limits := c.server.config.Limits
	switch {
	case c.turn() >= 0:
		return c.raw.SetReadDeadline(past)
	case c.transfer != nil:
		return c.raw.SetReadDeadline(time.Time{})
	case c.session == nil:
		return c.raw.SetReadDeadline(c.since.Add(limits.Login))
	default:
		return c.raw.SetReadDeadline(time.Now().Add(limits.Idle))
	}
}

// await waits for the transfer, so that replies come in the order of commands.
// Nobody reads meanwhile, so it looks whether the client has gone: without one
// nothing goes on, and where it may still read the answers, what waits for it ends.
func (c *conn) await() error {
	t := c.running()
	if t == nil {
		return nil
	}
	look := time.NewTicker(lastCall / 8)
	defer look.Stop()
	var left, moved time.Time
	for last := int64(-1); ; {
		select {
		case <-t.done:
			return nil
		case <-c.done:
			return errCut
		case <-look.C:
		}
		if data.Broken(c.raw) {
			c.close()
			continue
		}
		if !c.left && !data.Left(c.raw) {
			continue
		}
		now, progress := time.Now(), t.progress()
		if left.IsZero() {
			left = now
		}
		if progress != last {
			last, moved = progress, now
		}
		switch {
		case t.waits() && now.Sub(left) >= lastCall:
			t.cut(data.ErrNone)
		case now.Sub(moved) >= standstill:
			t.cut(errLeft)
		}
	}
}
