package nodes

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"gatehouse/storage/state"
)

// A Node is a run as people see it.
type Node struct {
	Node    string    `json:"node"`
	Epoch   string    `json:"epoch"`
	Address string    `json:"address,omitempty"`
	Version string    `json:"version,omitempty"`
	Since   time.Time `json:"since"`
	// LastBeat is when it was last heard of; zero where that is longer ago than
	// its lease.
	LastBeat time.Time `json:"last_beat,omitzero"`
	// Dead is when it was declared dead. What it left is not buried yet.
	Dead time.Time `json:"dead,omitzero"`
	Self bool      `json:"self"`
	// Ahead is how much its clock was ahead of the store's at the last beat, by so
	// much too little as the beat was on its way; 0 where that is not known.
	Ahead time.Duration `json:"-"`
}

// List returns all runs that have not ended, in order of their names, read from
// the store.
func (n *Nodes) List(ctx context.Context) ([]Node, error) { return list(ctx, n.state, n.own) }

// Look is List for who looks at a store without being one of its nodes.
func Look(ctx context.Context, st state.Store) ([]Node, error) { return list(ctx, st, "") }

func list(ctx context.Context, st state.Store, own string) ([]Node, error) {
	found, err := read(ctx, st)
	if err != nil {
		return nil, fmt.Errorf("list the nodes: %w", err)
	}
	var list []Node
	for holder, m := range found {
		node, epoch, _ := strings.Cut(holder, "/")
		one := Node{
			Node: node, Epoch: epoch, Address: m.Address, Version: m.Version, Since: m.Since, Dead: m.Dead, Self: holder == own,
		}
		if !m.beat.IsZero() {
			one.LastBeat = m.beat.Add(-m.Lease)
			if !m.clock.IsZero() {
				one.Ahead = m.clock.Sub(one.LastBeat)
			}
		}
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b Node) int {
		if c := strings.Compare(a.Node, b.Node); c != 0 {
			return c
		}
		return a.Since.Compare(b.Since)
	})
	return list, nil
}
