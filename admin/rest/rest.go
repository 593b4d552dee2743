// Package rest is what every operation of the HTTP API stands on: who calls and
// how that is proved, the rights that an operation asks for, problem documents,
// entity tags, merge patches, the record of a change in the trail.
package rest

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"

	"gatehouse/admin/rest/logins"
	"gatehouse/auth"
	"gatehouse/auth/explain"
	"gatehouse/auth/provision"
	"gatehouse/auth/selfservice"
	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
	"gatehouse/storage/nodes"
)

// Prefix is where the API stands.
const Prefix = "/api/v1"

// An API is what operations work with. The packages of operations embed it.
type API struct {
	Accounts *accounts.Store
	// Auth tells what stands against accounts and addresses.
	Auth     *auth.Authenticator
	Sessions *session.Manager
	// Tree is where folders are looked at and made for administrators.
	Tree *guard.Tree
	// Provision makes, changes and deletes accounts.
	Provision *provision.Provisioner
	// SelfService has accounts change what they are proved with.
	SelfService *selfservice.Desk
	// Explain says what would be decided.
	Explain *explain.Explainer
	Events  *events.Log
	Log     *slog.Logger
	// Hosts are the names under which the API answers, beside loopback.
	Hosts []string
	// Connection tells the client's address and transport of a request.
	Connection Connection
	// Reach tells how people reach the doors from outside.
	Reach Reach
	// Cookies holds the logins of browsers.
	Cookies *logins.Jar
	// Nodes are the gateways that act as one; nil: this one is alone.
	Nodes *nodes.Nodes
	// FormKey makes the tokens of the account pages' forms, the same on every node.
	FormKey []byte
}

// Connection tells where a request comes from, trusted proxies taken into account.
type Connection func(*http.Request) (netip.Addr, policy.Transport)

// System is the caller's own way to the tree, past all grants.
func (a *API) System(ctx context.Context) *guard.FS {
	return a.Tree.System(CallerOf(ctx).Actor(), a.Events.Note)
}

// FolderThere refuses what is no folder: most often a misspelling.
func (a *API) FolderThere(ctx context.Context, field string, p path.Path) error {
	info, err := a.System(ctx).Lstat(ctx, p)
	if err != nil || !info.IsDir() {
		return Invalid(field, "there is no folder "+p.String())
	}
	return nil
}
