package quota_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/storage/quota"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// A member is one run of a node: it can be paused, which it does not notice, and
// killed.
type member struct {
	node, epoch string
	ledger      *quota.Ledger
	end         context.CancelFunc

	mu     sync.Mutex
	paused chan struct{} // not nil while it is; closed when it goes on
	killed bool
}

func (m *member) holder() string { return m.node + "/" + m.epoch }

// wait returns once the member runs, false where it never will.
func (m *member) wait() bool {
	for {
		m.mu.Lock()
		paused, killed := m.paused, m.killed
		m.mu.Unlock()
		if killed || paused == nil {
			return !killed
		}
		<-paused
	}
}

func (m *member) pause() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.paused == nil {
		m.paused = make(chan struct{})
	}
}

func (m *member) wake() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.paused != nil {
		close(m.paused)
		m.paused = nil
	}
}

func (m *member) kill() {
	m.mu.Lock()
	m.killed = true
	m.mu.Unlock()
	m.wake()
	m.end()
}

// line is a member's way to the store: what it sends while it is paused comes when it
// goes on, and nothing once it is killed.
type line struct {
	state.Store
	member *member
}

var errKilled = errors.New("the process is gone")

func (l line) Apply(ctx context.Context, b state.Batch) (state.Result, error) {
	if !l.member.wait() {
		return state.Result{}, errKilled
	}
	return l.Store.Apply(ctx, b)
}

func (l line) Count(ctx context.Context, scope string, op state.CounterOp) (state.CounterValue, error) {
	if !l.member.wait() {
		return state.CounterValue{}, errKilled
	}
	return l.Store.Count(ctx, scope, op)
}

// A crowd is several nodes on one store and one disk.
type crowd struct {
	t      *testing.T
	store  state.Store
	disk   *disk
	random *rand.Rand

	mu      sync.Mutex
	dead    map[string]bool
	members []*member // the present run of each node
	runs    int
}

func (c *crowd) begin(node string) *member {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.runs++
	m := &member{node: node, epoch: fmt.Sprint(c.runs)}
	ctx, end := context.WithCancel(context.WithoutCancel(c.t.Context()))
	m.end = end
	l, err := quota.New(ctx, line{c.store, m}, m.node, m.epoch, c.disk.walk)
	if err != nil {
		c.t.Fatal(err)
	}
	l.Share(quota.Sharing{Living: c.living, Held: func() bool { return c.living(m.holder()) }})
	m.ledger = l
	return m
}

func (c *crowd) living(holder string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.dead[holder]
}

// declareDead has everybody take a run for dead.
func (c *crowd) declareDead(m *member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dead[m.holder()] = true
}

// replace declares a run dead, has another node bury it and begins the next one.
func (c *crowd) replace(i, by int) {
	m := c.member(i)
	c.declareDead(m)
	for c.member(by).ledger.Bury(c.t.Context(), m.node, m.epoch) != nil {
		time.Sleep(time.Second)
	}
	next := c.begin(m.node)
	c.mu.Lock()
	c.members[i] = next
	c.mu.Unlock()
}

func (c *crowd) member(i int) *member {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.members[i]
}

// step is a moment between two things that a member does; false where it may not do
// the next.
func (c *crowd) step(m *member, random *rand.Rand) bool {
	time.Sleep(time.Duration(random.IntN(3000)) * time.Microsecond)
	return m.wait() && c.living(m.holder())
}

// act does one thing, and stops wherever the member ends.
func (c *crowd) act(m *member, random *rand.Rand, who int) error {
	ctx, l, d := c.t.Context(), m.ledger, c.disk
	name := p(fmt.Sprintf("/q/%c/%d-%d", 'a'+rune(random.IntN(2)), who, random.IntN(3)))
	switch random.IntN(16) {
	case 8, 9, 10:
		if d.total(name).Files == 0 {
			return nil
		}
		r, err := l.ReserveBytes(ctx, name, 1, random.Int64N(700)+1)
		if err != nil || !c.step(m, random) {
			return err
		}
		grow := r.Granted()
		d.mu.Lock()
		if _, there := d.files[name]; !there {
			grow = quota.Amount{}
		} else {
			d.files[name] += grow.Bytes
		}
		d.mu.Unlock()
		if c.step(m, random) {
			r.Commit(grow)
		}
		return nil
	case 0, 1, 2:
		grow := quota.Amount{Bytes: random.Int64N(900)}
		if d.total(name).Files == 0 {
			grow.Files = 1
		}
		r, err := l.Reserve(ctx, name, grow)
		if err != nil || !c.step(m, random) {
			return err
		}
		d.mu.Lock()
		d.files[name] += grow.Bytes
		d.mu.Unlock()
		if c.step(m, random) {
			r.Commit(grow)
		}
		return nil
	case 3, 4, 11, 12, 14, 15:
		done, err := l.Touch(ctx, name)
		if err != nil || !c.step(m, random) {
			return err
		}
		d.mu.Lock()
		size, there := d.files[name]
		delete(d.files, name)
		d.mu.Unlock()
		if !c.step(m, random) {
			return nil
		}
		if there {
			err = l.Release(ctx, name, quota.Amount{Bytes: size, Files: 1})
		}
		done()
		return err
	case 5:
		to := p(fmt.Sprintf("/q/%c/%d-%d", 'a'+rune(random.IntN(2)), who, 100+random.Int64()))
		done, err := l.Touch(ctx, name, to)
		if err != nil || !c.step(m, random) {
			return err
		}
		d.mu.Lock()
		if size, there := d.files[name]; there {
			delete(d.files, name)
			d.files[to] = size
		}
		d.mu.Unlock()
		done()
		return nil
	case 6, 13:
		_, err := l.Rescan(ctx, p("/q"))
		return err
	}
	time.Sleep(time.Duration(random.IntN(8)) * time.Second) // so that leases come and go
	return nil
}

// sure compares the store with the disk at a moment at which nothing is booked: what
// is used and leased is never less than there is.
func (c *crowd) sure() {
	id := quotaID(c.t, c.store)
	for name, of := range map[string]func(quota.Amount) int64{
		"bytes": func(a quota.Amount) int64 { return a.Bytes },
		"files": func(a quota.Amount) int64 { return a.Files },
	} {
		look := func() state.CounterValue {
			v, err := c.store.Count(c.t.Context(), "quota:"+id, state.Lease{Name: name, Holder: "test"})
			if err != nil {
				c.t.Fatal(err)
			}
			return v
		}
		before := look()
		there := of(c.disk.total(p("/q")))
		if after := look(); !reflect.DeepEqual(before, after) {
			continue
		}
		if there > before.Used+before.Leased {
			c.t.Errorf("%d %s on disk, and only %d used and %d leased", there, name, before.Used, before.Leased)
		}
		if there > before.Limit {
			c.t.Errorf("%d %s on disk, limit %d", there, name, before.Limit)
		}
	}
}

// quotaID is the id of the only quota.
func quotaID(t *testing.T, s state.Store) string {
	scopes, err := s.Scopes(t.Context(), "quota:", 1)
	if err != nil || len(scopes) != 1 {
		t.Fatalf("scopes %v, %v", scopes, err)
	}
	return scopes[0][len("quota:"):]
}

// Nodes write, remove, move and count at once; some are killed, and some are paused
// for so long that they are taken for dead and buried, and then go on. The limit is
// never passed, never less is booked than there is, and once all is quiet the figure
// is that of the disk.
func TestNodesComeAndGo(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { comeAndGo(t, seed) })
		})
	}
}

func comeAndGo(t *testing.T, seed uint64) {
	store := &audited{Store: memory.New()}
	c := &crowd{t: t, store: store, disk: newDisk(), random: rand.New(rand.NewPCG(seed, 1)), dead: make(map[string]bool)}
	c.disk.pace(func() { time.Sleep(100 * time.Microsecond) })
	for _, node := range []string{"a", "b", "c"} {
		c.members = append(c.members, c.begin(node))
	}
	set(t, c.members[0].ledger, "/q", 9_000, 20)
	time.Sleep(time.Minute)
	var stop atomic.Bool
	var wg sync.WaitGroup
	for i := range 9 {
		random := rand.New(rand.NewPCG(seed, uint64(i)+10))
		wg.Go(func() {
			for !stop.Load() {
				m := c.member(i % 3)
				if !m.wait() || !c.living(m.holder()) {
					time.Sleep(time.Second)
					continue
				}
				err := c.act(m, random, i)
				if err != nil && m.wait() && c.living(m.holder()) && !errors.Is(err, quota.ErrExceeded) && !errors.Is(err, quota.ErrBusy) {
					t.Errorf("%s: %v", m.holder(), err)
				}
				time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
			}
		})
	}
	var lost []*member
	for range 6 {
		for range 20 {
			time.Sleep(time.Duration(c.random.IntN(1000)) * time.Millisecond)
			c.sure()
		}
		i := c.random.IntN(3)
		switch m := c.member(i); c.random.IntN(3) {
		case 0:
			m.kill()
			c.replace(i, (i+1)%3)
		case 1: // it is paused for longer than it may
			m.pause()
			c.replace(i, (i+1)%3)
			lost = append(lost, m)
		case 2:
			m.pause()
			time.Sleep(time.Second)
			m.wake()
		}
		if c.random.IntN(2) == 0 {
			for _, m := range lost {
				m.wake()
			}
		}
	}
	stop.Store(true)
	for _, m := range lost {
		m.wake()
	}
	wg.Wait()
	c.sure()
	if store.over.Load() > 0 {
		t.Error("used and leased passed the limit")
	}
	time.Sleep(6 * time.Hour)
	for i := range c.members {
		m := c.member(i)
		wantUsed(t, m.ledger, "/q", c.disk.total(p("/q")))
		closeLedger(t, m.ledger)
	}
	for _, m := range lost {
		closeLedger(t, m.ledger)
	}
	v, err := store.Count(t.Context(), "quota:"+quotaID(t, store), state.Lease{Name: "bytes", Holder: "test"})
	if want := c.disk.total(p("/q")).Bytes; err != nil || v.Used != want {
		t.Errorf("%d bytes are booked, there are %d, %v", v.Used, want, err)
	}
	for holder := range v.Holders {
		if c.living(holder) {
			t.Errorf("%s has left with a lease", holder)
		}
	}
}

// A run that was taken for dead knows that a figure is in doubt, and may count nothing
// any more: the node's next run does.
func TestDoubtOutlivesTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &crowd{t: t, store: memory.New(), disk: newDisk(), random: rand.New(rand.NewPCG(1, 1)), dead: make(map[string]bool)}
		m, other := c.begin("a"), c.begin("b")
		set(t, m.ledger, "/q", 1000, 10)
		time.Sleep(time.Hour)
		c.disk.put("/q/f")
		c.declareDead(m)
		m.ledger.Unsure(p("/q/f"))
		closeLedger(t, m.ledger)
		next := c.begin("a")
		time.Sleep(time.Hour)
		wantUsed(t, next.ledger, "/q", quota.Amount{Bytes: 10, Files: 1})
		closeLedger(t, next.ledger)
		closeLedger(t, other.ledger)
	})
}

// A run was cut off, and others have counted what it had written. When it reaches the
// store again, and has not heard yet that it was declared dead, it does not book that
// once more.
func TestNothingIsBookedTwiceAfterACut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &crowd{t: t, store: memory.New(), disk: newDisk(), random: rand.New(rand.NewPCG(1, 1)), dead: make(map[string]bool)}
		m, other := c.begin("a"), c.begin("b")
		set(t, m.ledger, "/q", 1000, 10)
		time.Sleep(time.Hour)
		r, err := m.ledger.Reserve(t.Context(), p("/q/g"), quota.Amount{Bytes: 200, Files: 1})
		if err == nil {
			err = c.disk.write(t.Context(), m.ledger, p("/q/f"), 300)
		}
		if err != nil {
			t.Fatal(err)
		}
		c.disk.mu.Lock()
		c.disk.files[p("/q/g")] = 200
		c.disk.mu.Unlock()
		m.ledger.Share(quota.Sharing{Living: func(string) bool { return true }, Held: func() bool { return false }})
		c.declareDead(m)
		if err := other.ledger.Bury(t.Context(), m.node, m.epoch); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		r.Commit(quota.Amount{Bytes: 200, Files: 1})
		time.Sleep(5 * time.Second)
		wantUsed(t, other.ledger, "/q", quota.Amount{Bytes: 500, Files: 2})
		m.end()
		closeLedger(t, other.ledger)
	})
}

// A store that has lost its last second has lost a lease and what was booked of it: the
// folder is counted, and nothing more is handed out of that lease.
func TestLeaseThatTheStoreHasLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, m, other := pair(t)
		if err := c.disk.write(t.Context(), m.ledger, p("/q/f"), 300); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1500 * time.Millisecond) // it is booked, and the lease is held still
		for name, booked := range map[string]int64{"bytes": 300, "files": 1} {
			lost := state.Lease{ID: state.NewOperationID(), Name: name, Holder: m.holder(), Commit: -booked, ReleaseAll: true}
			if _, err := c.store.Count(t.Context(), "quota:"+quotaID(t, c.store), lost); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.disk.write(t.Context(), m.ledger, p("/q/f"), 1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Second)
		wantUsed(t, other.ledger, "/q", quota.Amount{Bytes: 301, Files: 1})
		if _, err := c.disk.stream(t.Context(), other.ledger, p("/q/f"), 1, 699); err != nil {
			t.Error(err)
		}
		_, err := c.disk.stream(t.Context(), m.ledger, p("/q/f"), 1, 100)
		wantExceeded(t, err, "/q")
		c.close(m, other)
	})
}

// Nor is anything handed out of a lease that was lost while the folder cannot be counted.
func TestLostLeaseIsNotHandedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, m, other := pair(t)
		if err := c.disk.write(t.Context(), m.ledger, p("/q/f"), 300); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1500 * time.Millisecond)
		lost := state.Lease{ID: state.NewOperationID(), Name: "bytes", Holder: m.holder(), ReleaseAll: true}
		if _, err := c.store.Count(t.Context(), "quota:"+quotaID(t, c.store), lost); err != nil {
			t.Fatal(err)
		}
		c.disk.fail(errors.New("the disk does not answer"))
		if err := c.disk.write(t.Context(), m.ledger, p("/q/f"), 1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		for range 10 {
			_, _ = c.disk.stream(t.Context(), other.ledger, p("/q/f"), 1, 699)
		}
		_, err := c.disk.stream(t.Context(), m.ledger, p("/q/f"), 1, 100)
		wantExceeded(t, err, "/q")
		if there := c.disk.total(p("/q")).Bytes; there != 1000 {
			t.Errorf("%d bytes are on disk, the limit is 1000", there)
		}
		c.close(m, other)
	})
}
