package session

import (
	"context"
	"errors"

	"gatehouse/auth"
	"gatehouse/policy"
)

// OffersKey reports whether an offered public key would be taken for the
// account, so that SSH can answer the query. It admits nobody.
func (m *Manager) OffersKey(ctx context.Context, a auth.Attempt) bool {
	return m.auth.OffersKey(ctx, a)
}

// RefuseOffer puts into the log that somebody left who had offered an account keys
// or certificates, such as this one, and signed with none: once in a while, as with
// all that costs nobody any work.
func (m *Manager) RefuseOffer(ctx context.Context, a auth.Attempt) error {
	p, err := m.auth.Offered(ctx, a)
	if err != nil {
		return err
	}
	d := judged(p)(m.table.count(p.Account.ID, p.Attempt.Address))
	if d.Rule == policy.RuleCredential && p.Why != "" {
		d.Because = p.Why
	}
	key := unruled(a, p)
	key.rule = d.Rule // nobody hears the reference
	err = m.turnAway(ctx, key, a, p, d)
	if _, recorded := errors.AsType[*auth.RefusedError](err); recorded {
		return nil
	}
	return err
}
