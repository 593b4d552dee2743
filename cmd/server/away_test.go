package server

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/configs"
	"gatehouse/storage/state/redis/redistest"
)

// asked is what a gateway answers at its metrics door; nothing while it has none.
func (g *gate) asked(t *testing.T, path string) (code int, text string) {
	t.Helper()
	answer, err := http.Get("http://" + g.out.of("metrics") + path)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err.Error()
	}
	return answer.StatusCode, string(body)
}

// becomes asks until the answer is this.
func (g *gate) becomes(t *testing.T, path string, code int, text string) {
	t.Helper()
	for began := time.Now(); ; {
		gotCode, got := g.asked(t, path)
		if gotCode == code && strings.Contains(got, text) {
			return
		}
		select {
		case <-g.ended:
			t.Fatalf("the gateway ended: %v", g.err)
		default:
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("%s answers %d %s, want %d %s", path, gotCode, got, code, text)
		}
	}
}

// Redis is away for longer than the lease, with nobody else there: the gateway
// says so where it is asked, once in its log, and goes on by itself as the same run.
func TestTheStoreIsAwayForAWhile(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes")
	g := launch(t, shared(t, server, nil))
	g.ready(t)
	g.becomes(t, "/readyz", http.StatusOK, "ready")
	server.Stop(t)
	g.becomes(t, "/readyz", http.StatusServiceUnavailable, "the store does not answer")
	for path, want := range map[string]int{"/healthz": http.StatusOK, "/readyz/reading": http.StatusServiceUnavailable} {
		if code, text := g.asked(t, path); code != want {
			t.Errorf("%s: %d %s", path, code, text)
		}
	}
	g.says(t, g.log, "the store is away")
	g.becomes(t, "/metrics", http.StatusOK, "gatehouse_node_held 0")
	server.Start(t)
	g.becomes(t, "/readyz", http.StatusOK, "ready")
	g.says(t, g.log, "the store is back")
	for text, want := range map[string]int{"the store is away": 1, "the store is back": 1, "begins anew": 0} {
		if n := strings.Count(g.log.String(), text); n != want {
			t.Errorf("it says %q %d times, want %d", text, n, want)
		}
	}
	_, metrics := g.asked(t, "/metrics")
	for _, name := range []string{"gatehouse_store_away_seconds_total", "gatehouse_store_round_trips_total"} {
		if !strings.Contains(metrics, "\n"+name+" ") || strings.Contains(metrics, "\n"+name+" 0\n") {
			t.Errorf("/metrics does not count in %s", name)
		}
	}
	g.end(t)
}

// Where the configuration lets people read meanwhile, a balancer can send them.
func TestReadersComeWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes")
	g := launch(t, shared(t, server, func(c *configs.Loaded) { c.State.Away = configs.ReadOnly }))
	g.ready(t)
	server.Stop(t)
	g.becomes(t, "/readyz", http.StatusServiceUnavailable, "the store does not answer")
	g.becomes(t, "/readyz/reading", http.StatusOK, "ready for reading")
	server.Start(t)
	g.becomes(t, "/readyz", http.StatusOK, "ready")
	g.end(t)
}

// A balancer sees that the gateway will stop before anybody is turned away.
func TestAStopIsAnnouncedFirst(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	g := launch(t, shared(t, server, func(c *configs.Loaded) { c.ShutdownDelay = time.Hour }))
	g.ready(t)
	g.stop()
	g.becomes(t, "/readyz", http.StatusServiceUnavailable, "starting or stopping")
	if text := g.log.String(); strings.Contains(text, "the gateway is stopping") {
		t.Errorf("it stops at once:\n%s", text)
	}
	declareDead(t, storeOf(t, server)) // who is dead waits for nobody
	if _ = g.fails(t); !strings.Contains(g.log.String(), "the gateway is stopping") {
		t.Errorf("it ended without a drain:\n%s", g.log)
	}
}

// A gateway that is started before its Redis waits for it, and can be stopped meanwhile.
func TestAStartWaitsForTheStore(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Stop(t)
	waiting, stopped := launch(t, shared(t, server, nil)), launch(t, shared(t, server, nil))
	for _, g := range []*gate{waiting, stopped} {
		g.says(t, g.log, "is waited for")
	}
	stopped.end(t)
	server.Start(t)
	waiting.ready(t)
	waiting.end(t)
}

// A change that too few replicas have is not acknowledged, whoever asks for it: here
// the first administrator.
func TestAChangeThatIsNotConfirmedIsNone(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t) // without a replica
	g := launch(t, shared(t, server, func(c *configs.Loaded) {
		c.State.WaitReplicas, c.State.WaitTimeout = 1, time.Millisecond
	}))
	if err := g.fails(t); err == nil || !strings.Contains(err.Error(), "0 of 1 replicas") {
		t.Errorf("it ended with %v", err)
	}
}
