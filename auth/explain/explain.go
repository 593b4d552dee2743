// Package explain says what would become of an attempt to come in and of an
// operation on files, judged as the doors would judge it now, and does neither.
package explain

import (
	"context"
	"net/netip"

	"gatehouse/auth"
	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/storage/accounts"
	"gatehouse/storage/traffic"
)

// Sessions counts the open sessions that limits on an account look at.
type Sessions interface {
	Count(ctx context.Context, a accounts.Account, from netip.Addr) (policy.Sessions, error)
}

// Config is what an Explainer is made of.
type Config struct {
	Accounts *accounts.Store
	Auth     *auth.Authenticator
	Sessions Sessions
	Tree     *guard.Tree
	Traffic  *traffic.Traffic // nil: nothing bounds what is moved
}

// An Explainer judges what nobody does. Safe for concurrent use.
type Explainer struct {
	accounts *accounts.Store
	auth     *auth.Authenticator
	sessions Sessions
	tree     *guard.Tree
	traffic  *traffic.Traffic
}

// New makes an explainer.
func New(c Config) *Explainer {
	return &Explainer{c.Accounts, c.Auth, c.Sessions, c.Tree, c.Traffic}
}
