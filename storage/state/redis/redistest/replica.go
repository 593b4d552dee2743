package redistest

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// Replicate adds a replica to a master of the Cluster, which has all that the master has.
func (c *Cluster) Replicate(t testing.TB, master *Server, args ...string) *Server {
	t.Helper()
	replica := startMember(t, args...)
	host, port, err := net.SplitHostPort(master.Addr)
	if err != nil {
		t.Fatal(err)
	}
	replica.Do(t, "CLUSTER", "MEET", host, port, master.busPort())
	id := master.Do(t, "CLUSTER", "MYID")
	eventually(t, "the replica follows its master", func() bool {
		_, err := replica.Try("CLUSTER", "REPLICATE", id) // which it has to know of first
		return err == nil
	})
	eventually(t, "the replica has what its master has", func() bool {
		info, _ := replica.Try("INFO", "replication")
		return strings.Contains(fmt.Sprint(info), "master_link_status:up")
	})
	own := fmt.Sprint(replica.Do(t, "CLUSTER", "MYID"))
	for _, m := range c.Masters {
		eventually(t, "all know of the replica", func() bool {
			return strings.Contains(fmt.Sprint(m.Do(t, "CLUSTER", "NODES")), own)
		})
	}
	master.Do(t, "WAIT", 1, patience.Milliseconds())
	return replica
}

// Promote makes a replica the master of the slots of its own, which may be gone, and
// waits until the others know.
func (c *Cluster) Promote(t testing.TB, replica *Server) {
	t.Helper()
	replica.Do(t, "CLUSTER", "FAILOVER", "TAKEOVER")
	id := fmt.Sprint(replica.Do(t, "CLUSTER", "MYID"))
	for _, m := range c.Masters {
		eventually(t, "the Cluster knows who was promoted", func() bool {
			known, err := m.Try("CLUSTER", "NODES")
			return err != nil || promoted(fmt.Sprint(known), id) // who is gone need not know
		})
	}
}

// promoted reports that one is a master that has slots, in the answer of CLUSTER NODES.
func promoted(nodes, id string) bool {
	for line := range strings.Lines(nodes) {
		if fields := strings.Fields(line); len(fields) > 8 && fields[0] == id {
			return strings.Contains(fields[2], "master")
		}
	}
	return false
}

func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for began := time.Now(); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatalf("it does not come to pass that %s", what)
		}
	}
}
