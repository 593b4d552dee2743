package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	endScope     = "sessions:end"
	endSession   = "session/"
	endAccount   = "account/"
	endLife      = time.Hour // longer than a node can be away and have sessions
	endPatience  = 2 * time.Second
	endLookEvery = 20 * time.Millisecond
)

// ErrNotEnded says that a session is on a node which has not ended it in time. It
// does when it is back, or its sessions end with it.
var ErrNotEnded = errors.New("the session's node does not answer: the session ends once it does")

// An ending is such a wish.
type ending struct {
	Why string    `json:"why"`
	But string    `json:"but,omitempty"` // a session of the account that stays
	At  time.Time `json:"at"`

	heard time.Time // by this node's clock
}

// Everywhere describes the open sessions of all nodes, the oldest first; of one
// account, where its id is given. A session that several nodes have is one. It is
// List where this node is alone.
func (m *Manager) Everywhere(ctx context.Context, accountID string) ([]Description, error) {
	joined := make(map[string]Description)
	for _, d := range m.List() {
		if m.shared != nil {
			d.Nodes = []string{m.node}
		}
		joined[d.ID] = d
	}
	if err := m.shared.others(ctx, joined); err != nil {
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

// others joins the sessions of other nodes that live.
func (s *shared) others(ctx context.Context, joined map[string]Description) error {
	if s == nil {
		return nil
	}
	return typed.All(ctx, s.state, presenceScope, "", func(r state.Record) error {
		holder, _, ok := cutID(r.Name)
		if !ok || holder == s.nodes.Holder() || !s.nodes.Living(holder) {
			return nil
		}
		var d Description
		if err := typed.Decode(r, &d); err != nil {
			return err
		}
		node, _, _ := strings.Cut(holder, "/")
		d.Nodes = []string{node}
		if same, there := joined[d.ID]; there {
			d = same.join(d)
		}
		joined[d.ID] = d
		return nil
	})
}

// cutID takes a presence's name apart.
func cutID(name string) (holder, id string, ok bool) {
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		return "", "", false
	}
	return name[:i], name[i+1:], true
}

// join is a session that two nodes have.
func (d Description) join(other Description) Description {
	if other.Since.Before(d.Since) {
		d.Since = other.Since
	}
	if other.LastActive.After(d.LastActive) {
		d.LastActive = other.LastActive
	}
	d.Nodes = append(slices.Clone(d.Nodes), other.Nodes...)
	slices.Sort(d.Nodes)
	d.Nodes = slices.Compact(d.Nodes)
	return d
}

// EndAnywhere ends a session on whichever nodes have it; false where none has. It
// waits until they have ended it, for a moment: ErrNotEnded.
func (m *Manager) EndAnywhere(ctx context.Context, id, why string) (bool, error) {
	here := m.End(id, why)
	if m.shared == nil {
		return here, nil
	}
	names, err := m.shared.whoHas(ctx, id)
	if err != nil || len(names) == 0 && !here { // of requests others may have it since a moment ago
		return here, err
	}
	e := ending{Why: why, At: time.Now()}
	m.ended.note(endSession+id, e)
	if err := m.shared.wish(ctx, endSession+id, e); err != nil {
		return here, err
	}
	return true, m.shared.awaitEnd(ctx, names)
}

// wish tells the other nodes, where there are any, what is to end.
func (s *shared) wish(ctx context.Context, name string, e ending) error {
	if s == nil {
		return nil
	}
	p, err := typed.Put(name, e)
	if err != nil {
		return err
	}
	p.TTL = endLife
	if _, err := typed.Settle(ctx, s.state, state.Batch{Scope: endScope, Puts: []state.Put{p}}); err != nil {
		return fmt.Errorf("tell the other nodes to end a session: %w", err)
	}
	return nil
}

// whoHas are the presences of a session on other nodes that live.
func (s *shared) whoHas(ctx context.Context, id string) ([]string, error) {
	all, err := s.nodes.List(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, n := range all {
		if !n.Self && n.Dead.IsZero() {
			names = append(names, n.Node+"/"+n.Epoch+"/"+id)
		}
	}
	return s.present(ctx, names)
}

// present are those of these presences that are there.
func (s *shared) present(ctx context.Context, names []string) ([]string, error) {
	var there []string
	for _, name := range names {
		_, err := s.state.Get(ctx, presenceScope, name)
		switch {
		case err == nil:
			there = append(there, name)
		case !errors.Is(err, state.ErrNotFound):
			return nil, fmt.Errorf("look where a session is: %w", err)
		}
	}
	return there, nil
}

func (s *shared) awaitEnd(ctx context.Context, names []string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, endPatience, ErrNotEnded)
	defer cancel()
	for {
		left, err := s.present(ctx, names)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if err == nil && len(left) == 0 {
			return nil
		}
		if err := wait(ctx, endLookEvery); err != nil {
			return err
		}
	}
}

// followEnds ends the sessions here that other nodes wish to end, until ctx ends.
func (m *Manager) followEnds(ctx context.Context) {
	followers := follow.New(m.shared.state)
	scope := follow.Scope{Name: endScope, Load: m.loadEnds, One: m.endWished, All: func() {}}
	for followers.Start(ctx, scope) != nil {
		if wait(ctx, publishAgain) != nil {
			return
		}
	}
	followers.Wait()
}

// loadEnds grants the wishes that this node may have missed.
func (m *Manager) loadEnds(ctx context.Context) (uint64, error) {
	revision, err := m.shared.state.Revision(ctx, endScope)
	if err != nil {
		return 0, err
	}
	return revision, typed.All(ctx, m.shared.state, endScope, "", func(r state.Record) error {
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
	r, err := m.shared.state.Get(ctx, endScope, c.Name)
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
