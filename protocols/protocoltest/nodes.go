package protocoltest

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"gatehouse/auth/session"
	"gatehouse/storage/accounts"
	"gatehouse/storage/backend"
	"gatehouse/storage/backend/backendtest"
	"gatehouse/storage/nodes"
	"gatehouse/storage/quota"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
	"gatehouse/storage/state/redis"
	"gatehouse/storage/state/redis/redistest"
)

// Nodes are those of a world that act as one: each has everything of its own but
// the state and the files.
type Nodes struct {
	// Count is how many there are; 0 is one that is alone.
	Count int
	// Store opens the state of a world for one of them, by the world's name; nil is
	// memory that they share.
	Store func(t testing.TB, world string) state.Store
}

// NewNodes makes a world of several nodes and returns the first one.
func NewNodes(t testing.TB, n Nodes) *World {
	t.Helper()
	return newWorld(t, ground{nodes: n})
}

// common is what the nodes of a world have in common.
type common struct {
	name    string
	all     []*World
	ground  ground
	dir     string            // the mount's folder on disk
	mounted map[string]string // further mounts' folders on disk, by tree path
	logs    *record
	// What the disk and the store of an unsteady ground end calls with.
	disk, store fault
	power       *backendtest.Power // nil where the ground has no sync
}

// add adds a node.
func (c *common) add(t testing.TB) {
	t.Helper()
	w := &World{t: t, Dir: c.dir, node: "test", common: c}
	w.Log = slog.New(slog.NewTextHandler(c.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if len(c.all) > 0 {
		w.node = fmt.Sprint("test", len(c.all)+1)
		w.Log = w.Log.With("node", w.node)
	}
	c.all = append(c.all, w)
	w.open()
}

// Nodes are all nodes of the world, the first one first.
func (w *World) Nodes() []*World { return slices.Clone(w.all) }

func (w *World) isFirst() bool { return w == w.all[0] }

// several reports that there are nodes that must act as one.
func (w *World) several() bool { return w.ground.nodes.Count > 1 }

func (w *World) openState() {
	w.t.Helper()
	open := w.ground.nodes.Store
	switch {
	case open != nil:
		w.State = open(w.t, w.name)
	case w.isFirst():
		w.State = memory.New()
	default:
		w.State = w.all[0].State
		return
	}
	w.after(func(context.Context) error { return w.State.Close() })
	if w.ground.unsteady {
		w.State = &unsteadyState{w.State, &w.store}
	}
}

// join takes the node in among those that share the state.
func (w *World) join(ctx context.Context) {
	w.t.Helper()
	if !w.several() {
		return
	}
	var err error
	w.Joined, err = nodes.Open(ctx, nodes.Config{State: w.State, Node: w.node, Epoch: epoch, Place: w.node, Log: w.Log})
	w.must(err)
	w.after(w.Joined.Close)
}

// bury has the node settle what dead ones leave.
func (w *World) bury(ctx context.Context) {
	if w.Joined == nil {
		return
	}
	w.Joined.Bury(w.Quotas.Bury)
	w.Joined.Start(ctx)
}

// powered is a disk that may lose power at any moment: one, of which the others
// see what it shows.
func (w *World) powered(disk backend.Backend) backend.Backend {
	w.t.Helper()
	if !w.isFirst() {
		w.must(disk.Close())
		return borrowed{w.power}
	}
	var err error
	w.power, err = backendtest.NewPower(disk)
	w.must(err)
	return w.power
}

// borrowed is a backend that another node closes.
type borrowed struct{ backend.Backend }

func (borrowed) Close() error { return nil }

// known waits until all nodes know what one of them has changed of accounts, groups
// and the site, which takes as long as a live policy may take and no longer.
func (w *World) known() {
	w.t.Helper()
	if !w.several() {
		return
	}
	for _, fellow := range w.all {
		w.reaches(fellow, "what was changed", func() bool { return maps.Equal(fellow.revisions(), w.revisions()) })
	}
}

// Settle waits until all nodes know what was changed past the world.
func (w *World) Settle() {
	w.t.Helper()
	w.known()
}

// revisions are those of all accounts, groups and the site.
func (w *World) revisions() map[string]uint64 {
	w.t.Helper()
	found := map[string]uint64{}
	_, _, err := w.Accounts.List(w.t.Context(), accounts.Query{Where: func(a *accounts.Account) bool {
		found[a.ID] = a.Revision
		return false
	}})
	w.must(err)
	groups, err := w.Accounts.Groups(w.t.Context())
	w.must(err)
	for _, g := range groups {
		found[g.ID] = g.Revision
	}
	site, err := w.Accounts.Site(w.t.Context())
	w.must(err)
	found[""] = site.Revision
	return found
}

// limited waits until all nodes keep a quota.
func (w *World) limited(l quota.Limit) {
	w.t.Helper()
	if !w.several() {
		return
	}
	for _, fellow := range w.all {
		w.reaches(fellow, "a quota", func() bool {
			u, ok, err := fellow.Quotas.Get(w.t.Context(), l.Folder)
			w.must(err)
			return ok && u.Amount == l.Amount && !u.Counting
		})
	}
}

// reaches waits until something holds at a node, in bounded time.
func (w *World) reaches(fellow *World, what string, holds func() bool) {
	w.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !holds(); <-tick.C {
		if time.Now().After(end) {
			w.t.Fatalf("%s does not reach the node %s within %v", what, fellow.node, patience)
		}
	}
}

// sessions are those of all nodes; of requests with one id there is one.
func (w *World) sessions() []session.Description {
	var found []session.Description
	for _, fellow := range w.all {
		for _, d := range fellow.Sessions.List() {
			if !slices.ContainsFunc(found, func(f session.Description) bool { return f.ID == d.ID }) {
				found = append(found, d)
			}
		}
	}
	return found
}

// end ends a session, from a node that has it not where there is one.
func (w *World) end(id string) bool {
	w.t.Helper()
	from := w
	for _, fellow := range w.all {
		if !fellow.has(id) {
			from = fellow
		}
	}
	if slices.ContainsFunc(w.all, func(fellow *World) bool { return fellow.has(id) }) {
		w.reaches(from, "a session", func() bool {
			list, err := from.Sessions.Everywhere(w.t.Context(), "")
			w.must(err)
			return slices.ContainsFunc(list, func(d session.Description) bool { return d.ID == id })
		})
	}
	ended, err := from.Sessions.EndAnywhere(w.t.Context(), id, "test")
	w.must(err)
	return ended
}

// has reports whether this node has a session.
func (w *World) has(id string) bool {
	return slices.ContainsFunc(w.Sessions.List(), func(d session.Description) bool { return d.ID == id })
}

// OverNodes has a test run over several nodes on a real Redis; over memory where
// GATEHOUSE_NODES is that, which tells a mistake of the nodes from one of the store.
func OverNodes(t *testing.T, count int, run func(t *testing.T, n Nodes)) {
	t.Helper()
	if testing.Short() {
		return
	}
	name := os.Getenv("GATEHOUSE_NODES")
	if name == "" {
		name = "Redis"
	}
	t.Run(fmt.Sprintf("%d nodes over %s", count, name), func(t *testing.T) {
		n := Nodes{Count: count}
		if name != "memory" {
			n.Store = Redis(t)
		}
		run(t, n)
	})
}

// Redis starts a server, in which each world has a place of its own.
func Redis(t testing.TB) func(t testing.TB, world string) state.Store {
	t.Helper()
	server := redistest.Start(t)
	return func(t testing.TB, world string) state.Store {
		t.Helper()
		s, err := redis.Open(t.Context(), redis.Options{URL: server.URL(), Prefix: world + ":"})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}
