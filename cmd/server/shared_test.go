package server

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/configs"
	"gatehouse/storage/events"
	"gatehouse/storage/nodes"
	"gatehouse/storage/state"
	"gatehouse/storage/state/redis"
	"gatehouse/storage/state/redis/redistest"
	"gatehouse/storage/state/typed"
)

// A gate is a gateway of a test, in this process.
type gate struct {
	data     string
	out, log *lines
	stop     context.CancelFunc
	ended    chan struct{}
	err      error
}

// lines is written by a gateway and read by its test.
type lines struct {
	mu    sync.Mutex
	text  bytes.Buffer
	wrote chan struct{} // has room for one
	// then is done once with the first line that has awaited in it, which waits for it.
	awaited string
	then    func()
}

func newLines() *lines { return &lines{wrote: make(chan struct{}, 1)} }

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if do := l.then; do != nil && strings.Contains(string(p), l.awaited) {
		l.then = nil
		do()
	}
	select {
	case l.wrote <- struct{}{}:
	default:
	}
	return l.text.Write(p)
}

// when has something done once, at the very moment in which a text is written next.
func (l *lines) when(text string, then func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.awaited, l.then = text, then
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// of are the values of lines of the greeting, "SSH host key" for example.
func (l *lines) of(name string) string {
	var found []string
	for line := range strings.Lines(l.String()) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), name+" "); ok {
			found = append(found, strings.TrimSpace(rest))
		}
	}
	return strings.Join(found, "\n")
}

// shared is the configuration of one of several nodes: no door but the metrics.
func shared(t *testing.T, server *redistest.Server, change func(*configs.Loaded)) *configs.Loaded {
	t.Helper()
	c := &configs.Loaded{Config: configs.Default()}
	c.Data = t.TempDir()
	c.Mounts[0].Dir = filepath.Join(c.Data, "files")
	c.State.Kind, c.State.URL = configs.Redis, server.URL()
	c.SecretKey = strings.Repeat("ab", 32)
	c.Listen = configs.Listen{Metrics: "127.0.0.1:0"}
	c.Node.Lease = 2 * time.Second
	c.ShutdownGrace = time.Second
	if change != nil {
		change(c)
	}
	return c
}

// launch runs a gateway until the test ends.
func launch(t *testing.T, c *configs.Loaded) *gate {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	g := &gate{data: c.Data, out: newLines(), log: newLines(), stop: stop, ended: make(chan struct{})}
	go func() {
		defer close(g.ended)
		g.err = Run(ctx, Options{
			Config: c, Version: "test", Out: g.out, Err: g.log, Getenv: func(string) string { return "" },
			Load: func() (*configs.Loaded, error) { return c, nil },
		})
	}()
	t.Cleanup(func() {
		stop()
		<-g.ended
		if t.Failed() {
			t.Logf("the log of %s:\n%s", g.data, g.log)
		}
	})
	return g
}

// says waits for a text in what a gateway writes.
func (g *gate) says(t *testing.T, l *lines, text string) {
	t.Helper()
	over := time.After(time.Minute)
	for !strings.Contains(l.String(), text) {
		select {
		case <-l.wrote:
		case <-g.ended:
			if !strings.Contains(l.String(), text) {
				t.Fatalf("the gateway ended without saying %q: %v", text, g.err)
			}
		case <-over:
			t.Fatalf("the gateway does not say %q", text)
		}
	}
}

func (g *gate) ready(t *testing.T) { t.Helper(); g.says(t, g.out, "is ready") }

// fails waits for the end of a gateway that cannot start.
func (g *gate) fails(t *testing.T) error {
	t.Helper()
	select {
	case <-g.ended:
	case <-time.After(time.Minute):
		t.Fatal("the gateway serves")
	}
	return g.err
}

// end stops a gateway as SIGTERM does.
func (g *gate) end(t *testing.T) {
	t.Helper()
	g.stop()
	if err := g.fails(t); err != nil {
		t.Errorf("the end: %v", err)
	}
}

func storeOf(t *testing.T, server *redistest.Server) *redis.Store {
	t.Helper()
	s, err := redis.Open(t.Context(), redis.Options{URL: server.URL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// Two nodes that are new start at the same moment: clients find one server behind
// both, and there is one first administrator, whose password stands in one file.
func TestTwoNodesBeginAtOnce(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	with := func(c *configs.Loaded) { c.Listen.SFTP, c.Listen.HTTPS = "127.0.0.1:0", "127.0.0.1:0" }
	a, b := launch(t, shared(t, server, with)), launch(t, shared(t, server, with))
	a.ready(t)
	b.ready(t)
	for _, what := range []string{"SSH host key", "TLS key"} {
		if x, y := a.out.of(what), b.out.of(what); x == "" || x != y {
			t.Errorf("%s: %q and %q", what, x, y)
		}
	}
	files := 0
	for _, g := range []*gate{a, b} {
		_, err := os.Stat(filepath.Join(g.data, passwordName))
		if told := g.out.of("administrator") != ""; told != (err == nil) {
			t.Errorf("told of a password: %v, there is one: %v", told, err)
		}
		if err == nil {
			files++
		}
		if left, _ := filepath.Glob(filepath.Join(g.data, "s*_*")); len(left) > 0 {
			t.Errorf("copies of keys: %v", left)
		}
	}
	if files != 1 {
		t.Errorf("%d files with a password, want 1", files)
	}
	a.end(t)
	b.end(t)
	if list, err := nodes.Look(t.Context(), storeOf(t, server)); len(list) > 0 || err != nil {
		t.Errorf("left behind: %+v, %v", list, err)
	}
}

// A node that could open nothing of what the others seal does not start, nor does
// a copy of the data folder beside the one that lives.
func TestAStrangerDoesNotJoin(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	one := func(c *configs.Loaded) { c.Node.Name, c.Node.Lease = "one", 6*time.Second } // which no busy machine misses
	first := launch(t, shared(t, server, one))
	first.ready(t)
	other := launch(t, shared(t, server, func(c *configs.Loaded) { c.SecretKey = strings.Repeat("cd", 32) }))
	if err := other.fails(t); err == nil || !strings.Contains(err.Error(), "secret_key is not the one") {
		t.Errorf("with another key: %v", err)
	}
	clone := launch(t, shared(t, server, one))
	if err := clone.fails(t); !errors.Is(err, nodes.ErrTaken) {
		t.Errorf("under a name that is another's: %v, want ErrTaken", err)
	}
	first.end(t)
}

// declareDead does to the runs of a store what others do to one that is not heard of.
func declareDead(t *testing.T, s state.Store) {
	t.Helper()
	err := typed.Retry(func() error {
		return typed.All(t.Context(), s, "nodes", "run/", func(r state.Record) error {
			var run map[string]any
			if err := typed.Decode(r, &run); err != nil {
				return err
			}
			run["dead"], run["by"] = time.Now().UTC(), "the test"
			p, err := typed.Put(r.Name, run)
			if err != nil {
				return err
			}
			_, err = s.Apply(t.Context(), state.Batch{
				Scope: "nodes", Checks: []state.Check{{Name: r.Name, Revision: r.Revision}}, Puts: []state.Put{p},
				Deletes: []string{"beat/" + strings.TrimPrefix(r.Name, "run/")},
			})
			return typed.Again(err)
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// latestRun is the number of the run that may append to the trail as a node.
func latestRun(t *testing.T, s state.Store, node string) uint64 {
	t.Helper()
	_, err := s.Append(state.InRun(t.Context(), state.Run{Name: node, Number: 1}), events.Stream, "", []byte("late"))
	var later *state.OvertakenError
	if !errors.As(err, &later) {
		t.Fatalf("what an earlier run had sent arrives: %v, want ErrOvertaken", err)
	}
	return later.Number
}

// What a run of a node had sent into the trail, and arrives when the next one is there,
// is refused: after a restart, and after the node was declared dead.
func TestTheTrailIsTheLatestRuns(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := storeOf(t, server)
	c := shared(t, server, func(c *configs.Loaded) { c.Node.Name = "one" })
	g := launch(t, c)
	g.ready(t)
	first := latestRun(t, s, "one")
	g.end(t)
	g = launch(t, c)
	g.ready(t)
	second := latestRun(t, s, "one")
	declareDead(t, s)
	g.says(t, g.log, "this node begins anew")
	g.says(t, g.log, "what a dead node left has been settled")
	if third := latestRun(t, s, "one"); first >= second || second >= third {
		t.Errorf("the runs are %d, %d, %d", first, second, third)
	}
	g.end(t)
}

// A node that was taken for dead drops everything and begins anew, in the same
// process and at the same addresses, and buries what it was.
func TestADeadNodeBeginsAnew(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	g := launch(t, shared(t, server, nil))
	g.ready(t)
	s := storeOf(t, server)
	before, err := nodes.Look(t.Context(), s)
	if err != nil || len(before) != 1 {
		t.Fatal(before, err)
	}
	declareDead(t, s)
	g.says(t, g.log, "this node begins anew")
	g.says(t, g.log, "what a dead node left has been settled")
	after, err := nodes.Look(t.Context(), s)
	if err != nil || len(after) != 1 || after[0].Node != before[0].Node || after[0].Epoch == before[0].Epoch {
		t.Errorf("was %+v, is %+v, %v", before, after, err)
	}
	g.becomes(t, "/readyz", http.StatusOK, "ready")
	g.end(t)
}
