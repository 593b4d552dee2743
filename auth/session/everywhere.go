package session

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"gatehouse/auth/session/presence"
	"gatehouse/policy"
)

// Description is what administrators see of a session.
type Description = presence.Description

// Errors of what other nodes have to do with, as in presence.
var (
	ErrUntold   = presence.ErrUntold
	ErrNotEnded = presence.ErrNotGone
)

// Everywhere describes the open sessions of all nodes, the oldest first; of one
// account, where its id is given. A session that several nodes have is one. It is
// List where this node is alone.
func (m *Manager) Everywhere(ctx context.Context, accountID string) ([]Description, error) {
	joined := make(map[string]Description)
	for _, d := range m.List() {
		if m.nodes != nil {
			d.Nodes = []string{m.node}
		}
		joined[d.ID] = d
	}
	if err := m.presence.Join(ctx, joined); err != nil {
		return nil, fmt.Errorf("list the sessions of other nodes: %w", err)
	}
	list := make([]Description, 0, len(joined))
	for _, d := range joined {
		if accountID == "" || d.AccountID == accountID {
			list = append(list, d)
		}
	}
	slices.SortFunc(list, func(a, b Description) int {
		if c := a.Since.Compare(b.Since); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return list, nil
}

// EndAnywhere ends a session on whichever nodes have it; false where none has. It
// waits until they have ended it, for a moment: ErrNotEnded. Nobody resumes it then, also
// where this node is killed at once.
func (m *Manager) EndAnywhere(ctx context.Context, id, why string) (bool, error) {
	s, _ := m.table.get(id)
	here := m.End(id, why)
	if m.nodes == nil {
		if !here || s.door.IsFile() { // nothing remembers it
			return here, nil
		}
		return true, m.wish(ctx, endSession+id, ending{Why: why, At: time.Now()})
	}
	names, err := m.presence.WhoHas(ctx, id)
	if err != nil || len(names) == 0 && !here { // of requests others may have it since a moment ago
		return here, err
	}
	e := ending{Why: why, At: time.Now()}
	m.ended.note(endSession+id, e)
	if err := m.wish(ctx, endSession+id, e); err != nil {
		return here, err
	}
	return true, m.presence.AwaitGone(ctx, names)
}

// EndOthers ends every other session of the account of s, on whichever node.
func (m *Manager) EndOthers(ctx context.Context, s *Session, why string) error {
	e := ending{Why: why, But: s.id, At: time.Now()}
	m.ended.note(endAccount+s.accountID, e)
	for _, other := range m.table.of(s.accountID) {
		if other != s {
			m.end(other, policy.Decision{Rule: policy.RuleEnded, Because: why})
		}
	}
	return m.wish(ctx, endAccount+s.accountID, e)
}
