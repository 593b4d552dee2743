package session

import (
	"context"

	"gatehouse/auth"
	"gatehouse/policy"
)

// RefuseOverheard refuses an attempt over clear HTTP that others can have read,
// before its credential is looked at. Where it is not known who asks, as where
// the headers of proxies disagree, that is what is named: the address comes
// before the transport.
func (m *Manager) RefuseOverheard(ctx context.Context, a auth.Attempt) error {
	d := policy.Decision{Rule: policy.RuleTransport, Because: "clear HTTP from beyond loopback, and no trusted proxy says https"}
	if !a.Address.IsValid() {
		d = policy.Decision{Rule: policy.RuleAddress, Because: "where the request comes from cannot be told: the proxies' headers name no address, or not the same one"}
	}
	return m.Refuse(ctx, a, d)
}
