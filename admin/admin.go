// Package admin is the administration's side of the gateway: the HTTP API for
// accounts, site policy, sessions, quotas and locks, composed with the packages
// below it, and the local socket on which the same API trusts whoever can open it.
package admin

import (
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"gatehouse/admin/credential"
	"gatehouse/admin/document"
	"gatehouse/admin/group"
	"gatehouse/admin/invitation"
	"gatehouse/admin/rest"
	"gatehouse/admin/rest/logins"
	"gatehouse/admin/rights"
	"gatehouse/admin/self"
	"gatehouse/admin/trail"
	"gatehouse/admin/usage"
	"gatehouse/admin/webhook"
	"gatehouse/admin/webhooks"
	"gatehouse/auth"
	"gatehouse/auth/explain"
	"gatehouse/auth/provision"
	"gatehouse/auth/selfservice"
	"gatehouse/auth/session"
	"gatehouse/policy/guard"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
	"gatehouse/storage/locks"
	"gatehouse/storage/nodes"
	"gatehouse/storage/quota"
	"gatehouse/storage/seal"
	"gatehouse/storage/state"
)

// Config is what an API is made of.
type Config struct {
	Accounts    *accounts.Store
	Auth        *auth.Authenticator
	Sessions    *session.Manager
	Tree        *guard.Tree
	Provision   *provision.Provisioner
	SelfService *selfservice.Desk
	Explain     *explain.Explainer
	Events      *events.Log
	Quotas      *quota.Ledger
	Locks       *locks.Table
	Webhooks    *webhooks.Service
	// Nodes are the gateways that act as one; nil: this one is alone.
	Nodes *nodes.Nodes
	// State keeps the logins of browsers, sealed by Sealer.
	State   state.Store
	Sealer  *seal.Sealer
	Log     *slog.Logger
	Version string
	// Hosts are the names under which the API answers, beside loopback.
	Hosts []string
	// Backup writes a backup; only the socket offers it.
	Backup Backuper
	// Doctor reports on the running gateway.
	Doctor Doctor
	// Connection tells the client's address and transport of a request.
	Connection rest.Connection
	// Reach tells how people reach the doors from outside.
	Reach rest.Reach
}

// An API answers administrators. Safe for concurrent use.
type API struct {
	*rights.Judge
	locks       *locks.Table
	nodes       *nodes.Nodes
	version     string
	backup      Backuper
	doctor      Doctor
	credentials *credential.Keeper
	quotas      *usage.API
	trail       *trail.API
	webhooks    *webhook.API
	groups      *group.API
	links       *invitation.API
	documents   *document.API
	self        *self.API
}

// New makes the API.
func New(c Config) *API {
	var forms []byte
	if c.Sealer != nil {
		forms = c.Sealer.Derive("forms of the account pages")
	}
	judge := rights.New(&rest.API{
		Accounts: c.Accounts, Auth: c.Auth, Sessions: c.Sessions, Tree: c.Tree, Provision: c.Provision,
		SelfService: c.SelfService, Explain: c.Explain, Events: c.Events, Log: c.Log, Hosts: c.Hosts,
		Connection: c.Connection, Reach: c.Reach, FormKey: forms, Nodes: c.Nodes,
		Cookies: logins.New(logins.Config{State: c.State, Sealer: c.Sealer, Sessions: c.Sessions, Accounts: c.Accounts, Log: c.Log}),
	})
	a := &API{
		Judge: judge, locks: c.Locks, nodes: c.Nodes, version: c.Version, backup: c.Backup, doctor: c.Doctor,
		credentials: credential.New(judge.API), quotas: usage.New(judge, c.Quotas), trail: trail.New(judge),
		webhooks: webhook.NewAPI(judge, c.Webhooks),
		groups:   group.New(judge), links: invitation.New(judge),
	}
	a.documents = document.New(judge, a.quotas)
	a.self = self.New(judge, a.credentials, a.links, a.quotas)
	return a
}

// Close lets go of every login over the API: they go on with the next start, or
// on another node.
func (a *API) Close() { a.Cookies.Close() }

// Pages answers the pages of /account/.
func (a *API) Pages() http.Handler { return a.self.Pages() }

// Handler answers on the web listeners: a caller proves an account.
func (a *API) Handler() http.Handler { return a.Guarded(a.mux(a.WebCaller)) }

// Socket answers on the local socket: who can open it is an administrator.
func (a *API) Socket() http.Handler { return a.mux(a.SocketCaller) }

func (a *API) mux(who rest.Identify) http.Handler {
	mux := http.NewServeMux()
	api := humago.NewWithPrefix(mux, rest.Prefix, a.humaConfig())
	api.UseMiddleware(a.CallerMiddleware(api, who))
	a.self.Register(api)
	a.registerAccounts(api)
	a.registerLife(api)
	a.registerBans(api)
	a.registerExport(api)
	a.registerAccess(api)
	a.links.Register(api)
	a.registerCredentials(api)
	a.registerGrants(api)
	a.groups.Register(api)
	a.registerSite(api)
	a.registerSessions(api)
	a.registerNodes(api)
	a.trail.Register(api)
	a.webhooks.Register(api)
	a.documents.Register(api)
	a.registerExplain(api)
	a.registerLocks(api)
	a.quotas.Register(api)
	a.registerOperation(api)
	a.servePage(mux, api.OpenAPI())
	return rest.Answering(mux)
}

func (a *API) humaConfig() huma.Config {
	c := huma.DefaultConfig("Gatehouse", a.version)
	c.CreateHooks = nil // no $schema links in bodies
	c.SchemasPath = ""
	c.DocsPath = "" // the page would load scripts from another host
	c.Servers = []*huma.Server{{URL: rest.Prefix}}
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
