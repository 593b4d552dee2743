// Package provision makes accounts with their homes and the quotas on them, changes
// and deletes them. What belongs to an account follows it, also where a gateway is
// killed in between: the next start goes on, or another node does.
package provision

import (
	"context"
	"log/slog"
	"sync"

	"gatehouse/auth"
	"gatehouse/auth/session"
	"gatehouse/policy/guard"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
	"gatehouse/storage/nodes"
	"gatehouse/storage/quota"
	"gatehouse/storage/traffic"
)

// actor names the gateway in events of its own work.
const actor = "gatehouse"

// Sessions is the part of the sessions that provisioning asks.
type Sessions interface {
	// JudgeAccount has the sessions of an account that are open here judged anew.
	JudgeAccount(id string)
	// Everywhere describes the open sessions of all nodes.
	Everywhere(ctx context.Context, accountID string) ([]session.Description, error)
}

// Config is what a Provisioner is made of.
type Config struct {
	Accounts *accounts.Store
	Auth     *auth.Authenticator
	Sessions Sessions
	Tree     *guard.Tree
	Quotas   *quota.Ledger    // nil: homes have no quotas
	Traffic  *traffic.Traffic // nil: nothing bounds what is moved
	Events   *events.Log
	Nodes    *nodes.Nodes // nil: this gateway is alone
	Log      *slog.Logger
}

// A Provisioner makes, changes and deletes accounts. Safe for concurrent use.
type Provisioner struct {
	accounts *accounts.Store
	auth     *auth.Authenticator
	sessions Sessions
	tree     *guard.Tree
	quotas   *quota.Ledger
	traffic  *traffic.Traffic
	events   *events.Log
	nodes    *nodes.Nodes
	log      *slog.Logger

	order   order
	ctx     context.Context // ends with New's, or with Close
	stop    context.CancelFunc
	running sync.WaitGroup
}

// New makes a provisioner. Until Close, or until ctx ends, it has quotas follow
// accounts and groups, disables accounts that nobody uses, and goes on with the
// homes of deleted accounts that a former run did not come to.
func New(ctx context.Context, c Config) *Provisioner {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	p := &Provisioner{
		accounts: c.Accounts, auth: c.Auth, sessions: c.Sessions, tree: c.Tree, quotas: c.Quotas, traffic: c.Traffic,
		events: c.Events, nodes: c.Nodes, log: c.Log,
	}
	p.ctx, p.stop = context.WithCancel(ctx)
	changes := p.accounts.Changes(p.ctx)
	p.running.Go(func() { p.keepHomes(changes) })
	p.running.Go(func() { p.sweepInactive(p.ctx) })
	return p
}

// Close ends what goes on in the background, and waits for it. What was not done
// is done by the next start.
func (p *Provisioner) Close() {
	p.stop()
	p.running.Wait()
}

// system is the provisioner's own way to the tree.
func (p *Provisioner) system() *guard.FS { return p.tree.System(actor, p.events.Note) }
