package ftp

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"sync"
	"time"

	ftpserver "github.com/fclairamb/ftpserverlib"

	"gatehouse/auth/session"
	"gatehouse/policy/path"
)

// parting is how long a connection that ends may take over its last word.
const parting = 200 * time.Millisecond

// A conn is one control connection with all that belongs to it: its sockets,
// its session, its transfer. It owns every socket, so that a cut never waits
// for the library, which holds a lock while it waits for a data connection.
//
// Two goroutines of the library work on it: one interprets commands, the other
// runs the transfer. While that one runs, the first only reads, and answers what
// may be answered meanwhile.
type conn struct {
	server      *Server
	raw         net.Conn
	peer, local netip.AddrPort
	reached     netip.Addr // where the client connected to: local, or a proxy's address
	since       time.Time
	log         *slog.Logger
	ctx         context.Context // of work on files; ends with the connection
	cancel      context.CancelFunc
	done        chan struct{} // closed when the control connection is
	over        sync.Once
	stranger    sync.Once
	transfers   sync.WaitGroup

	dialogue // of the goroutine that interprets commands

	write  sync.Mutex // guards stream, and what is written to it
	stream net.Conn   // raw, or the TLS above it

	mu       sync.Mutex // guards what follows
	session  *session.Session
	pending  *source   // where the next data connection comes from
	transfer *transfer // the one that runs
	leaving  string    // why the connection ends after the next reply
}

// dialogue is what the screen remembers from one command to the next.
type dialogue struct {
	library   ftpserver.ClientContext
	lines     *lines
	in, out   []byte   // a line on its way to the library, a reply on its way from it
	binding   *binding // nil while the control connection is clear
	protected bool     // PROT P

	user, password, client string
	turnedAway             int // how many USER were refused

	offset, announced int64 // of REST and ALLO, for the next transfer
	renaming          bool  // RNFR was the last command
	ascii             bool
	extendedOnly      bool // EPSV ALL
	facts             facts

	passed   string    // the command that the library carries out
	operand  path.Path // its path
	answered reply     // its reply, where the screen knows it beforehand
	err      error     // what the file system said
}

func newConn(s *Server, raw net.Conn) *conn {
	c := &conn{
		server: s,
		raw:    raw,
		stream: raw,
		peer:   addrPort(raw.RemoteAddr()),
		local:  addrPort(raw.LocalAddr()),
		since:  time.Now(),
		done:   make(chan struct{}),
	}
	c.reached = c.local.Addr()
	if p, ok := raw.(interface{ Reached() netip.AddrPort }); ok && p.Reached().IsValid() {
		c.reached = p.Reached().Addr()
	}
	c.log = s.config.Log.With("door", "ftp", "address", c.peer.Addr().String())
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.lines = newLines(raw)
	c.facts = allFacts
	return c
}

// serve speaks FTP until the connection and its transfer are over.
func (c *conn) serve() {
	var fault error // contained, and logged there
	defer c.contain(&fault)
	defer c.release()
	if c.server.config.Mode == Implicit {
		base := c.server.config.TLS()
		if base == nil {
			c.log.Warn("no certificate for a connection")
			return
		}
		if err := c.startTLS(base); err != nil {
			c.log.Debug("TLS handshake", "err", err)
			return
		}
		c.protected = true
	}
	library := ftpserver.NewFtpServer(driver{c})
	library.Logger = slog.New(slog.DiscardHandler) // it would log arguments and errors as they are
	if err := library.Listen(); err != nil {
		c.log.Error("preparing a connection", "err", err)
		return
	}
	if err := library.Serve(); err != nil {
		c.log.Error("serving a connection", "err", err)
	}
	c.transfers.Wait()
}

func (c *conn) release() {
	c.close()
	c.mu.Lock()
	s := c.session
	c.mu.Unlock()
	if s != nil {
		s.Close()
	}
}

// end cuts the connection, from any goroutine: data at once, the control
// connection as soon as it has taken a last word, if why says something, or not
// taken it for a moment.
func (c *conn) end(why string) { c.leave(errCut, why) }

// close ends the connection from the inside, after its last reply.
func (c *conn) close() { c.leave(net.ErrClosed, "") }

func (c *conn) leave(cause error, why string) {
	c.over.Do(func() {
		defer close(c.done)
		c.cutData(cause)
		c.cancel()
		// Whoever writes to a client that takes nothing lets go of the lock then.
		defer time.AfterFunc(parting, func() { _ = c.raw.Close() }).Stop()
		c.write.Lock()
		defer c.write.Unlock()
		if why != "" {
			_ = c.raw.SetWriteDeadline(time.Now().Add(parting))
			_, _ = io.WriteString(c.stream, reply{421, why}.String())
		}
		_ = c.stream.Close()
	})
}

// cutData breaks the data connection, and whatever waits for one.
func (c *conn) cutData(cause error) {
	c.mu.Lock()
	pending, running := c.pending, c.transfer
	c.pending = nil
	c.mu.Unlock()
	if pending != nil {
		pending.cut()
	}
	if running != nil {
		running.cut(cause)
	}
}

// drain ends the connection once no transfer runs on it.
func (c *conn) drain() {
	const why = "Server is shutting down"
	c.mu.Lock()
	busy := c.transfer != nil
	c.leaving = why
	c.mu.Unlock()
	if !busy {
		c.end(why)
	}
}

// doom ends the connection after the next reply.
func (c *conn) doom() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leaving = "A fault inside the server"
}

func (c *conn) noStranger() {
	c.stranger.Do(func() { c.server.known(c.peer.Addr()) })
}

// loggedIn returns the session, nil before the login.
func (c *conn) loggedIn() *session.Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session
}

// send writes a reply. A client that does not take it loses the connection.
func (c *conn) send(r reply) { c.sendText(r.String()) }

func (c *conn) sendText(text string) {
	if err := c.writeText(text); err != nil {
		c.log.Debug("sending a reply", "err", err)
		c.end("")
	}
}

func (c *conn) writeText(text string) error {
	c.write.Lock()
	defer c.write.Unlock()
	if err := c.raw.SetWriteDeadline(time.Now().Add(c.server.config.Limits.Reply)); err != nil {
		return err
	}
	_, err := io.WriteString(c.stream, text)
	if err != nil {
		return err
	}
	// What TLS writes of its own accord must not meet a deadline of the past.
	return c.raw.SetWriteDeadline(time.Time{})
}

// readLine waits for a command: until the login is due, as long as a transfer
// runs, or until the connection has idled too long.
func (c *conn) readLine() (string, error) {
	if err := c.setPatience(); err != nil {
		return "", err
	}
	line, err := c.lines.next()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.send(reply{421, "Nothing came in for too long"})
	}
	return line, err
}

func (c *conn) setPatience() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	limits := c.server.config.Limits
	switch {
	case c.session == nil:
		return c.raw.SetReadDeadline(c.since.Add(limits.Login))
	case c.transfer != nil:
		return c.raw.SetReadDeadline(time.Time{})
	default:
		return c.raw.SetReadDeadline(time.Now().Add(limits.Idle))
	}
}

// contain turns a panic into an error and logs where it came from.
func (c *conn) contain(err *error) {
	if r := recover(); r != nil {
		c.log.Error("panic in an FTP session", "panic", r, "stack", string(debug.Stack()))
		c.doom()
		*err = errPanic
	}
}
