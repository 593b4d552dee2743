package session

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/state"
	"gatehouse/storage/state/follow"
	"gatehouse/storage/state/typed"
)

// endScope has the wishes that sessions end which other nodes may have: by
// session/ID, or account/ID for all of an account but one.
const (
	endScope   = "sessions:end"
	endSession = "session/"
	endAccount = "account/"
	endLife    = time.Hour // longer than a node can be away and have sessions
	endAgain   = time.Second
)

// An ending is such a wish.
type ending struct {
	Why string    `json:"why"`
	But string    `json:"but,omitempty"` // a session of the account that stays
	At  time.Time `json:"at"`

	heard time.Time // by this node's clock
}

// wish tells the other nodes, and the next run, what is to end: what remembers a
// session that was ended goes on with it on neither.
func (m *Manager) wish(ctx context.Context, name string, e ending) error {
	p, err := typed.Put(name, e)
	if err != nil {
		return err
	}
	p.TTL = endLife
	if _, err := typed.Settle(ctx, m.state, state.Batch{Scope: endScope, Puts: []state.Put{p}}); err != nil {
		return fmt.Errorf("have a session stay ended: %w", err)
	}
	return nil
}

// followEnds ends the sessions here that other nodes wish to end, until ctx ends.
func (m *Manager) followEnds(ctx context.Context) {
	followers := follow.New(m.state)
	scope := follow.Scope{Name: endScope, Load: m.loadEnds, One: m.endWished, All: func() {}}
	for followers.Start(ctx, scope) != nil {
		select {
		case <-time.After(endAgain):
		case <-ctx.Done():
			return
		}
	}
	followers.Wait()
}

// loadEnds grants the wishes that this node may have missed.
func (m *Manager) loadEnds(ctx context.Context) (uint64, error) {
	revision, err := m.state.Revision(ctx, endScope)
	if err != nil {
		return 0, err
	}
	return revision, typed.All(ctx, m.state, endScope, "", func(r state.Record) error {
		var e ending
		if err := typed.Decode(r, &e); err != nil {
			return err
		}
		m.grant(r.Name, e, func(s *Session) bool { return s.isMeant(r.Name, e) })
		return nil
	})
}

func (m *Manager) endWished(ctx context.Context, c state.Change) error {
	if c.Deleted {
		return nil
	}
	r, err := m.state.Get(ctx, endScope, c.Name)
	if errors.Is(err, state.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var e ending
	if err := typed.Decode(r, &e); err != nil {
		return err
	}
	m.grant(c.Name, e, func(*Session) bool { return true })
	return nil
}

// isMeant reports whether a wish of some time ago is for this session: one of
// requests may have begun anew since.
func (s *Session) isMeant(name string, e ending) bool {
	return !s.byRequest && name == endSession+s.id || s.since.Before(e.At)
}

// grant ends the sessions that a wish names and that are meant. It is noted first:
// who is being resumed is found here, or finds it there.
func (m *Manager) grant(name string, e ending, meant func(*Session) bool) {
	m.ended.note(name, e)
	var list []*Session
	if id, ok := strings.CutPrefix(name, endSession); ok {
		if s, open := m.table.get(id); open {
			list = append(list, s)
		}
	}
	if id, ok := strings.CutPrefix(name, endAccount); ok {
		list = m.table.of(id)
	}
	for _, s := range list {
		if s.id != e.But && meant(s) {
			m.end(s, policy.Decision{Rule: policy.RuleEnded, Because: e.Why})
		}
	}
}
