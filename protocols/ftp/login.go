package ftp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"gatehouse/auth"
	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/protocols/ftp/wire"
)

// tlsFirst refuses a clear login before a password is asked for: the same for
// every account that may not, known or not, but for the reference.
func tlsFirst(e *auth.RefusedError) reply {
	return reply{530, "TLS is required: send AUTH TLS first (reference " + e.Reference + ")"}
}

// doUSER begins a login. After one, nobody else can take the session over: a
// client that wants another account connects anew.
func (c *conn) doUSER(arg string) reply {
	switch {
	case c.loggedIn() != nil:
		return reply{530, "Logged in already: REIN, or connect anew for another account"}
	case arg == "":
		return plain(501)
	case c.binding == nil:
		c.user = ""
		return c.beginClear(arg)
	}
	c.user = arg
	return plain(331)
}

// mostTurnedAway is how many names a client may try without TLS.
const mostTurnedAway = 5

// beginClear goes on to the password without TLS, where that may be.
func (c *conn) beginClear(account string) reply {
	err := c.clearLogin(account)
	if refused, ok := errors.AsType[*auth.RefusedError](err); ok {
		if c.turnedAway++; c.turnedAway == mostTurnedAway {
			c.send(tlsFirst(refused))
			c.end("Too many logins without TLS were refused")
			return said
		}
		return tlsFirst(refused)
	}
	if err != nil {
		c.undecided(err)
		return replyTo(errUndecided)
	}
	c.user = account
	return plain(331)
}

// undecided logs what kept a login from being decided; that the store is away the
// log tells once, and not for each login.
func (c *conn) undecided(err error) {
	level := slog.LevelError
	if errors.Is(err, session.ErrStateAway) {
		level = slog.LevelDebug
	}
	c.log.Log(c.ctx, level, "an ftp login was not decided", "error", err)
}

func (c *conn) clearLogin(account string) error {
	manager := c.server.config.Manager
	a := c.attempt(account)
	if err := manager.PlainFTP(c.ctx, a); err != nil || c.server.config.Require != Required {
		return err
	}
	return manager.Refuse(c.ctx, a, policy.Decision{Rule: policy.RulePlainFTP, Because: "the listener requires TLS (ftp.tls)"})
}

func (c *conn) attempt(account string) auth.Attempt {
	return auth.Attempt{
		Account: account, Door: policy.FTP, Address: c.peer.Addr(), Transport: c.transport(), Client: c.client,
	}
}

// doPASS proves the account. After a refusal the connection is over: guessing
// takes a new one for each guess.
func (c *conn) doPASS(password string) reply {
	account := c.user
	c.user = ""
	if c.loggedIn() != nil || account == "" {
		return replyTo(errOrder)
	}
	if err := c.login(account, password); err != nil {
		c.send(replyTo(err))
		c.close()
		return said
	}
	return plain(230)
}

// mayBeClear reports whether a session may have its data unprotected, by the
// policy as it is now.
func (c *conn) mayBeClear(s *session.Session) bool {
	return c.server.config.Require != Required && s.Effective().PlainFTP().Allowed
}

func (c *conn) login(account, password string) error {
	a := c.attempt(account)
	a.Password = password
	s, err := c.server.config.Manager.Login(c.ctx, a)
	if _, refused := errors.AsType[*auth.RefusedError](err); err != nil && !refused {
		if !errors.Is(err, context.Canceled) { // cut meanwhile
			c.undecided(err)
		}
		return fmt.Errorf("%w: %w", errUndecided, err)
	}
	if err != nil {
		return err
	}
	c.enter(s)
	return nil
}

func (c *conn) enter(s *session.Session) {
	c.mu.Lock()
	c.session = s
	c.unfollow = context.AfterFunc(s.Context(), func() { c.end("The session has ended") })
	c.mu.Unlock()
	c.log = s.Log()
	c.place.Leave()
}

// leaveSession ends the session and leaves the connection. From then on there is
// as much time to log in as at first.
func (c *conn) leaveSession() {
	c.mu.Lock()
	s, unfollow := c.session, c.unfollow
	c.session = nil
	if s != nil { // else nobody would ever have to log in
		c.since = time.Now()
	}
	c.mu.Unlock()
	if s == nil {
		return
	}
	unfollow()
	s.Close()
	c.log = c.server.logFor(c)
}

// doREIN puts everything back as it was at the greeting: the login, what was
// set, and the TLS that AUTH began, which ends after the reply (RFC 4217, 11).
func (c *conn) doREIN(string) reply {
	c.unprepare()
	in := c.loggedIn() != nil
	c.leaveSession()
	c.parameters = freshParameters(c.server.config.Mode)
	if in && !c.server.admit(c) {
		c.end("Too many connections, try again later")
		return said
	}
	c.send(reply{220, c.server.config.Name + " ready"})
	if c.binding == nil || c.server.config.Mode == Implicit {
		return said
	}
	if err := c.endTLS(); err != nil {
		c.log.Debug("ending TLS after REIN", "err", err)
		c.close()
	}
	return said
}

// doQUIT ends the connection.
func (c *conn) doQUIT(string) reply {
	c.send(plain(221))
	c.close()
	return said
}

func (c *conn) transport() policy.Transport {
	if c.binding != nil {
		return policy.TLS
	}
	return policy.Clear
}

// doAUTH changes over to TLS (RFC 4217). What came in behind the command was
// sent in clear, by whoever: the connection ends.
func (c *conn) doAUTH(arg string) reply {
	if c.server.config.TLS == nil {
		return plain(502)
	}
	mechanism, base := strings.ToUpper(arg), c.server.config.TLS()
	switch {
	case c.binding != nil || c.loggedIn() != nil:
		return replyTo(errOrder)
	case mechanism == "":
		return plain(501)
	case mechanism != "TLS" && mechanism != "TLS-C":
		return reply{504, "Use AUTH TLS"}
	case base == nil:
		return reply{431, "There is no certificate now"}
	case c.behind():
		c.log.Warn("commands behind AUTH TLS, in clear")
		c.end("Nothing may follow AUTH before the handshake")
		return said
	}
	c.user = ""
	c.send(reply{234, "Begin the TLS handshake"})
	if err := c.startTLS(base); err != nil {
		c.log.Debug("TLS handshake", "err", err)
		c.close()
	}
	return said
}

// doPBSZ agrees on no buffer, the only size there is with TLS (RFC 4217, 9).
func (c *conn) doPBSZ(arg string) reply {
	if _, ok := wire.Number(arg); !ok {
		return plain(501)
	}
	c.sized = true
	return reply{200, "PBSZ=0"}
}

// doPROT says whether data travels protected. Whether it may travel in clear is
// asked again at each transfer, of the policy as it is then.
func (c *conn) doPROT(arg string) reply {
	switch level := strings.ToUpper(arg); {
	case !c.sized:
		return replyTo(errOrder)
	case level == "":
		return plain(501)
	case level == "P":
		c.protected = true
	case level == "C" && c.loggedIn() != nil && !c.mayBeClear(c.loggedIn()):
		return reply{534, "Data must be protected: PROT P"}
	case level == "C":
		c.protected = false
	case level == "S" || level == "E":
		return reply{536, "Use PROT P"}
	default:
		return plain(504)
	}
	return plain(200)
}
