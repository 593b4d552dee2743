package ftp

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"gatehouse/auth"
	"gatehouse/auth/session"
	"gatehouse/policy"
)

// tlsFirst refuses a clear login before a password is asked for: the same for
// every account that may not, known or not, but for the reference.
func tlsFirst(e *auth.RefusedError) reply {
	return reply{530, "TLS is required: send AUTH TLS first (reference " + e.Reference + ")"}
}

// doUSER begins a login. After one, nobody else can take the session over: a
// client that wants another account connects anew.
func (c *conn) doUSER(arg string) string {
	switch {
	case c.loggedIn() != nil:
		c.send(reply{530, "Logged in already: connect anew for another account"})
	case arg == "":
		c.send(plain(501))
	case c.binding == nil:
		c.user = ""
		c.beginClear(arg)
	default:
		c.user = arg
		c.send(plain(331))
	}
	return ""
}

// mostTurnedAway is how many names a client may try without TLS.
const mostTurnedAway = 5

// beginClear goes on to the password without TLS, where that may be.
func (c *conn) beginClear(account string) {
	err := c.clearLogin(account)
	if refused, ok := errors.AsType[*auth.RefusedError](err); ok {
		c.send(tlsFirst(refused))
		if c.turnedAway++; c.turnedAway == mostTurnedAway {
			c.end("Too many logins without TLS were refused")
		}
		return
	}
	if err != nil {
		c.log.Error("deciding a login", "err", err)
		c.send(replyTo(errUndecided))
		return
	}
	c.user = account
	c.send(plain(331))
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

// doPASS has the library log in, with a name and password that never travel
// through it: it writes arguments to its log.
func (c *conn) doPASS(arg string) string {
	if c.loggedIn() != nil || c.user == "" {
		c.send(replyTo(errOrder))
		return ""
	}
	c.password = arg
	return c.pass("PASS", "-")
}

// mayBeClear reports whether an account that is logged in may have its data
// unprotected.
func (c *conn) mayBeClear(account string) bool {
	if c.server.config.Require == Required {
		return false
	}
	return c.server.config.Manager.AllowsPlainFTP(c.ctx, account, c.peer.Addr())
}

// login proves the account. It is the library's AuthUser, which it calls at any
// PASS, and refuses what the screen lets nobody do, should it come here all the same.
func (c *conn) login() error {
	account, password := c.user, c.password
	c.user, c.password = "", ""
	if account == "" || c.loggedIn() != nil {
		return errOrder
	}
	a := c.attempt(account)
	a.Password = password
	s, err := c.server.config.Manager.Login(c.ctx, a)
	if _, refused := errors.AsType[*auth.RefusedError](err); err != nil && !refused {
		c.log.Error("deciding a login", "err", err)
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
	c.mu.Unlock()
	c.log = s.Log()
	c.noStranger()
	context.AfterFunc(s.Context(), func() { c.end("The session has ended") })
}

func (c *conn) transport() policy.Transport {
	if c.binding != nil {
		return policy.TLS
	}
	return policy.Clear
}

// doAUTH changes over to TLS (RFC 4217). What came in behind the command was
// sent in clear, by whoever: the connection ends.
func (c *conn) doAUTH(arg string) string {
	if c.server.config.TLS == nil {
		c.send(plain(502))
		return ""
	}
	mechanism, base := strings.ToUpper(arg), c.server.config.TLS()
	switch {
	case c.binding != nil || c.loggedIn() != nil:
		c.send(replyTo(errOrder))
	case mechanism != "TLS" && mechanism != "TLS-C":
		c.send(plain(504))
	case base == nil:
		c.send(reply{431, "There is no certificate now"})
	case c.lines.pending():
		c.log.Warn("commands behind AUTH TLS, in clear")
		c.end("Nothing may follow AUTH before the handshake")
	default:
		c.user = ""
		c.send(reply{234, "Begin the TLS handshake"})
		if err := c.startTLS(base); err != nil {
			c.log.Debug("TLS handshake", "err", err)
			c.close()
		}
	}
	return ""
}

func (c *conn) doPBSZ(string) string {
	if c.binding == nil {
		c.send(replyTo(errOrder))
		return ""
	}
	c.send(reply{200, "PBSZ=0"})
	return ""
}

// doPROT says whether data travels protected. Whether it may travel in clear is
// asked again at each transfer, of the policy as it is then.
func (c *conn) doPROT(arg string) string {
	switch level := strings.ToUpper(arg); {
	case c.binding == nil:
		c.send(replyTo(errOrder))
	case level == "P":
		c.protected = true
		c.send(plain(200))
	case level == "C" && c.loggedIn() != nil && !c.mayBeClear(c.loggedIn().Account()):
		c.send(reply{534, "Data must be protected: PROT P"})
	case level == "C":
		c.protected = false
		c.send(plain(200))
	case level == "S" || level == "E":
		c.send(reply{536, "Use PROT P"})
	default:
		c.send(plain(504))
	}
	return ""
}
