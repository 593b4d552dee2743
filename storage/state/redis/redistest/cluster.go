package redistest

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// slots is how many a Cluster has.
const slots = 16384

// A Cluster is three masters.
type Cluster struct{ Masters []*Server }

// StartCluster starts a Cluster, or skips the test as Start does.
func StartCluster(t testing.TB) *Cluster {
	t.Helper()
	program(t)
	c := new(Cluster)
	for range 3 {
		c.Masters = append(c.Masters, startMember(t))
	}
	for i, m := range c.Masters {
		m.Do(t, "CLUSTER", "ADDSLOTSRANGE", i*slots/3, (i+1)*slots/3-1)
		m.Do(t, "CLUSTER", "SET-CONFIG-EPOCH", i+1)
	}
	for _, m := range c.Masters[1:] {
		host, port, err := net.SplitHostPort(m.Addr)
		if err != nil {
			t.Fatal(err)
		}
		c.Masters[0].Do(t, "CLUSTER", "MEET", host, port, m.busPort())
	}
	c.await(t)
	return c
}

// startMember starts a server that is to be one of a Cluster.
func startMember(t testing.TB, args ...string) *Server {
	t.Helper()
	return Start(t, append([]string{"--cluster-enabled", "yes", "--cluster-node-timeout", "5000", "--repl-diskless-sync-delay", "0", "--cluster-port", Port(t)}, args...)...)
}

// await waits until all masters know of all slots.
func (c *Cluster) await(t testing.TB) {
	t.Helper()
	for began := time.Now(); time.Since(began) < patience; time.Sleep(20 * time.Millisecond) {
		ready := 0
		for _, m := range c.Masters {
			info := fmt.Sprint(m.Do(t, "CLUSTER", "INFO"))
			if strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:3") {
				ready++
			}
		}
		if ready == len(c.Masters) {
			return
		}
	}
	t.Fatal("the Cluster does not come together")
}

// URL is what a store opens.
func (c *Cluster) URL() string {
	var servers []string
	for _, m := range c.Masters {
		servers = append(servers, m.Addr)
	}
	return "redis://" + strings.Join(servers, ",") + "?cluster=true"
}

// Flush empties all masters.
func (c *Cluster) Flush(t testing.TB) {
	t.Helper()
	for _, m := range c.Masters {
		m.Flush(t)
	}
}

// A Move is a slot on its way from one master to another, where both are asked
// for it. It takes Keys, then Finish.
type Move struct {
	cluster  *Cluster
	slot     any
	from, to *Server
}

// Move begins to move a slot.
func (c *Cluster) Move(t testing.TB, slot any, from, to *Server) *Move {
	t.Helper()
	to.Do(t, "CLUSTER", "SETSLOT", slot, "IMPORTING", from.Do(t, "CLUSTER", "MYID"))
	from.Do(t, "CLUSTER", "SETSLOT", slot, "MIGRATING", to.Do(t, "CLUSTER", "MYID"))
	return &Move{c, slot, from, to}
}

// Keys moves the keys of the slot.
func (m *Move) Keys(t testing.TB) {
	t.Helper()
	host, port, err := net.SplitHostPort(m.to.Addr)
	if err != nil {
		t.Fatal(err)
	}
	keys, _ := m.from.Do(t, "CLUSTER", "GETKEYSINSLOT", m.slot, 10_000).([]any)
	for _, key := range keys {
		m.from.Do(t, "MIGRATE", host, port, key, 0, patience.Milliseconds())
	}
}

// Finish tells all masters where the slot is.
func (m *Move) Finish(t testing.TB) {
	t.Helper()
	target := m.to.Do(t, "CLUSTER", "MYID")
	for _, master := range append([]*Server{m.to, m.from}, m.cluster.Masters...) {
		master.Do(t, "CLUSTER", "SETSLOT", m.slot, "NODE", target)
	}
}

// busPort is the port on which the servers of a Cluster talk to each other.
func (s *Server) busPort() string {
	for i, a := range s.args {
		if a == "--cluster-port" {
			return s.args[i+1]
		}
	}
	return ""
}
