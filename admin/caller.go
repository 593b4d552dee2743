package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"gatehouse/auth"
	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// A caller is who asks: an admitted session, or the socket's peer.
type caller struct {
	Name      string // the account, or "socket"
	Role      policy.Role
	Session   *session.Session // nil on the socket, and of nobody
	Address   netip.Addr
	Transport policy.Transport
	// Door is the API's, or that of the account pages.
	Door   policy.Door
	Cookie string
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
func (c caller) Socket() bool { return c.local }

// actor names the caller in events.
func (c caller) actor() string {
	if c.Socket() {
		return fmt.Sprintf("socket (uid %d)", c.UID)
	}
	return c.Name
}

// option bends the rules that the socket is exempt from.
func (c caller) option() accounts.Option {
	if c.Socket() {
		return accounts.Forced
	}
	return accounts.Guarded
}

// identify finds the caller of a request; nil is nobody. What was sent to prove
// an account and does not is an error.
type identify func(*http.Request) (*caller, error)

// Connection tells where a request comes from, trusted proxies taken into account.
type Connection func(*http.Request) (netip.Addr, policy.Transport)

type callerKey struct{}

// A right says who may call an operation.
type right string

const (
	rightAnyone right = "anyone" // even without a login
	rightSelf   right = "self"   // every account, also one that must change its password or enrol first
	rightOwn    right = "own"    // every account
	rightFresh  right = "fresh"  // every account that has proved itself a moment ago
	rightRead   right = "read"   // admins and auditors
	rightAdmin  right = "admin"
	rightSocket right = "socket"
)

// rightOf reads the right that an operation was registered with; what says
// nothing is for admins alone.
func rightOf(op *huma.Operation) right {
	if r, ok := op.Metadata["right"].(right); ok {
		return r
	}
	return rightAdmin
}

func (a *API) callerMiddleware(api huma.API, who identify) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, _ := humago.Unwrap(ctx)
		c, err := who(r)
		if err != nil {
			writeProblem(api, ctx, a.problem(err))
			return
		}
		if c != nil && c.release != nil {
			defer c.release()
		}
		a.refresh(r.Context(), c)
		if status, why := judgeRequest(ctx.Operation(), c); status != 0 {
			_ = huma.WriteErr(api, ctx, status, why)
			return
		}
		if c == nil {
			c = &caller{}
		}
		c.Address, c.Transport = a.Connection(r)
		c.Host, c.Door = r.Host, policy.API
		next(huma.WithValue(ctx, callerKey{}, *c))
	}
}

// writeProblem answers with an error that problem has made.
func writeProblem(api huma.API, ctx huma.Context, err error) {
	status := http.StatusInternalServerError
	if known, ok := errors.AsType[huma.StatusError](err); ok {
		status = known.GetStatus()
	}
	_ = huma.WriteErr(api, ctx, status, err.Error())
}

// judgeRequest is judge for a request: a token's scope is asked with each one.
func judgeRequest(op *huma.Operation, c *caller) (status int, why string) {
	if status, why := judge(rightOf(op), c); status != 0 {
		return status, why
	}
	if c == nil || !c.ReadOnly {
		return 0, ""
	}
	if reads, _ := op.Metadata["reads"].(bool); reads || op.Method == http.MethodGet || op.Method == http.MethodHead {
		return 0, ""
	}
	return http.StatusForbidden, "this token is for reading alone"
}

// judge returns the status that refuses, 0 where the caller may go on.
func judge(needs right, c *caller) (status int, why string) {
	if needs == rightAnyone {
		return 0, ""
	}
	if c == nil {
		return http.StatusUnauthorized, "log in first"
	}
	if c.Socket() {
		if needs == rightOwn || needs == rightFresh {
			return http.StatusForbidden, "the local socket has no account of its own"
		}
		return 0, ""
	}
	if needs == rightSelf {
		return 0, ""
	}
	if c.Session.MustChange() {
		return http.StatusForbidden, "the password must be changed first: PUT /me/password"
	}
	if c.Session.MustEnrol() {
		return http.StatusForbidden, "a second factor must be enrolled first: POST /me/totp"
	}
	switch needs {
	case rightOwn, rightGroup:
		return 0, ""
	case rightFresh:
		return c.stale()
	}
	may := map[right][]policy.Role{
		rightRead:  {policy.RoleAdmin, policy.RoleAuditor},
		rightAdmin: {policy.RoleAdmin},

		rightLook:   {policy.RoleAdmin, policy.RoleAuditor},
		rightManage: {policy.RoleAdmin},
	}
	if (needs == rightLook || needs == rightManage) && c.delegate() {
		return 0, ""
	}
	if !slices.Contains(may[needs], c.Role) {
		return http.StatusForbidden, "this takes another role"
	}
	return 0, ""
}

// stale refuses what takes a proof of the last minutes: no token, app password or
// client changes credentials of its own account, nor does a browser left open.
func (c caller) stale() (status int, why string) {
	switch {
	case c.Socket():
		return 0, ""
	case c.Bearer || !c.Session.Interactive():
		return http.StatusForbidden, "no token changes the credentials of its own account: log in with the password"
	case !c.Session.Fresh():
		return http.StatusForbidden, "the login was proved too long ago for this: POST /login/step-up first"
	}
	return 0, ""
}

// fresh is stale as an error.
func (c caller) fresh() error {
	if status, why := c.stale(); status != 0 {
		return huma.NewError(status, why)
	}
	return nil
}

// callerOf returns who called the operation.
func callerOf(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c
}

// socketCaller takes the peer of the local socket for an administrator.
func (a *API) socketCaller(r *http.Request) (*caller, error) {
	return &caller{Name: "socket", Role: policy.RoleAdmin, UID: PeerUID(r.Context()), local: true}, nil
}

// hostCheck refuses names that are not the gateway's own, so that a page of
// another site cannot reach the API by rebinding its name.
func (a *API) hostCheck(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !a.knownHost(r.Host) {
			refuse(w, http.StatusMisdirectedRequest, "this gateway does not answer under that name: see site_url and hosts")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// encryptedOnly refuses clear HTTP from beyond loopback before a password or a
// cookie is looked at.
func (a *API) encryptedOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if reference, clear := a.overheard(r, policy.API); clear {
			refuse(w, http.StatusForbidden, "this server takes passwords over an encrypted connection only: use https"+reference)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// overheard reports whether others can have read a request on its way, and the
// reference of the refusal.
func (a *API) overheard(r *http.Request, door policy.Door) (reference string, clear bool) {
	from, transport := a.Connection(r)
	if transport != policy.Clear || from.IsLoopback() {
		return "", false
	}
	err := a.Sessions.Refuse(r.Context(), auth.Attempt{Door: door, Address: from, Transport: transport, Client: r.UserAgent()},
		policy.Decision{Rule: policy.RuleTransport, Because: "clear HTTP from beyond loopback, and no trusted proxy says https"})
	if refused, ok := errors.AsType[*auth.RefusedError](err); ok {
		return " (reference " + refused.Reference + ")", true
	}
	a.Log.Error("a refusal was not recorded", "error", err)
	return "", true
}

func (a *API) knownHost(hostPort string) bool {
	host := hostPort
	if h, _, err := net.SplitHostPort(hostPort); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsLoopback() || host == "localhost" {
		return true
	}
	return slices.ContainsFunc(a.Hosts, func(known string) bool { return strings.EqualFold(known, host) })
}

// jsonOnly refuses unsafe requests with a body that is not JSON: a form of
// another site can send nothing else without asking first.
func jsonOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		safe := r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
		kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
		if !safe && r.ContentLength != 0 && strings.TrimSpace(kind) != "application/json" {
			refuse(w, http.StatusUnsupportedMediaType, "bodies are application/json")
			return
		}
		next.ServeHTTP(w, r)
	})
}
