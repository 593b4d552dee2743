package redistest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Name is what a Sentinel calls its master.
const Name = "main"

// A Watched is a master and its replica, and the Sentinel that watches them.
type Watched struct{ Master, Replica, Sentinel *Server }

// StartWatched starts these, or skips the test as Start does.
func StartWatched(t testing.TB) *Watched {
	t.Helper()
	w := &Watched{Master: Start(t, "--repl-diskless-sync-delay", "0")}
	host, port, err := net.SplitHostPort(w.Master.Addr)
	if err != nil {
		t.Fatal(err)
	}
	w.Replica = Start(t, "--replicaof", host, port)
	w.Master.Do(t, "SET", "begun", "1")
	w.Master.Do(t, "WAIT", 1, patience.Milliseconds())

	dir := folder(t)
	file := filepath.Join(dir, "sentinel.conf") // in which it keeps what it knows
	text := fmt.Sprintf("sentinel monitor %[1]s %[2]s %[3]s 1\nsentinel down-after-milliseconds %[1]s 1000\nsentinel failover-timeout %[1]s 5000\n", Name, host, port)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	w.Sentinel = &Server{dir: dir, first: []string{file, "--sentinel"}}
	w.Sentinel.startAnywhere(t)
	return w
}

// URL is what a store opens.
func (w *Watched) URL() string { return "redis://" + w.Sentinel.Addr + "?master=" + Name }

// FailOver makes the replica the master.
func (w *Watched) FailOver(t testing.TB) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		_, err := w.Sentinel.Try("SENTINEL", "FAILOVER", Name)
		if err == nil {
			return
		}
		if time.Since(began) > patience { // it has to find the replica first
			t.Fatalf("fail over: %v", err)
		}
	}
}
