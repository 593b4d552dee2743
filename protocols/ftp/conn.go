package ftp

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"gatehouse/auth/session"
	"gatehouse/policy/path"
	"gatehouse/protocols/ftp/data"
	"gatehouse/protocols/ftp/listing"
	"gatehouse/protocols/ftp/wire"
	"gatehouse/protocols/places"
)

// parting is how long a connection that ends may take over its last word.
const parting = 200 * time.Millisecond

// A conn is one control connection with all that belongs to it: its sockets,
// its session, its transfer.
//
// One goroutine reads commands and carries them out, a transfer too. Where that
// takes its time another one reads on, and answers what may be answered meanwhile;
// the first ends with the transfer then.
type conn struct {
	server      *Server
	raw         net.Conn
	peer, local netip.AddrPort
	reached     netip.Addr // where the client connected to: local, or a proxy's address
	log         *slog.Logger
	ctx         context.Context // of work on files; ends with the connection
	cancel      context.CancelFunc
	done        chan struct{} // closed when the control connection is
	over        sync.Once
	transfers   sync.WaitGroup
	ended       sync.Once // what the connection has was given back

	dialogue // of the goroutine that carries out commands

	write  sync.Mutex // guards stream, and what is written to it
	stream net.Conn   // raw, or the TLS above it

	mu       sync.Mutex // guards what follows
	since    time.Time  // of the connection, or of REIN
	session  *session.Session
	unfollow func() bool  // stops ending the connection with the session
	pending  *data.Source // where the next data connection comes from
	transfer *transfer    // the one that runs
	refused  *transfer    // the last that was, whose data connection may not be over
	waiting  []request    // behind the transfer
	leaving  string       // why the connection ends after the next reply
}

// dialogue is what is remembered from one command to the next.
type dialogue struct {
	place      *places.Place // among the strangers
	lines      *wire.Lines
	records    *records  // below the TLS of an explicit listener
	binding    *binding  // nil while the control connection is clear
	started    *transfer // by the command that is being carried out
	left       bool      // the client has ended its side
	ahead      int       // what waits, in bytes
	turnedAway int       // how many USER were refused
	parameters
}

// parameters are what REIN puts back.
type parameters struct {
	client    string // what CLNT said
	user      string // of USER, until the password
	sized     bool   // PBSZ
	protected bool   // PROT P

	folder            path.Path
	ascii             bool
	extendedOnly      bool // EPSV ALL
	facts             listing.Facts
	hash              algorithm
	offset, announced int64      // of REST and ALLO, for the next transfer
	span              *wire.Span // of RANG
	renaming          *path.Path // of RNFR, for the next command
}

func freshParameters(m Mode) parameters {
	return parameters{facts: listing.AllFacts, hash: algorithms[0], sized: m == Implicit, protected: m == Implicit}
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
	c.log = s.logFor(c)
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.lines = wire.NewLines(raw)
	c.parameters = freshParameters(s.config.Mode)
	return c
}

// serve speaks FTP until the connection and its transfer are over.
func (c *conn) serve() {
	if c.greet() {
		c.attend()
	} else {
		c.finish()
	}
}

// greet makes the connection ready, and reports whether it is.
func (c *conn) greet() (ready bool) {
	var fault error // contained, and logged there
	defer c.contain(&fault)
	if c.server.config.Mode == Implicit {
		base := c.server.config.TLS()
		if base == nil {
			c.log.Warn("no certificate for a connection")
			return false
		}
		if err := c.startTLS(base); err != nil {
			c.log.Debug("TLS handshake", "err", err)
			return false
		}
	}
	data.InPlace(c.raw)
	c.send(reply{220, c.server.config.Name + " ready"})
	return true
}

// attend carries out what the client says, to the end of the connection, or
// until another goroutine does.
func (c *conn) attend() {
	var fault error // contained, and logged there
	defer func() {
		if !errors.Is(fault, errRelieved) {
			c.finish()
		}
	}()
	defer c.contain(&fault)
	for fault == nil {
		fault = c.step()
	}
	if errors.Is(fault, errRelieved) {
		return
	}
	if errors.Is(fault, wire.ErrFlood) {
		c.drown()
	}
	c.close()
	c.transfers.Wait()
}

// drowned bounds how much is taken from a client that was turned away.
const drowned = 1 << 20

// drown takes for a moment what a client sends that was told to go: a reset would
// drown that.
func (c *conn) drown() {
	defer time.AfterFunc(parting, c.close).Stop()
	if c.raw.SetReadDeadline(time.Time{}) == nil {
		_, _ = io.CopyN(io.Discard, c.raw, drowned)
	}
}

// finish gives back what the connection has.
func (c *conn) finish() {
	c.ended.Do(func() {
		var fault error // contained, and logged there
		defer c.server.running.Done()
		defer c.server.forget(c)
		defer c.contain(&fault)
		c.release()
	})
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
	c.unprepare()
	if t := c.running(); t != nil {
		t.cut(cause)
	}
}

// unprepare gives up what the next data connection was to come from.
func (c *conn) unprepare() {
	c.mu.Lock()
	pending := c.pending
	c.pending = nil
	c.mu.Unlock()
	if pending != nil {
		pending.Cut()
	}
}

// drain has the connection end once no transfer runs on it, and begin none; it
// reports whether that is now.
func (c *conn) drain() (now bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leaving = shuttingDown
	return c.transfer == nil
}

// doom ends the connection after the next reply.
func (c *conn) doom() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leaving = "A fault inside the server"
}

// depart ends the connection where that was to happen after a reply.
func (c *conn) depart() {
	c.mu.Lock()
	leaving := c.leaving
	c.mu.Unlock()
	if leaving != "" {
		c.end(leaving)
	}
}

// loggedIn returns the session, nil before the login.
func (c *conn) loggedIn() *session.Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session
}

// files is what the account sees.
func (c *conn) files() *session.FS { return c.loggedIn().FS() }

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

// contain turns a panic into an error and logs where it came from.
func (c *conn) contain(err *error) {
	if r := recover(); r != nil {
		c.log.Error("panic in an FTP session", "panic", r, "stack", string(debug.Stack()))
		c.doom()
		*err = errPanic
	}
}
