package admin

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// A caller is who asks: an admitted session, or the socket's peer.
type caller struct {
	Name      string // the account, or "socket"
	Role      policy.Role
	Session   *session.Session // nil on the socket
	Address   netip.Addr
	Transport policy.Transport
	Cookie    string
	// UID is the socket's peer.
	UID int
}

// Socket reports whether the caller came over the local socket.
func (c caller) Socket() bool { return c.Session == nil }

// attempt is the caller at the API door, as if it came in now.
func (c caller) attempt() policy.Attempt {
	return policy.Attempt{
		Door: policy.API, Address: c.Address, Transport: c.Transport, Time: time.Now(),
		Credential: policy.Credential{Kind: policy.KindCookie, Proved: true},
	}
}

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

// identify finds the caller of a request; nil is nobody.
type identify func(*http.Request) *caller

// Connection tells where a request comes from, trusted proxies taken into account.
type Connection func(*http.Request) (netip.Addr, policy.Transport)

type callerKey struct{}

// A right says who may call an operation.
type right string

const (
	rightAnyone right = "anyone" // even without a login
	rightSelf   right = "self"   // every account, also one that must change its password
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
		c := who(r)
		if status, why := judge(rightOf(ctx.Operation()), c); status != 0 {
			_ = huma.WriteErr(api, ctx, status, why)
			return
		}
		if c == nil {
			c = &caller{}
		}
		c.Address, c.Transport = a.Connection(r)
		next(huma.WithValue(ctx, callerKey{}, *c))
	}
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
		return 0, ""
	}
	if needs == rightSelf {
		return 0, ""
	}
	if c.Session.MustChange() {
		return http.StatusForbidden, "the password must be changed first: PUT /me/password"
	}
	may := map[right][]policy.Role{
		rightRead:  {policy.RoleAdmin, policy.RoleAuditor},
		rightAdmin: {policy.RoleAdmin},
	}
	if !slices.Contains(may[needs], c.Role) {
		return http.StatusForbidden, "this takes another role"
	}
	return 0, ""
}

// callerOf returns who called the operation.
func callerOf(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c
}

// socketCaller takes the peer of the local socket for an administrator.
func (a *API) socketCaller(r *http.Request) *caller {
	return &caller{Name: "socket", Role: policy.RoleAdmin, UID: PeerUID(r.Context())}
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
		if from, transport := a.Connection(r); transport == policy.Clear && !from.IsLoopback() {
			refuse(w, http.StatusForbidden, "this server takes passwords over an encrypted connection only: use https")
			return
		}
		next.ServeHTTP(w, r)
	})
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
