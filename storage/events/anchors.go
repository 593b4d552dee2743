package events

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"gatehouse/storage/state"
)

// Scope is where the log keeps what it must know of the stream, signed: the
// newest checkpoint of each node, and the anchor.
const Scope = "events"

const (
	anchorRecord     = "anchor"
	checkpointPrefix = "checkpoint/"
)

// An anchor is where the kept part of the trail begins: nothing up to Position
// is judged any more, and what follows goes on from these links.
type anchor struct {
	Position uint64          `json:"position"`
	Nodes    map[string]link `json:"nodes"`
	Time     time.Time       `json:"time"`
	revision uint64
}

// anchor returns the present anchor, the zero one where nothing was ever cut.
func (l *Log) anchor(ctx context.Context) (anchor, error) {
	record, err := l.store.Get(ctx, Scope, anchorRecord)
	if errors.Is(err, state.ErrNotFound) {
		return anchor{}, nil
	}
	if err != nil {
		return anchor{}, fmt.Errorf("read the anchor of the events: %w", err)
	}
	var a anchor
	if err := l.keys.open(anchorName, string(record.Value), &a); err != nil {
		return anchor{}, fmt.Errorf("read the anchor of the events: %w", err)
	}
	a.revision = record.Revision
	return a, nil
}

// setAnchor puts a further anchor in the place of another, ErrConflict where
// another node was first.
func (l *Log) setAnchor(ctx context.Context, was anchor, is anchor) error {
	is.Time = time.Now().Round(0).UTC()
	text, err := l.keys.sign(anchorName, is)
	if err != nil {
		return err
	}
	_, err = l.store.Apply(ctx, state.Batch{
		Scope: Scope, ID: state.NewOperationID(),
		Checks: []state.Check{{Name: anchorRecord, Revision: was.revision}},
		Puts:   []state.Put{{Name: anchorRecord, Value: []byte(text)}},
	})
	if err != nil {
		return fmt.Errorf("keep the anchor of the events: %w", err)
	}
	return nil
}

func (a anchor) with(position uint64, nodes map[string]link) anchor {
	return anchor{Position: position, Nodes: maps.Clone(nodes), revision: a.revision}
}

// keepCheckpoint keeps the newest checkpoint of this node beside the stream, so
// that a stream that has lost its end is found at the next start.
func (l *Log) keepCheckpoint(ctx context.Context, c Checkpoint) error {
	_, err := l.store.Apply(ctx, state.Batch{
		Scope: Scope, ID: state.NewOperationID(),
		Puts: []state.Put{{Name: checkpointPrefix + c.Node, Value: []byte(c.Text)}},
	})
	if err != nil {
		return fmt.Errorf("keep a checkpoint of the events: %w", err)
	}
	return nil
}

// keptCheckpoint returns the newest checkpoint of a node, the zero one where
// there is none.
func (l *Log) keptCheckpoint(ctx context.Context, node string) (Checkpoint, error) {
	record, err := l.store.Get(ctx, Scope, checkpointPrefix+node)
	if errors.Is(err, state.ErrNotFound) {
		return Checkpoint{}, nil
	}
	if err != nil {
		return Checkpoint{}, fmt.Errorf("read the checkpoint of %s: %w", node, err)
	}
	return l.keys.parseCheckpoint(string(record.Value))
}

// keptCheckpoints returns the texts of every node's newest checkpoint.
func (l *Log) keptCheckpoints(ctx context.Context) ([]string, error) {
	var texts []string
	after := ""
	for {
		page, err := l.store.List(ctx, Scope, checkpointPrefix, after, 0)
		if err != nil {
			return nil, fmt.Errorf("read the checkpoints: %w", err)
		}
		for _, r := range page.Records {
			texts, after = append(texts, string(r.Value)), r.Name
		}
		if !page.More {
			return texts, nil
		}
	}
}
