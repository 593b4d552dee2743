package main

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// An island is where a node is whose whole network can go: to Redis, and to its
// clients. Who is on the same machine reaches it all the time.
type island struct {
	t      *testing.T
	cable  *cable // nil: the machine permits no namespaces, and proxies stand still
	redis  *front
	doors  map[string]*front
	beside map[string]*front
}

// newIsland makes an island from which a Redis is reached.
func newIsland(t *testing.T, redis string) *island {
	t.Helper()
	i := &island{t: t, doors: map[string]*front{}, beside: map[string]*front{}}
	cable, err := newCable(t)
	if err != nil {
		t.Logf("TCP connections stand still in place of packets that vanish: %v", err)
		i.redis = newFront(t, 1)
	} else {
		l, err := cable.ends[0].listen(addressOf(0) + ":0")
		if err != nil {
			t.Fatal(err)
		}
		i.cable, i.redis = cable, serveFront(t, l, 1, outside)
	}
	i.redis.to[0].Store(redis)
	// FTP's data would need ways of their own, and HTTP TLS where it is not loopback.
	i.doors["SFTP"] = frontFrom(t, 1, i.end(0))
	for _, door := range []string{"SFTP", "metrics"} {
		i.beside[door] = frontFrom(t, 1, i.end(1))
	}
	return i
}

// end is a side of the cable: 0 is that of all others, 1 the node's.
func (i *island) end(side int) *namespace {
	if i.cable == nil {
		return outside
	}
	return i.cable.ends[side]
}

// take has a node run on the island from its next start on.
func (i *island) take(n *node) {
	n.place = i.end(1)
	n.extra = append(n.extra, "GATEHOUSE_STATE_URL=redis://"+i.redis.addr)
	if i.cable != nil {
		for _, door := range []string{"SFTP", "METRICS"} {
			n.extra = append(n.extra, "GATEHOUSE_LISTEN_"+door+"="+addressOf(1)+":0")
		}
	}
	n.way = func(addr map[string]string) map[string]string {
		seen := map[string]string{}
		for door, front := range i.doors {
			front.to[0].Store(addr[door])
			seen[door] = front.addr
		}
		for door, front := range i.beside {
			front.to[0].Store(addr[door])
		}
		seen["metrics"] = i.beside["metrics"].addr
		return seen
	}
}

// cut has nothing reach the island, and nothing leave it.
func (i *island) cut() {
	i.t.Helper()
	if i.cable != nil {
		if err := i.cable.cut(); err != nil {
			i.t.Fatal(err)
		}
		return
	}
	i.redis.cut()
	for front := range maps.Values(i.doors) {
		front.cut()
	}
}

// heal ends a cut: what was sent meanwhile arrives.
func (i *island) heal() {
	i.t.Helper()
	if i.cable != nil {
		if err := i.cable.join(); err != nil {
			i.t.Fatal(err)
		}
		return
	}
	i.redis.restore()
	for front := range maps.Values(i.doors) {
		front.restore()
	}
}

// A node is cut off from Redis and from its clients at once, for longer than its
// lease, in the middle of 20 uploads of which the rest is sent meanwhile: packets
// vanish, and nobody is told. It changes nothing from when others have settled what
// it held: neither for who is on the same machine, nor of what arrives when the cut
// is healed. It answers all the while, and comes back by itself.
func TestNodeIsPartitioned(t *testing.T) {
	t.Parallel()
	const limit = uploads * uploadSize
	random, server := seedOf(t), persistent(t)
	f := newFleet(t, server.URL(), server.URL(), server.URL())
	place, cut := newIsland(t, server.Addr), f.nodes[2]
	f.leave(2)
	cut.stop()
	place.take(cut)
	f.start(2)
	f.admit(f.nodes[0], "anna", limit)
	f.admit(f.nodes[0], "mallory", limit)
	stop := f.never("anna", limit)
	defer stop()
	mallory, err := overSFTP(place.beside["SFTP"].addr, "mallory", "/", f.key, f.host)
	if err != nil {
		t.Fatal(err)
	}
	defer mallory.close()
	list := f.arrivals(random, "anna")
	f.within(patience, "sessions are listed with their nodes", func() error { return f.isListed(cut.name()) })
	place.cut()
	f.leave(2)
	e := finish(list)
	f.buried(f.nodes[0], cut)
	f.within(patience, "its sessions are not listed", func() error { return f.hasNone(cut.name()) })
	f.refuses(cut, place, mallory)
	more := f.fill("anna", random)
	for _, name := range []string{"anna", "mallory"} {
		f.nodes[0].must(http.MethodPost, "/accounts/"+name+"/disable", nil, nil)
	}
	f.sound(f.nodes[0])
	before, _, err := stored(f.nodes[0].files("home"))
	if err != nil {
		t.Fatal(err)
	}
	place.heal()
	f.within(10*lease, "who was disabled is out", func() error {
		if mallory.(*sftpClient).holds("/", piece{}) == nil {
			return errors.New("mallory reads")
		}
		return errors.Join(f.nobody("anna"), f.nobody("mallory"))
	})
	f.says(cut, http.StatusOK)
	if n := f.ended(list, e); n == len(list) {
		t.Errorf("all of %d uploads were confirmed, also on the node that was cut off", n)
	}
	if after, _, err := stored(f.nodes[0].files("home")); err != nil || after != before {
		t.Errorf("%d bytes were stored before the cut was healed, %d after it: %v", before, after, err)
	}
	t.Logf("%d more uploads were stored during the cut", more)
	f.join(2)
	f.sound(f.nodes[0])
	f.sound(cut)
	stop()
	f.admit(cut, "berta", 100*uploadSize)
	f.serves(random, "berta")
}

// hasNone asks that nobody is on a node.
func (f *fleet) hasNone(node string) error {
	list, err := listed(f.nodes[0])
	if i := slices.IndexFunc(list, func(p present) bool { return slices.Contains(p.Nodes, node) }); i >= 0 {
		return fmt.Errorf("%+v", list[i])
	}
	return err
}

// refuses asks that a node which nothing of Redis reaches says no to each change
// and to each login, and does so in time.
func (f *fleet) refuses(cut *node, place *island, inside client) {
	f.t.Helper()
	began := time.Now()
	f.says(cut, http.StatusServiceUnavailable)
	var status *statusError
	for _, change := range []struct {
		method, path string
		in           any
	}{
		{http.MethodPost, "/accounts", map[string]any{"username": "nobody"}},
		{http.MethodPost, "/accounts/anna/disable", nil},
		{http.MethodPost, "/quotas/rescan", map[string]any{"path": "/home/anna"}},
	} {
		if err := cut.api(change.method, change.path, change.in, nil); !errors.As(err, &status) || status.status != http.StatusServiceUnavailable {
			f.t.Errorf("%s %s at a node that is cut off: %v", change.method, change.path, err)
		}
	}
	if err := inside.do(step{verb: put, name: "late", piece: whole(1, 10)}); err == nil || strings.Contains(err.Error(), "timeout") {
		f.t.Errorf("a node that was declared dead stored a file, or did not answer: %v", err)
	}
	if c, err := overSFTP(place.beside["SFTP"].addr, "mallory", "/", f.key, f.host); err == nil {
		c.close()
		f.t.Error("somebody came in at a node that is cut off")
	}
	if took := time.Since(began); took > 2*patience {
		f.t.Errorf("a node that is cut off took %v to say no", took)
	}
}
