package presence

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"gatehouse/storage/pause"
	"gatehouse/storage/state"
	"gatehouse/storage/state/typed"
)

// Join adds the sessions of other nodes that live to those of this one, by id.
func (b *Board) Join(ctx context.Context, joined map[string]Description) error {
	if b == nil {
		return nil
	}
	return typed.All(ctx, b.state, Scope, "", func(r state.Record) error {
		holder, _, ok := cutID(r.Name)
		if !ok || holder == b.nodes.Holder() || !b.nodes.Living(holder) {
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

// WhoHas are the presences of a session on other nodes that live.
func (b *Board) WhoHas(ctx context.Context, id string) ([]string, error) {
	all, err := b.nodes.List(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, n := range all {
		if !n.Self && n.Dead.IsZero() {
			names = append(names, n.Node+"/"+n.Epoch+"/"+id)
		}
	}
	return b.present(ctx, names)
}

// present are those of these presences that are there.
func (b *Board) present(ctx context.Context, names []string) ([]string, error) {
	var there []string
	for _, name := range names {
		_, err := b.state.Get(ctx, Scope, name)
		switch {
		case err == nil:
			there = append(there, name)
		case !errors.Is(err, state.ErrNotFound):
			return nil, fmt.Errorf("look where a session is: %w", err)
		}
	}
	return there, nil
}

// AwaitGone waits until these presences are no more, for a moment: ErrNotGone.
func (b *Board) AwaitGone(ctx context.Context, names []string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, gonePatience, ErrNotGone)
	defer cancel()
	for {
		left, err := b.present(ctx, names)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if err == nil && len(left) == 0 {
			return nil
		}
		if err := pause.For(ctx, lookEvery); err != nil {
			return err
		}
	}
}
