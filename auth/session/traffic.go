package session

import (
	"context"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/storage/traffic"
)

// TrafficUse returns what an account has moved today and this month, where that
// is bounded.
func (m *Manager) TrafficUse(ctx context.Context, e policy.Effective) (traffic.Use, error) {
	if m.traffic == nil {
		return traffic.Use{}, nil
	}
	return m.traffic.Use(ctx, e.Account().ID, guard.TrafficLimits(e))
}

// dropTraffic forgets what a deleted account has moved.
func (m *Manager) dropTraffic(ctx context.Context, id string) error {
	if m.traffic == nil {
		return nil
	}
	return m.traffic.Drop(ctx, id)
}
