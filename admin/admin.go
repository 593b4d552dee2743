// Package admin is the administration's side of the gateway: the HTTP API for
// accounts, groups, site policy, sessions, events and explain, and the local
// socket on which the same API trusts whoever can open it.
package admin

import (
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"gatehouse/auth/session"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
	"gatehouse/storage/locks"
	"gatehouse/storage/quota"
)

// Prefix is where the API stands.
const Prefix = "/api/v1"

// Config is what an API is made of.
type Config struct {
	Accounts *accounts.Store
	Sessions *session.Manager
	Events   *events.Log
	Quotas   *quota.Ledger
	Locks    *locks.Table
	Log      *slog.Logger
	Version  string
	// Hosts are the names under which the API answers, beside loopback.
	Hosts []string
	// Backup writes a backup; only the socket offers it.
	Backup Backuper
	// Doctor reports on the running gateway.
	Doctor Doctor
	// Connection tells the client's address and transport of a request.
	Connection Connection
	// Reach tells how people reach the doors from outside.
	Reach Reach
}

// An API answers administrators. Safe for concurrent use.
type API struct {
	Config
	cookies   *cookieJar
	followers *followers
}

// New makes the API.
func New(c Config) *API {
	return &API{Config: c, cookies: newCookieJar(), followers: newFollowers()}
}

// Close ends every login over the API.
func (a *API) Close() { a.cookies.close() }

// Handler answers on the web listeners: a caller proves an account.
func (a *API) Handler() http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusForbidden, "requests from other sites' pages are refused")
	}))
	return unkept(a.hostCheck(a.encryptedOnly(protection.Handler(jsonOnly(a.mux(a.webCaller))))))
}

// Socket answers on the local socket: who can open it is an administrator.
func (a *API) Socket() http.Handler { return a.mux(a.socketCaller) }

func (a *API) mux(who identify) http.Handler {
	mux := http.NewServeMux()
	api := humago.NewWithPrefix(mux, Prefix, a.humaConfig())
	api.UseMiddleware(a.callerMiddleware(api, who))
	a.registerSelf(api)
	a.registerAccounts(api)
	a.registerLife(api)
	a.registerExport(api)
	a.registerAccess(api)
	a.registerInvitations(api)
	a.registerCredentials(api)
	a.registerGrants(api)
	a.registerGroups(api)
	a.registerSite(api)
	a.registerSessions(api)
	a.registerEvents(api)
	a.registerDocument(api)
	a.registerExplain(api)
	a.registerLocks(api)
	a.registerQuotas(api)
	a.registerOperation(api)
	a.servePage(mux, api.OpenAPI())
	return patient(withProblems(mux))
}

func (a *API) humaConfig() huma.Config {
	c := huma.DefaultConfig("Gatehouse", a.Version)
	c.CreateHooks = nil // no $schema links in bodies
	c.SchemasPath = ""
	c.DocsPath = "" // the page would load scripts from another host
	c.Servers = []*huma.Server{{URL: Prefix}}
	c.Transformers = []huma.Transformer{withoutValues}
	c.RejectUnknownQueryParameters = true
	return c
}

// withoutValues keeps what was sent out of problem documents: it may be a secret.
func withoutValues(_ huma.Context, _ string, body any) (any, error) {
	problem, ok := body.(*huma.ErrorModel)
	if !ok {
		return body, nil
	}
	for _, d := range problem.Errors {
		d.Value = nil
	}
	return problem, nil
}
