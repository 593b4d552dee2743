package server

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"gatehouse/admin"
	"gatehouse/cmd/mounted"
	"gatehouse/storage/pause"
)

// settling is how long nodes that start together may need to show themselves.
const settling = 5 * time.Second

// sign is this node's name for the others on a shared tree; none where it is alone.
func (c *core) sign() string {
	if c.nodes == nil {
		return ""
	}
	return c.node
}

// compareTrees tells in the log, once after the start, what is wrong with a tree that
// nodes share: nothing else shows it before two of them have spoilt a file.
func (c *core) compareTrees(ctx context.Context, log *slog.Logger) {
	if c.nodes == nil {
		return
	}
	c.done.Go(func() { // ends with ctx
		if pause.For(ctx, settling) != nil {
			return
		}
		found, err := c.comparedTrees(ctx)
		if err != nil {
			return // doctor asks again
		}
		for _, f := range found {
			log.Error("THE NODES DO NOT SHARE THE TREE AS THEY MUST", "mount", f.Mount.String(), "node", f.Node, "error", f.Err, "remedy", treeRemedy(f.Err))
		}
	})
}

// comparedTrees looks for the other nodes of this version on each mount.
func (c *core) comparedTrees(ctx context.Context) ([]mounted.Finding, error) {
	list, err := c.nodes.List(ctx)
	if err != nil {
		return nil, err
	}
	version := ""
	for _, n := range list {
		if n.Self {
			version = n.Version
		}
	}
	var others []string
	for _, n := range list {
		if !n.Self && n.Node != c.node && n.Dead.IsZero() && !n.LastBeat.IsZero() && n.Version == version {
			others = append(others, n.Node)
		}
	}
	return c.watch.Compare(ctx, others), nil
}

// checkTrees tells whether the nodes have one tree, and see each other's locks there.
func (g *gateway) checkTrees(ctx context.Context) []admin.Finding {
	if g.nodes == nil || g.watch.Err() != nil { // checkMounts says so
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	compared, err := g.comparedTrees(ctx)
	if err != nil {
		return nil // checkNodes says so
	}
	var found []admin.Finding
	for _, f := range compared {
		level := levelProblem
		if errors.Is(f.Err, mounted.ErrLockless) {
			level = levelWarning
		}
		found = append(found, finding("shared tree", level, f.Error(), treeRemedy(f.Err)))
	}
	if len(found) == 0 {
		found = append(found, finding("shared tree", levelOK, "the nodes see one tree, and each other's locks", ""))
	}
	return found
}

func treeRemedy(err error) string {
	switch {
	case errors.Is(err, mounted.ErrElsewhere):
		return "mount the same tree on all nodes"
	case errors.Is(err, mounted.ErrAlone):
		return "where that node was killed a moment ago, none; else mount it with locks that hold between machines: until then two nodes can write to one file at a time"
	case errors.Is(err, mounted.ErrLockless):
		return "files cannot be written in place: mount it with locks, or say uploads: atomic"
	}
	return "look at the file system"
}
