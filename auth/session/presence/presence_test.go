package presence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"gatehouse/auth/authtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open are the open sessions of a node.
type open struct {
	mu  sync.Mutex // guards all
	all map[string]Description
}

func (o *open) Describe(id string) (Description, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	d, ok := o.all[id]
	return d, ok
}

func (o *open) Active() map[string]time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	found := make(map[string]time.Time)
	for id, d := range o.all {
		found[id] = d.LastActive
	}
	return found
}

func (o *open) set(id string, there bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if delete(o.all, id); there {
		o.all[id] = Description{ID: id, Account: "ann", Since: time.Now()}
	}
}

// What a node has is seen on another soon after, as one session where both have it, and
// no more once it has ended, or its node was buried.
func TestNodesSeeEachOthersSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(context.Background())
		at := authtest.Config{Dir: t.TempDir(), Shares: true}
		var boards [2]*Board
		var sessions [2]*open
		var running sync.WaitGroup
		for i := range boards {
			at.Node = fmt.Sprint("node", i+1)
			site := authtest.Open(t, at)
			site.Start(ctx)
			at.State = site.Memory
			sessions[i] = &open{all: make(map[string]Description)}
			boards[i] = New(Config{Nodes: site.Nodes, State: site.Store, Log: slog.New(slog.DiscardHandler), Sessions: sessions[i]})
			running.Go(func() { boards[i].Publish(ctx) })
		}
		set := func(i int, id string, there bool) {
			sessions[i].set(id, there)
			boards[i].Changed(id)
			authtest.After(time.Second)
		}
		seen := func(i int) map[string]Description {
			joined := make(map[string]Description)
			for id := range sessions[i].Active() {
				d, _ := sessions[i].Describe(id)
				d.Nodes = []string{fmt.Sprint("node", i+1)}
				joined[id] = d
			}
			if err := boards[i].Join(ctx, joined); err != nil {
				t.Fatal(err)
			}
			return joined
		}
		set(0, "one", true)
		set(0, "both", true)
		set(1, "both", true)
		if all := seen(1); len(all) != 2 || len(all["both"].Nodes) != 2 || all["one"].Nodes[0] != "node1" {
			t.Errorf("got %+v", all)
		}
		names, err := boards[1].WhoHas(ctx, "one")
		if err != nil || len(names) != 1 {
			t.Fatalf("got %v, %v", names, err)
		}
		if err := boards[1].AwaitGone(ctx, names); !errors.Is(err, ErrNotGone) {
			t.Errorf("got %v of one that does not end", err)
		}
		set(0, "one", false)
		if err := boards[1].AwaitGone(ctx, names); err != nil || len(seen(1)) != 1 {
			t.Errorf("got %v, and %+v", err, seen(1))
		}
		if err := boards[1].Bury(ctx, boards[0].nodes.Holder()); err != nil {
			t.Fatal(err)
		}
		if all := seen(1); len(all["both"].Nodes) != 1 {
			t.Errorf("a buried node's are seen: %+v", all)
		}
		sessions[0].set("both", false)
		sessions[1].set("both", false)
		for _, b := range boards {
			b.Changed("both")
		}
		stop()
		running.Wait()
		for _, b := range boards {
			if err := b.Untold(); err != nil {
				t.Error(err)
			}
		}
	})
}
