package server

import (
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"gatehouse/configs"
	"gatehouse/storage/nodes"
	"gatehouse/storage/state/bolt"
	"gatehouse/storage/state/redis/redistest"
)

// goroutines waits until no more run than that, which end a moment after who waited
// for them.
func goroutines(t *testing.T, most int) {
	t.Helper()
	for began := time.Now(); runtime.NumGoroutine() > most; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > 20*time.Second {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines run, there were %d:\n%s", runtime.NumGoroutine(), most, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// A start that ends in the middle leaves nothing that the next one, or the others,
// would have to wait for: no run among the nodes, no lock, no socket, no goroutine.
func TestAStartThatFailsLeavesNothing(t *testing.T) {
	server := redistest.Start(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for name, change := range map[string]func(*configs.Loaded){
		"a mount that is not there": func(c *configs.Loaded) { c.Mounts[0].Dir = "/there/is/none" },
		"a broken certificate":      func(c *configs.Loaded) { c.TLS.Certificate, c.TLS.Key = "/none", "/none" },
		"a broken host key":         func(c *configs.Loaded) { c.Listen.SFTP, c.SFTP.HostKeys = "127.0.0.1:0", []string{"/none"} },
		"a port that is taken":      func(c *configs.Loaded) { c.Listen.HTTP = taken.Addr().String() },
		"a weak store":              func(c *configs.Loaded) { c.State.Durability = "require" },
	} {
		c := shared(t, server, change)
		before := runtime.NumGoroutine()
		g := launch(t, c)
		if g.fails(t) == nil {
			t.Errorf("%s: it starts", name)
		}
		if list, err := nodes.Look(t.Context(), storeOf(t, server)); len(list) > 0 || err != nil {
			t.Errorf("%s: a node is left: %+v, %v", name, list, err)
		}
		for _, file := range []string{socketName, passwordName} {
			if _, err := os.Stat(c.Data + "/" + file); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %s is left: %v", name, file, err)
			}
		}
		unlock, err := lockData(t.Context(), c.Data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_ = unlock()
		goroutines(t, before+3*5) // storeOf of each keeps some
	}
}

// A node that is declared dead again and again keeps nothing of what it was, and its
// doors where the kernel had put them.
func TestBeginningAnewKeepsNothing(t *testing.T) {
	server := redistest.Start(t)
	s := storeOf(t, server)
	outside := runtime.NumGoroutine()
	g := launch(t, shared(t, server, func(c *configs.Loaded) {
		c.Listen.SFTP, c.Listen.HTTP, c.Listen.HTTPS, c.Listen.FTP = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	}))
	g.ready(t)
	anew := func(n int) {
		declareDead(t, s)
		for began := time.Now(); strings.Count(g.log.String(), "what a dead node left has been settled") < n; time.Sleep(5 * time.Millisecond) {
			if time.Since(began) > time.Minute {
				t.Fatalf("it does not begin anew for the %d. time", n)
			}
		}
		g.becomes(t, "/readyz", http.StatusOK, "ready")
		for _, door := range []string{"SFTP", "HTTP", "HTTPS", "FTP"} {
			c, err := net.Dial("tcp", g.out.of(door))
			if err != nil {
				t.Fatal(err)
			}
			_ = c.Close()
		}
		http.DefaultClient.CloseIdleConnections()
	}
	anew(1)
	before := runtime.NumGoroutine()
	for n := 2; n <= 8; n++ {
		anew(n)
	}
	goroutines(t, before+3) // a connection more or less to Redis
	g.end(t)
	goroutines(t, outside+5)
}

// A node that has to begin anew while the store is away does so when it is back,
// and can be stopped until then.
func TestBeginningAnewWaitsForTheStore(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes")
	g := launch(t, shared(t, server, nil))
	g.ready(t)
	again := func() {
		g.log.when("begins anew", func() { server.Stop(t) })
		declareDead(t, storeOf(t, server))
	}
	again()
	g.says(t, g.log, "is waited for")
	server.Start(t)
	g.says(t, g.log, "what a dead node left has been settled")
	g.becomes(t, "/readyz", http.StatusOK, "ready")
	again()
	for strings.Count(g.log.String(), "is waited for") < 2 {
		select {
		case <-g.log.wrote:
		case <-g.ended:
			t.Fatalf("it ended: %v", g.err)
		}
	}
	g.end(t)
}

// Another may get the port of a node that begins anew, if only as its end of a connection
// to somewhere else: that is no reason to end for good.
func TestBeginningAnewWaitsForItsAddresses(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	g := launch(t, shared(t, server, func(c *configs.Loaded) { c.Listen.FTP = "127.0.0.1:0" }))
	g.ready(t)
	at := g.out.of("FTP")
	taken := make(chan net.Listener, 1)
	g.log.when("begins anew", func() {
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Error(err)
		}
		taken <- l
	})
	declareDead(t, storeOf(t, server))
	g.says(t, g.log, "another has one of its addresses")
	if l := <-taken; l != nil {
		_ = l.Close()
	}
	g.becomes(t, "/readyz", http.StatusOK, "ready")
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	g.end(t)
}

// A Redis that hangs is worse than one that is gone: nobody may wait for it for long,
// neither who asks for readiness nor who stops the gateway.
func TestTheStoreHangs(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	g := launch(t, shared(t, server, nil))
	g.ready(t)
	server.Pause(t)
	defer server.Resume(t)
	began := time.Now()
	g.becomes(t, "/readyz", http.StatusServiceUnavailable, "the store does not answer")
	if code, text := g.asked(t, "/healthz"); code != http.StatusOK {
		t.Errorf("/healthz: %d %s", code, text)
	}
	if took := time.Since(began); took > 10*asking {
		t.Errorf("readiness took %v", took)
	}
	began = time.Now()
	g.stop()
	_ = g.fails(t)
	if took := time.Since(began); took > 40*time.Second {
		t.Errorf("the end took %v", took)
	}
	waiting := launch(t, shared(t, server, nil))
	waiting.says(t, waiting.log, "is waited for")
	waiting.end(t)
}

// Two gateways never have one data folder, whatever keeps the state.
func TestADataFolderIsOnes(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := shared(t, server, nil)
	g := launch(t, c)
	g.ready(t)
	again := *c
	if err := launch(t, &again).fails(t); !errors.Is(err, bolt.ErrInUse) {
		t.Errorf("got %v, want ErrInUse", err)
	}
	g.becomes(t, "/readyz", http.StatusOK, "ready")
	g.end(t)
}
