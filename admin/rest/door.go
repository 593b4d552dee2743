package rest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"gatehouse/auth"
	"gatehouse/policy"
)

// Identify finds the caller of a request; nil is nobody. What was sent to prove
// an account and does not is an error.
type Identify func(*http.Request) (*Caller, error)

// CallerMiddleware finds the caller of a request, refuses what is not its to ask,
// and puts it into the context.
func (a *API) CallerMiddleware(api huma.API, who Identify) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, _ := humago.Unwrap(ctx)
		c, err := who(r)
		if err != nil {
			writeProblem(api, ctx, a.Problem(err))
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
			c = &Caller{}
		}
		c.Address, c.Transport = a.Connection(r)
		c.Host, c.Door = r.Host, policy.API
		next(huma.WithValue(ctx, callerKey{}, *c))
	}
}

// writeProblem answers with an error that problem has made.
func writeProblem(api huma.API, ctx huma.Context, err error) {
	status := http.StatusInternalServerError
	if told, ok := errors.AsType[huma.HeadersError](err); ok {
		for name, values := range told.GetHeaders() {
			for _, value := range values {
				ctx.AppendHeader(name, value)
			}
		}
	}
	if known, ok := errors.AsType[huma.StatusError](err); ok {
		status = known.GetStatus()
	}
	_ = huma.WriteErr(api, ctx, status, err.Error())
}

// Guarded is what every request of the web listeners passes first. It is asked
// under a name of the gateway, encrypted, and by no page of another site.
func (a *API) Guarded(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusForbidden, "requests from other sites' pages are refused")
	}))
	return unkept(a.hostCheck(a.encryptedOnly(protection.Handler(jsonOnly(next)))))
}

// hostCheck refuses names that are not the gateway's own, so that a page of
// another site cannot reach the API by rebinding its name.
func (a *API) hostCheck(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !a.KnownHost(r.Host) {
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
		if reference, clear := a.Overheard(r, policy.API); clear {
			refuse(w, http.StatusForbidden, "this server takes passwords over an encrypted connection only: use https"+reference)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Overheard reports whether others can have read a request on its way, and the
// reference of the refusal.
func (a *API) Overheard(r *http.Request, door policy.Door) (reference string, clear bool) {
	from, transport := a.Connection(r)
	if transport != policy.Clear || from.IsLoopback() {
		return "", false
	}
	err := a.Sessions.RefuseOverheard(r.Context(), auth.Attempt{Door: door, Address: from, Transport: transport, Client: r.UserAgent()})
	if refused, ok := errors.AsType[*auth.RefusedError](err); ok {
		return " (reference " + refused.Reference + ")", true
	}
	a.Log.Error("a refusal was not recorded", "error", err)
	return "", true
}

// KnownHost reports whether a host is a name of the gateway.
func (a *API) KnownHost(hostPort string) bool {
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

// refresh reads the caller's role and rights over others anew: its session hears
// of a change a moment later, and who was demoted must not have that moment.
func (a *API) refresh(ctx context.Context, c *Caller) {
	if c == nil || c.Session == nil {
		return
	}
	c.Role, c.manage = "", policy.Manage{}
	if x, err := a.Accounts.ByID(ctx, c.Session.AccountID()); err == nil {
		c.Role, c.manage = x.Role, x.Manage
	}
}
