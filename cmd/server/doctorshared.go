package server

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"gatehouse/admin"
	"gatehouse/configs"
	"gatehouse/storage/nodes"
	"gatehouse/storage/state/redis"
)

// apart is by how much the clocks of nodes may differ: one-time codes and ends of
// accounts go by each node's own.
const apart = 2 * time.Second

// storeRemedy is what to do about a store that does not answer.
func (g *gateway) storeRemedy() string {
	if g.redis != nil {
		return "check that Redis answers"
	}
	return "check the disk of " + g.data
}

// checkStore tells whether the store is there, and what it can lose.
func (g *gateway) checkStore(ctx context.Context) []admin.Finding {
	if g.redis == nil {
		return damageFindings(g.trail)
	}
	ctx, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	servers, err := g.redis.Durability(ctx)
	if err != nil {
		return []admin.Finding{finding("store", levelProblem, "Redis does not answer: "+err.Error(), "start it, or correct state.url; open sessions go on reading meanwhile")}
	}
	var found []admin.Finding
	for _, d := range servers {
		found = append(found, storeFinding(d, g.options.Config))
	}
	return found
}

// A damaged store knows which places of its files were met damaged.
type damaged interface{ Damaged() []string }

// damageFindings tells where files of the embedded store were met damaged since
// the start.
func damageFindings(s damaged) []admin.Finding {
	if s == nil {
		return nil
	}
	var found []admin.Finding
	for _, place := range s.Damaged() {
		found = append(found, finding("trail", levelProblem, "the file "+place+" of the data folder is damaged: events there cannot be read",
			"check the disk; gatehouse event verify names what is missing"))
	}
	return found
}

func storeFinding(d redis.Durability, c *configs.Loaded) admin.Finding {
	what := "Redis at " + d.Server
	if d.Version != "" {
		what = "Redis " + d.Version + " at " + d.Server
	}
	weak := weaknesses(d, c)
	if len(weak) == 0 {
		return finding("store", levelOK, what, "")
	}
	level := levelWarning
	if d.AppendOnly == "no" || d.Policy != "" && d.Policy != "noeviction" {
		level = levelProblem // it loses more than the last second
	}
	return finding("store", level, what+" can lose changes that it has acknowledged: "+strings.Join(weak, ", "),
		"change these settings of Redis, or say with state.wait_replicas that changes wait for replicas")
}

// checkNodes tells who shares the store, who has died, and whose clock is wrong.
func (g *gateway) checkNodes(ctx context.Context) []admin.Finding {
	if g.nodes == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	list, err := g.nodes.List(ctx)
	if err != nil {
		return []admin.Finding{finding("nodes", levelProblem, "they cannot be told: "+err.Error(), "check that Redis answers")}
	}
	return nodeFindings(list, g.nodes.Held())
}

func nodeFindings(list []nodes.Node, held bool) []admin.Finding {
	var found []admin.Finding
	if !held {
		found = append(found, finding("nodes", levelProblem, "the store has not heard of this node in time: it changes nothing until it has", "look for what keeps it from Redis"))
	}
	var names, versions []string
	for _, n := range list {
		who := n.Node + " at " + n.Address
		switch {
		case !n.Dead.IsZero():
			found = append(found, finding("nodes", levelWarning, who+" died, and what it left has not been settled since "+n.Dead.Format(time.RFC3339),
				"look into the logs for what keeps the others from settling it"))
			continue
		case n.LastBeat.IsZero():
			found = append(found, finding("nodes", levelWarning, who+" has not been heard of for longer than its lease", "look after it; the others will declare it dead"))
			continue
		}
		names = append(names, who)
		if !slices.Contains(versions, n.Version) {
			versions = append(versions, n.Version)
		}
	}
	found = append(found, clockFindings(list)...)
	if len(versions) > 1 {
		found = append(found, finding("nodes", levelWarning, "they run different versions: "+strings.Join(versions, ", "), "end the update"))
	}
	if len(found) == 0 {
		found = append(found, finding("nodes", levelOK, fmt.Sprintf("%d: %s", len(names), strings.Join(names, "; ")), ""))
	}
	return found
}

// clockFindings compares the clocks of nodes with the store's, and so with each other.
func clockFindings(list []nodes.Node) []admin.Finding {
	var found []admin.Finding
	for _, n := range list {
		if n.LastBeat.IsZero() || n.Ahead.Abs() <= apart {
			continue
		}
		how := "ahead of"
		if n.Ahead < 0 {
			how = "behind"
		}
		found = append(found, finding("clock", levelProblem,
			fmt.Sprintf("that of %s at %s is %s %s that of Redis", n.Node, n.Address, n.Ahead.Abs().Round(time.Second/10), how),
			"set the clocks of all machines; use NTP"))
	}
	return found
}
