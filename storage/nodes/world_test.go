package nodes

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const lease = 10 * time.Second

// A link is one gateway's way to the store, which can be cut.
type link struct {
	state.Store
	cut atomic.Bool
}

func (l *link) away() error {
	if l.cut.Load() {
		return state.ErrAway
	}
	return nil
}

func (l *link) Apply(ctx context.Context, b state.Batch) (state.Result, error) {
	if err := l.away(); err != nil {
		return state.Result{}, err
	}
	return l.Store.Apply(ctx, b)
}

func (l *link) List(ctx context.Context, scope, prefix, after string, limit int) (state.Page, error) {
	if err := l.away(); err != nil {
		return state.Page{}, err
	}
	return l.Store.List(ctx, scope, prefix, after, limit)
}

// A gateway is a run with its own way to the store, and what it has buried.
type gateway struct {
	*Nodes
	*link
	t    *testing.T
	kill context.CancelFunc // as kill -9: nothing is said to anybody

	mu     sync.Mutex
	buried []string
}

func config(name, epoch string) Config {
	return Config{Node: name, Epoch: epoch, Place: "machine of " + name, Address: name + ".example", Lease: lease}
}

// start opens a gateway that buries the dead.
func start(t *testing.T, st state.Store, c Config) *gateway {
	t.Helper()
	g := prepare(t, st, c)
	g.Start(t.Context())
	return g
}

// prepare opens a gateway that does not bury yet.
func prepare(t *testing.T, st state.Store, c Config) *gateway {
	t.Helper()
	g := &gateway{t: t, link: &link{Store: st}}
	c.State = g.link
	ctx, cancel := context.WithCancel(context.Background())
	n, err := Open(ctx, c)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	g.Nodes, g.kill = n, func() { cancel(); n.end() }
	n.Bury(func(_ context.Context, node, epoch string) error {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.buried = append(g.buried, node+"/"+epoch)
		return nil
	})
	t.Cleanup(g.kill)
	return g
}

func (g *gateway) wantBuried(want ...string) {
	g.t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if !slices.Equal(g.buried, want) {
		g.t.Errorf("%s has buried %q, want %q", g.own, g.buried, want)
	}
}

func (g *gateway) hasLapsed() bool {
	select {
	case <-g.Lapsed():
		return true
	default:
		return false
	}
}

// runsOf are the holders that the store has.
func runsOf(t *testing.T, st state.Store) []string {
	t.Helper()
	found, err := read(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for holder := range found {
		list = append(list, holder)
	}
	slices.Sort(list)
	return list
}

func wantRuns(t *testing.T, st state.Store, want ...string) {
	t.Helper()
	if got := runsOf(t, st); !slices.Equal(got, want) {
		t.Errorf("the store has the runs %q, want %q", got, want)
	}
}

// after lets time pass in a bubble, until all is still.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// bubble runs a test with its own time and store.
func bubble(t *testing.T, test func(t *testing.T, st state.Store)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, memory.New()) })
}
