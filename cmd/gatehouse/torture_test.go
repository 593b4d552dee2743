package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// rounds is how often the gateway is killed, and seed what makes it the same
// again: GATEHOUSE_TORTURE and GATEHOUSE_SEED.
func rounds(t *testing.T) (n int, seed uint64) {
	t.Helper()
	n, seed = 5, uint64(time.Now().UnixNano())
	if v, err := strconv.Atoi(os.Getenv("GATEHOUSE_TORTURE")); err == nil {
		n = v
	}
	if v, err := strconv.ParseUint(os.Getenv("GATEHOUSE_SEED"), 10, 64); err == nil {
		seed = v
	}
	t.Logf("GATEHOUSE_TORTURE=%d GATEHOUSE_SEED=%d", n, seed)
	return n, seed
}

// A gateway is killed at any moment under load from all doors, and also as it
// starts: everything acknowledged is there, what was under way is there whole or
// not at all (over SFTP and FTP, where uploads are made in place, in part), and
// nothing else stays of it. It is so whatever the mount's fsync: what the kernel
// has it keeps.
func TestKillUnderLoad(t *testing.T) {
	n, seed := rounds(t)
	random := rand.New(rand.NewPCG(seed, 0))
	gateway := newNode(t, filepath.Join(t.TempDir(), "data"))
	fsync := []string{"close", "none", "always"}[seed%3]
	t.Logf("fsync: %s", fsync)
	mounts := fmt.Sprintf("mounts: [{path: /, kind: local, dir: %s, fsync: %s}]\n", gateway.files(""), fsync)
	gateway.extra = append(gateway.extra, "GATEHOUSE_CONFIG="+fileWith(t, "gatehouse.yaml", mounts))
	gateway.start()
	l := newLoad(t, gateway, seed)
	l.gather()
	l.sow(seed)
	for round := range n {
		l.round(random)
		if t.Failed() {
			t.Logf("round %d", round+1)
			return
		}
	}
	gateway.stop()
	for _, line := range gateway.complaints() {
		t.Errorf("logged: %s", line)
	}
}

// round kills once, twice or three times, and looks.
func (l *load) round(random *rand.Rand) {
	l.t.Helper()
	l.begin()
	if random.IntN(5) > 0 {
		l.worked(20 + random.Int64N(400)) // else the kill may come while they log in
	}
	after := 20*time.Millisecond + time.Duration(random.IntN(500))*time.Millisecond
	time.Sleep(after)
	steps := l.steps.Load()
	l.kill()
	starts := random.IntN(3)
	for range starts {
		l.node.startAndKill(time.Duration(random.IntN(250)) * time.Millisecond)
	}
	began := time.Now()
	l.node.start()
	up := time.Since(began)
	l.verifyStart()
	l.verify()
	l.verifyRoom()
	l.t.Logf("killed %v after %d steps, then %d times while starting; up in %v, in order after %v",
		after, steps, starts, up.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
}
