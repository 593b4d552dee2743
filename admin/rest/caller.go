package rest

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// A Caller is who asks: an admitted session, or the socket's peer.
type Caller struct {
	Name      string // the account, or "socket"
	Role      policy.Role
	Session   *session.Session // nil on the socket, and of nobody
	Address   netip.Addr
	Transport policy.Transport
	// Door is the API's, or that of the account pages.
	Door   policy.Door
	Cookie string
	// Proved is when a person has proved the login that this cookie was given for. A
	// step-up is worth nothing to who has the cookie of before, whose session it is too.
	Proved time.Time
	// Bearer says that a token proved the account, whose scope the session has.
	Bearer bool
	// ReadOnly is the scope of that token.
	ReadOnly bool
	// Host is the name under which the gateway was asked.
	Host string
	// UID is the socket's peer.
	UID   int
	local bool
	// manage is what the account may do for others.
	manage policy.Manage
	// release ends the request of a session that lives on requests; nil elsewhere.
	release func()
}

// Socket reports whether the caller came over the local socket.
func (c Caller) Socket() bool { return c.local }

// Actor names the caller in events.
func (c Caller) Actor() string {
	if c.Socket() {
		return fmt.Sprintf("socket (uid %d)", c.UID)
	}
	return c.Name
}

// Option bends the rules that the socket is exempt from, and names the address from
// which an administrator must be able to come in after a change too.
func (c Caller) Option() accounts.Option {
	if c.Socket() {
		return accounts.Forced
	}
	return accounts.From(c.Address)
}

type callerKey struct{}

// Stale refuses what takes a proof of the last minutes: no token, app password or
// client changes credentials of its own account, nor does a browser left open.
func (c Caller) Stale() (status int, why string) {
	switch {
	case c.Socket():
		return 0, ""
	case c.Bearer || !c.Session.Interactive():
		return http.StatusForbidden, "no token changes the credentials of its own account: log in with the password"
	case !c.Session.Fresh() || !session.IsFresh(c.Proved):
		return http.StatusForbidden, "the login was proved too long ago for this: POST /login/step-up first"
	}
	return 0, ""
}

// Fresh is Stale as an error.
func (c Caller) Fresh() error {
	if status, why := c.Stale(); status != 0 {
		return huma.NewError(status, why)
	}
	return nil
}

// WithCaller says on whose behalf what follows is done.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerOf returns who called the operation.
func CallerOf(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

// SocketCaller takes the peer of the local socket for an administrator.
func (a *API) SocketCaller(r *http.Request) (*Caller, error) {
	a.current(r.Context())()
	return &Caller{Name: "socket", Role: policy.RoleAdmin, UID: PeerUID(r.Context()), local: true}, nil
}

// Administers reports whether the caller is an administrator.
func (c Caller) Administers() bool { return c.Socket() || c.Role == policy.RoleAdmin }

// Is reports whether the caller is this very account.
func (c Caller) Is(x accounts.Account) bool { return c.Session != nil && c.Session.AccountID() == x.ID }

// ID is the caller's in records: its account's, or "socket".
func (c Caller) ID() string {
	if c.Session == nil {
		return c.Name
	}
	return c.Session.AccountID()
}

// Delegate reports whether the caller may manage accounts of anybody at all.
func (c Caller) Delegate() bool {
	return c.Role == policy.RoleUser && (c.manage.Users || c.manage.Guests)
}

// Interactive refuses who has not logged in with a password.
func (c Caller) Interactive() error {
	switch {
	case c.Socket():
		return huma.NewError(http.StatusForbidden, "the local socket has no account of its own")
	case c.Session == nil:
		return huma.NewError(http.StatusUnauthorized, "log in first")
	case c.Bearer || !c.Session.Interactive():
		return huma.NewError(http.StatusForbidden, "this takes a login with a password: POST /login")
	}
	return nil
}
