package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gatehouse/storage/state/redis/redistest"
)

// uploads are under way when something happens to a fleet.
const (
	uploads    = 20
	uploadSize = 1_000_000
)

// seedOf makes what clients send the same again: GATEHOUSE_SEED.
func seedOf(t *testing.T) *rand.Rand {
	t.Helper()
	_, seed := rounds(t)
	return rand.New(rand.NewPCG(seed, 0))
}

// arrivals begins uploads over all doors and nodes.
func (f *fleet) arrivals(random *rand.Rand, account string) []*arrival {
	f.t.Helper()
	list := make([]*arrival, uploads)
	var all sync.WaitGroup
	for i := range list {
		upload := random.Uint64() | 1
		all.Go(func() {
			door := []string{"SFTP", "FTP", "HTTP"}[i%3]
			// A node that was not heard of for a moment, on a machine that stood still,
			// says so: a client comes again.
			f.within(patience, "an upload begins", func() (err error) {
				list[i], err = f.begin(account, door, fmt.Sprintf("%x", upload), whole(upload, uploadSize))
				return err
			})
		})
	}
	all.Wait()
	if slices.Contains(list, nil) {
		f.t.FailNow()
	}
	f.t.Cleanup(func() {
		for _, a := range list {
			a.leave()
		}
	})
	return list
}

// An ending is how uploads end that go on.
type ending struct {
	errs []error
	all  sync.WaitGroup
	done atomic.Int64
}

// finish sends the rest of all.
func finish(list []*arrival) *ending {
	e := &ending{errs: make([]error, len(list))}
	for i, a := range list {
		e.all.Go(func() {
			e.errs[i] = a.finish()
			a.leave()
			e.done.Add(1)
		})
	}
	return e
}

// ended waits for all, and asks what became of each. It says how many were
// confirmed.
func (f *fleet) ended(list []*arrival, e *ending) (confirmed int) {
	f.t.Helper()
	e.all.Wait()
	for i, a := range list {
		if e.errs[i] == nil {
			confirmed++
		}
		f.within(4*lease, "what became of an upload", func() error { return f.became(a, e.errs[i]) })
	}
	return confirmed
}

// serves asks that uploads over all doors and nodes come to their end.
func (f *fleet) serves(random *rand.Rand, account string) {
	f.t.Helper()
	list := f.arrivals(random, account)
	e := finish(list)
	if n := f.ended(list, e); n != len(list) {
		f.t.Errorf("%d of %d uploads were confirmed: %v", n, len(list), errors.Join(e.errs...))
	}
}

// never asks, until stop, that what an account's folder holds is not more than it may.
func (f *fleet) never(account string, over int64) (stop func()) {
	done := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		for tick := time.NewTicker(20 * time.Millisecond); ; <-tick.C {
			if bytes, _, err := stored(f.nodes[0].files("home/" + account)); err == nil && bytes > over {
				f.t.Errorf("%s holds %d bytes, and may hold %d", account, bytes, over)
				return
			}
			select {
			case <-done:
				tick.Stop()
				return
			default:
			}
		}
	})
	return sync.OnceFunc(func() { close(done); all.Wait() })
}

func persistent(t *testing.T) *redistest.Server {
	t.Helper()
	return redistest.Start(t, "--appendonly", "yes", "--appendfsync", "everysec")
}

// A node is killed in the middle of 20 uploads: those on the others come to their
// end, nothing of the dead one's stays charged, staged or listed, and it comes back.
func TestNodeIsKilled(t *testing.T) {
	t.Parallel()
	random, url := seedOf(t), persistent(t).URL()
	f := newFleet(t, url, url, url)
	f.admit(f.nodes[0], "anna", 100*uploadSize)
	list := f.arrivals(random, "anna")
	dead := f.nodes[2].name()
	f.within(patience, "sessions are listed with their nodes", func() error { return f.isListed(dead) })
	f.kill(2)
	e := finish(list)
	if n := f.ended(list, e); n == 0 || n == len(list) {
		t.Errorf("%d of %d uploads were confirmed, want those on two of three nodes", n, len(list))
	}
	f.buried(f.nodes[0], f.nodes[2])
	f.sound(f.nodes[0])
	f.start(2)
	f.serves(random, "anna")
	f.sound(f.nodes[2])
}

func (f *fleet) isListed(node string) error {
	list, err := listed(f.nodes[0])
	if err == nil && !slices.ContainsFunc(list, func(p present) bool { return slices.Contains(p.Nodes, node) }) {
		return fmt.Errorf("none is on %s: %v", node, list)
	}
	return err
}

// A node stands still for longer than its lease, in the middle of 20 uploads, and
// others take over what it held. When it wakes it does nothing of what it was at:
// it stores no byte, also where there was room when it fell asleep and is none now,
// and who was disabled meanwhile is out.
func TestNodeStandsStill(t *testing.T) {
	t.Parallel()
	const limit = 16 * uploadSize
	random, url := seedOf(t), persistent(t).URL()
	f := newFleet(t, url, url, url)
	f.admit(f.nodes[0], "anna", limit)
	stop := f.never("anna", limit)
	defer stop()
	list := f.arrivals(random, "anna")
	f.leave(2)
	f.nodes[2].signal(syscall.SIGSTOP)
	defer f.nodes[2].signal(syscall.SIGCONT)
	e := finish(list)
	f.buried(f.nodes[0], f.nodes[2])
	more := f.fill("anna", random)
	f.nodes[0].must(http.MethodPost, "/accounts/anna/disable", nil, nil)
	before, _, err := stored(f.nodes[0].files("home/anna"))
	if err != nil {
		t.Fatal(err)
	}
	f.nodes[2].signal(syscall.SIGCONT)
	if n := f.ended(list, e); n == len(list) {
		t.Errorf("all of %d uploads were confirmed, also on the node that stood still", n)
	}
	if after, _, err := stored(f.nodes[0].files("home/anna")); err != nil || after > before {
		t.Errorf("%d bytes were stored when the node woke, %d after it: %v", before, after, err)
	}
	t.Logf("%d more uploads were stored while it stood still", more)
	f.says(f.nodes[2], http.StatusOK)
	f.join(2)
	f.sound(f.nodes[0])
	f.sound(f.nodes[2])
	f.within(patience, "nobody of the disabled account is in", func() error { return f.nobody("anna") })
	stop()
	f.admit(f.nodes[2], "berta", 100*uploadSize)
	f.serves(random, "berta")
}

// fill uploads until there is no room.
func (f *fleet) fill(account string, random *rand.Rand) (n int) {
	f.t.Helper()
	c, err := f.visit(account, "SFTP", "/")
	if err != nil {
		f.t.Fatal(err)
	}
	defer c.close()
	for ; n < 50; n++ {
		upload := random.Uint64() | 1
		err := c.do(step{verb: put, name: fmt.Sprintf("%x", upload), piece: whole(upload, uploadSize)})
		if errors.Is(err, errFull) {
			return n
		}
		if err != nil {
			f.t.Errorf("fill: %v", err)
			return n
		}
	}
	f.t.Error("it is never full")
	return n
}

// nobody asks that an account has no session, on any node.
func (f *fleet) nobody(account string) error {
	for _, n := range f.nodes {
		if n.cmd == nil {
			continue
		}
		list, err := listed(n)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(list, func(p present) bool { return p.Account == account }); i >= 0 {
			return fmt.Errorf("%+v", list[i])
		}
	}
	return nil
}

// Redis is gone for ten seconds: who is in reads on, nothing is changed that might
// not stand, nobody comes in, and a load balancer is told. Then all goes on by
// itself: uploads that were under way too.
func TestRedisIsGone(t *testing.T) {
	t.Parallel()
	const away = 10 * time.Second
	random, server := seedOf(t), persistent(t)
	f := newFleet(t, server.URL(), server.URL(), server.URL())
	f.admit(f.nodes[0], "anna", 100*uploadSize)
	f.serves(random, "anna")
	inside, err := f.visit("anna", "SFTP", "/")
	if err != nil {
		t.Fatal(err)
	}
	defer inside.close()
	kept := step{verb: put, name: "kept", piece: whole(1, 10_000)}
	if err := inside.do(kept); err != nil {
		t.Fatal(err)
	}
	list := f.arrivals(random, "anna")
	server.Kill(t)
	back := time.After(away)
	for _, n := range f.nodes {
		f.says(n, http.StatusServiceUnavailable)
	}
	if err := inside.(*sftpClient).holds("/kept", kept.piece); err != nil {
		t.Errorf("reading while Redis is gone: %v", err)
	}
	if err := inside.do(step{verb: put, name: "new", piece: whole(3, 10_000)}); err == nil {
		t.Error("a change while nothing is held went well")
	}
	if c, err := f.visit("anna", "SFTP", "/"); err == nil {
		c.close()
		t.Error("somebody came in while Redis is gone")
	}
	<-back
	server.Start(t)
	for _, n := range f.nodes {
		f.says(n, http.StatusOK)
	}
	e := finish(list)
	if n := f.ended(list, e); n != len(list) {
		t.Errorf("%d of %d uploads that were under way came to their end: %v", n, len(list), errors.Join(e.errs...))
	}
	if err := inside.do(step{verb: put, name: "after", piece: whole(5, 10_000)}); err != nil {
		t.Errorf("who was in before cannot change anything after it: %v", err)
	}
	f.serves(random, "anna")
	f.sound(f.nodes[1])
}

// holds reads a file.
func (c *sftpClient) holds(name string, want piece) error {
	file, err := c.files.Open(name)
	if err != nil {
		return err
	}
	content := make([]byte, want.most)
	_, err = file.ReadAt(content, 0)
	if !want.is(content) {
		err = errors.Join(err, errors.New("other content"))
	}
	return errors.Join(err, file.Close())
}

// A node does not reach Redis, and its clients reach it. It changes nothing once its
// lease is over, whoever was disabled is out as soon as it hears of it, and it comes
// back by itself.
func TestNodeIsCutOff(t *testing.T) {
	t.Parallel()
	random, server := seedOf(t), persistent(t)
	way := newFront(t, 1)
	way.to[0].Store(server.Addr)
	f := newFleet(t, server.URL(), server.URL(), "redis://"+way.addr)
	f.admit(f.nodes[0], "anna", 100*uploadSize)
	f.admit(f.nodes[0], "berta", 100*uploadSize)
	mallory, err := overSFTP(f.nodes[2].addr["SFTP"], "berta", "/", f.key, f.host)
	if err != nil {
		t.Fatal(err)
	}
	defer mallory.close()
	list := f.arrivals(random, "anna")
	way.cut()
	f.buried(f.nodes[0], f.nodes[2])
	f.nodes[0].must(http.MethodPost, "/accounts/berta/disable", nil, nil)
	if err := mallory.do(step{verb: put, name: "late", piece: whole(1, 10)}); err == nil {
		t.Error("a node that was declared dead stored a file")
	}
	f.leave(2)
	e := finish(list)
	if n := f.ended(list, e); n == 0 || n == len(list) {
		t.Errorf("%d of %d uploads were confirmed, want those on two of three nodes", n, len(list))
	}
	f.sound(f.nodes[0])
	way.restore()
	f.within(4*lease, "who was disabled is out", func() error {
		if mallory.(*sftpClient).holds("/", piece{}) == nil {
			return errors.New("it reads")
		}
		return f.nobody("berta")
	})
	f.says(f.nodes[2], http.StatusOK)
	f.join(2)
	f.serves(random, "anna")
	f.sound(f.nodes[2])
}
