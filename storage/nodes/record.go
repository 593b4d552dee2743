package nodes

import (
	"context"
	"strings"
	"time"

	"gatehouse/storage/state"
	"gatehouse/storage/state/typed"
)

// scope has the records of all runs, by holder. That of a run stands from when it
// joins until it has left or is buried. Each of its beats demands that nobody has
// written or removed it since, and whoever declares it dead writes it.
const (
	scope       = "nodes"
	runPrefix   = "run/"
	beatPrefix  = "beat/"  // expires where the run is not heard of
	claimPrefix = "claim/" // of a dead run: who buries it; expires as well
	namePrefix  = "name/"  // of a node: which run joined last under its name
)

// nameLife is longer than joining takes.
const nameLife = 24 * time.Hour

// A run is one epoch of a node.
type run struct {
	Place   string    `json:"place"`
	Version string    `json:"version,omitempty"`
	Address string    `json:"address,omitempty"`
	Since   time.Time `json:"since"`
	// Lease is its own, which its beats have.
	Lease time.Duration `json:"lease"`
	Dead  time.Time     `json:"dead,omitzero"` // when it was declared so
	By    string        `json:"by,omitempty"`  // and by whom
}

// A member is a run as it was found in the store.
type member struct {
	run
	holder   string
	revision uint64
	beat     time.Time // when the latest one ends; zero: there is none
	clock    time.Time // the node's own, at that beat; zero: it did not say
	claimed  bool
}

// read returns all runs by holder.
func read(ctx context.Context, st state.Store) (map[string]member, error) {
	runs := make(map[string]member)
	beats, claims := make(map[string]state.Record), make(map[string]bool)
	err := typed.All(ctx, st, scope, "", func(r state.Record) error {
		kind, holder, _ := strings.Cut(r.Name, "/")
		switch kind + "/" {
		case beatPrefix:
			beats[holder] = r
		case claimPrefix:
			claims[holder] = true
		case runPrefix:
			m := member{holder: holder, revision: r.Revision}
			if err := typed.Decode(r, &m.run); err != nil {
				return err
			}
			runs[holder] = m
		}
		return nil
	})
	for holder, m := range runs {
		m.beat, m.claimed = beats[holder].Expires, claims[holder]
		m.clock, _ = time.Parse(time.RFC3339Nano, string(beats[holder].Value))
		runs[holder] = m
	}
	return runs, err
}

// nodeOf is the node of a holder.
func nodeOf(holder string) string {
	node, _, _ := strings.Cut(holder, "/")
	return node
}
