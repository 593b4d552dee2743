package quota_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/policy/path"
	"gatehouse/storage/quota"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// A stage lets one thing happen at a time: a call of the store, or a step at the disk.
// Who wants to do one waits there until it is chosen.
type stage struct {
	mu      sync.Mutex
	waiting []*turn
	count   int
}

// A turn is somebody who waits to do one thing.
type turn struct {
	of     *actor
	what   string
	number int
	goOn   chan verdict
}

// A verdict is what becomes of what somebody waits to do.
type verdict int

const (
	granted verdict = iota
	lost            // it is not done, and nobody knows
	unheard         // it is done, and nobody knows
	never           // the process is gone
)

// An actor is one run of a node on the stage.
type actor struct {
	stage  *stage
	holder string
	ledger *quota.Ledger
	end    context.CancelFunc
	paused bool // it is not chosen
	killed bool
}

// wait returns when it is this one's turn.
func (a *actor) wait(what string) verdict {
	t := &turn{of: a, what: what, goOn: make(chan verdict, 1)}
	a.stage.mu.Lock()
	if a.killed {
		a.stage.mu.Unlock()
		return never
	}
	a.stage.count++
	t.number = a.stage.count
	a.stage.waiting = append(a.stage.waiting, t)
	a.stage.mu.Unlock()
	return <-t.goOn
}

// kill ends a run in the middle of everything.
func (a *actor) kill() {
	a.stage.mu.Lock()
	a.killed = true
	for _, t := range a.stage.waiting {
		if t.of == a {
			t.goOn <- never
		}
	}
	a.stage.waiting = slices.DeleteFunc(a.stage.waiting, func(t *turn) bool { return t.of == a })
	a.stage.mu.Unlock()
	a.end()
}

// next takes out one of those who wait and run, in an order that depends on what they
// want alone; nil where nobody does.
func (s *stage) next(random *rand.Rand) *turn {
	s.mu.Lock()
	defer s.mu.Unlock()
	var free []*turn
	for _, t := range s.waiting {
		if !t.of.paused {
			free = append(free, t)
		}
	}
	if len(free) == 0 {
		return nil
	}
	slices.SortFunc(free, func(a, b *turn) int {
		return cmp.Or(cmp.Compare(a.of.holder, b.of.holder), cmp.Compare(a.what, b.what), cmp.Compare(a.number, b.number))
	})
	t := free[random.IntN(len(free))]
	s.waiting = slices.DeleteFunc(s.waiting, func(o *turn) bool { return o == t })
	return t
}

// staged is a ledger's store: each call of it is one turn.
type staged struct {
	state.Store
	of *actor
}

// call does one call when it is its turn.
func call[T any](of *actor, what string, do func() (T, error)) (T, error) {
	var none T
	v := of.wait(what)
	switch v {
	case never:
		return none, errKilled
	case lost:
		return none, state.ErrUnknown
	}
	got, err := do()
	if v == unheard {
		return none, state.ErrUnknown
	}
	return got, err
}

func (s staged) Apply(ctx context.Context, b state.Batch) (state.Result, error) {
	return call(s.of, "apply", func() (state.Result, error) { return s.Store.Apply(context.WithoutCancel(ctx), b) })
}

func (s staged) Count(ctx context.Context, scope string, op state.CounterOp) (state.CounterValue, error) {
	return call(s.of, fmt.Sprintf("count %T", op), func() (state.CounterValue, error) {
		return s.Store.Count(context.WithoutCancel(ctx), scope, op)
	})
}

func (s staged) List(ctx context.Context, scope, prefix, after string, limit int) (state.Page, error) {
	return call(s.of, "list", func() (state.Page, error) {
		return s.Store.List(context.WithoutCancel(ctx), scope, prefix, after, limit)
	})
}

// A play is some nodes on one store and one disk, and everything that they do one step
// after the other, in an order that is drawn.
type play struct {
	t      *testing.T
	stage  stage
	store  *audited
	disk   *disk
	random *rand.Rand
	faults bool

	mu   sync.Mutex
	dead map[string]bool
	runs int
	all  []*actor
	cast []*actor // the present run of each node
	jobs sync.WaitGroup
	busy int
	// lanes are the files that somebody is busy with: nobody else touches them meanwhile.
	lanes map[int]bool

	ended atomic.Bool
}

func (s *play) living(holder string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.dead[holder]
}

// enter begins a run of a node. While its ledger is opened everything else stands still.
func (s *play) enter(node string) *actor {
	s.runs++
	epoch := fmt.Sprint(s.runs)
	a := &actor{stage: &s.stage, holder: node + "/" + epoch}
	ctx, end := context.WithCancel(context.WithoutCancel(s.t.Context()))
	a.end = end
	s.all = append(s.all, a)
	walk := func(ctx context.Context, folder path.Path) (quota.Amount, error) { return s.walk(ctx, a, folder) }
	opened := make(chan struct{})
	go func() {
		defer close(opened)
		l, err := quota.New(ctx, staged{s.store, a}, node, epoch, walk)
		if err != nil {
			s.t.Error(err)
			return
		}
		l.Share(quota.Sharing{Living: s.living, Held: func() bool { return s.living(a.holder) }})
		a.ledger = l
	}()
	for open := false; !open; {
		synctest.Wait()
		select {
		case <-opened:
			open = true
		default:
			s.pick(func(t *turn) bool { return t.of == a })
		}
	}
	return a
}

// pick lets the first who fits have its turn.
func (s *play) pick(fits func(*turn) bool) {
	s.stage.mu.Lock()
	i := slices.IndexFunc(s.stage.waiting, fits)
	var t *turn
	if i >= 0 {
		t = s.stage.waiting[i]
		s.stage.waiting = slices.Delete(s.stage.waiting, i, i+1)
	}
	s.stage.mu.Unlock()
	if t != nil {
		t.goOn <- granted
	}
}

// walk sees one file at each turn.
func (s *play) walk(ctx context.Context, a *actor, folder path.Path) (quota.Amount, error) {
	s.disk.mu.Lock()
	var names []path.Path
	for name := range s.disk.files {
		names = append(names, name)
	}
	s.disk.mu.Unlock()
	slices.SortFunc(names, path.Path.Compare)
	var found quota.Amount
	for _, name := range names {
		if a.wait("walk") == never {
			return found, errKilled
		}
		s.disk.mu.Lock()
		if size, there := s.disk.files[name]; there && folder.Contains(name) {
			found.Bytes, found.Files = found.Bytes+size, found.Files+1
		}
		s.disk.mu.Unlock()
	}
	return found, ctx.Err()
}

// step is a moment before something is done at the disk; false where this run may not
// do it any more, as its fence says.
func (s *play) step(a *actor, what string) bool {
	return a.wait("disk "+what) != never && s.living(a.holder)
}

// job has a run do something on its own files, which no other job touches meanwhile.
func (s *play) job(a *actor, lane int, kind int, n int64) {
	s.mu.Lock()
	taken := s.lanes[lane]
	s.lanes[lane] = true
	if !taken {
		s.busy++
	}
	s.mu.Unlock()
	if taken {
		return
	}
	s.jobs.Go(func() {
		defer func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.busy--
			delete(s.lanes, lane)
		}()
		name := p(fmt.Sprintf("/q/%c/%d", 'a'+rune(lane%2), lane))
		other := p(fmt.Sprintf("/q/%c/%d", 'b'-rune(lane%2), lane))
		ctx, l := s.t.Context(), a.ledger
		switch kind {
		case 0:
			s.write(ctx, a, name, n)
		case 1:
			s.remove(ctx, a, name)
		case 2:
			s.move(ctx, a, name, other)
		case 3:
			s.move(ctx, a, other, name)
		case 4:
			_, _ = l.Rescan(ctx, p("/q"))
		case 5:
			_, _ = l.Rescan(ctx, p("/q/a"))
		}
	})
}

func (s *play) write(ctx context.Context, a *actor, name path.Path, n int64) {
	grow := quota.Amount{Bytes: n}
	if s.disk.total(name).Files == 0 {
		grow.Files = 1
	}
	r, err := a.ledger.Reserve(ctx, name, grow)
	if err != nil {
		return
	}
	if !s.step(a, "write "+name.String()) {
		return
	}
	s.disk.mu.Lock()
	s.disk.files[name] += n
	s.disk.mu.Unlock()
	if a.wait("disk wrote") != never {
		r.Commit(grow)
	}
}

func (s *play) remove(ctx context.Context, a *actor, name path.Path) {
	end, err := a.ledger.Touch(ctx, name)
	if err != nil || !s.step(a, "remove "+name.String()) {
		return
	}
	s.disk.mu.Lock()
	size, there := s.disk.files[name]
	delete(s.disk.files, name)
	s.disk.mu.Unlock()
	if a.wait("disk removed") == never {
		return
	}
	if there {
		_ = a.ledger.Release(ctx, name, quota.Amount{Bytes: size, Files: 1})
	}
	end()
}

func (s *play) move(ctx context.Context, a *actor, from, to path.Path) {
	held := s.disk.total(from)
	if held.Files == 0 || s.disk.total(to).Files > 0 {
		return
	}
	end, err := a.ledger.Touch(ctx, from, to)
	if err != nil {
		return
	}
	r, err := a.ledger.Move(ctx, from, to, held)
	if err != nil {
		end()
		return
	}
	if !s.step(a, "move "+from.String()) {
		return
	}
	s.disk.mu.Lock()
	s.disk.files[to] = s.disk.files[from]
	delete(s.disk.files, from)
	s.disk.mu.Unlock()
	if a.wait("disk moved") == never {
		return
	}
	r.Commit(held)
	end()
}

// sure holds every quota against the disk: nothing is there that is neither booked nor
// leased, and never more than the limit.
func (s *play) sure(after string) {
	for _, folder := range []string{"/q", "/q/a"} {
		id, there := idOf(s.t, s.store.Store, folder), s.disk.total(p(folder))
		for name, is := range map[string]int64{"bytes": there.Bytes, "files": there.Files} {
			v, err := s.store.Store.Count(s.t.Context(), "quota:"+id, state.Lease{Name: name, Holder: "test"})
			if err != nil {
				s.t.Fatal(err)
			}
			if is > v.Used+v.Leased || v.Limit >= 0 && is > v.Limit {
				s.t.Fatalf("after %s: %d %s on disk in %s, %d used, %v leased, limit %d", after, is, name, folder, v.Used, v.Holders, v.Limit)
			}
		}
	}
}

// turn lets one thing happen, or time pass where everybody waits for that.
func (s *play) turn() {
	synctest.Wait()
	t := s.stage.next(s.random)
	if t == nil || s.random.IntN(20) == 0 {
		if t != nil {
			s.stage.mu.Lock()
			s.stage.waiting = append(s.stage.waiting, t)
			s.stage.mu.Unlock()
		}
		time.Sleep([]time.Duration{time.Millisecond, 30 * time.Millisecond, time.Second}[s.random.IntN(3)])
		return
	}
	fate := granted
	if s.faults && s.random.IntN(25) == 0 {
		fate = verdict(s.random.IntN(3))
	}
	t.goOn <- fate
	synctest.Wait()
	s.sure(t.of.holder + ": " + t.what)
}

// rest lets everything run that wants to, for so long.
func (s *play) rest(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		synctest.Wait()
		if t := s.stage.next(s.random); t != nil {
			t.goOn <- granted
			continue
		}
		time.Sleep(time.Second)
	}
}

// die has a run declared dead and buried by another; a run that is only paused wakes up
// some time after.
func (s *play) die(i int) {
	a, by := s.cast[i], s.cast[(i+1)%len(s.cast)]
	kill := s.random.IntN(2) == 0
	a.paused = true
	s.mu.Lock()
	s.dead[a.holder] = true
	s.mu.Unlock()
	if kill {
		a.kill()
	}
	s.jobs.Go(func() {
		node, epoch, _ := cutHolder(a.holder)
		for !s.ended.Load() && by.ledger.Bury(s.t.Context(), node, epoch) != nil {
			if !s.living(by.holder) {
				by = s.present(by)
			}
			time.Sleep(time.Second)
		}
	})
	next := s.enter(a.holder[:1])
	s.mu.Lock()
	s.cast[i] = next
	s.mu.Unlock()
	if s.random.IntN(2) == 0 && !kill {
		a.paused = false // it wakes up while it is buried
	}
}

// present is the run that has come after another one.
func (s *play) present(a *actor) *actor {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.cast {
		if b.holder[:1] == a.holder[:1] {
			a = b
		}
	}
	return a
}

func cutHolder(holder string) (node, epoch string, ok bool) { return holder[:1], holder[2:], true }

// Nodes write, remove, move between nested quotas and count, one call of the store and
// one step at the disk after the other, in any order; calls are lost, runs die, or stand
// still, are buried, and go on. At no moment is anything on the disk that is neither
// booked nor leased, and in the end the figures are what the disk has.
func TestEveryInterleaving(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { perform(t, seed) })
		})
	}
}

func perform(t *testing.T, seed uint64) {
	s := &play{
		t: t, store: &audited{Store: memory.New()}, disk: newDisk(),
		random: rand.New(rand.NewPCG(seed, 7)), faults: seed%3 == 0, dead: make(map[string]bool), lanes: make(map[int]bool),
	}
	defer s.leave()
	founder, err := quota.New(t.Context(), s.store, "f", "1", s.disk.walk)
	if err != nil {
		t.Fatal(err)
	}
	limit := int64(40 + s.random.IntN(200))
	set(t, founder, "/q", limit, 12)
	set(t, founder, "/q/a", limit, 12)
	closeLedger(t, founder)
	for _, node := range []string{"a", "b", "c"} {
		s.cast = append(s.cast, s.enter(node))
	}
	for i := range 40 {
		for j := 0; j < 3; j++ {
			if s.waits() < 5 {
				s.job(s.cast[s.random.IntN(3)], i*3+j, 0, int64(s.random.IntN(30)))
			}
		}
		a := s.cast[s.random.IntN(3)]
		s.job(a, s.random.IntN(i*3+3), 1+s.random.IntN(5), 0)
		for range s.random.IntN(60) {
			s.turn()
		}
		if seed%2 == 1 && s.random.IntN(12) == 0 {
			s.die(s.random.IntN(3))
		}
	}
	s.faults = false
	for _, a := range s.all {
		a.paused = false
	}
	s.rest(30 * time.Minute)
	s.jobs.Go(func() { _, _ = s.cast[0].ledger.List(t.Context()) }) // what came late is found by who looks
	s.rest(2 * time.Minute)
	if s.store.over.Load() > 0 {
		t.Error("used and leased passed the limit")
	}
	for _, folder := range []string{"/q", "/q/a"} {
		is := s.disk.total(p(folder))
		for name, want := range map[string]int64{"bytes": is.Bytes, "files": is.Files} {
			v, err := s.store.Store.Count(t.Context(), "quota:"+idOf(s.t, s.store.Store, folder), state.Lease{Name: name, Holder: "test"})
			if err != nil || v.Used != want {
				t.Errorf("%s: %d %s are booked, there are %d, %v, %v", folder, v.Used, name, want, v.Holders, err)
			}
			for holder := range v.Holders {
				if !s.living(holder) {
					t.Errorf("%s left with a lease", holder)
				}
			}
		}
	}
}

func (s *play) waits() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.busy
}

// leave ends everything that still waits.
func (s *play) leave() {
	s.ended.Store(true)
	for _, a := range s.all {
		a.kill()
	}
	s.jobs.Wait()
}

// idOf is the id of a folder's quota.
func idOf(t *testing.T, s state.Store, folder string) string {
	t.Helper()
	r, err := s.Get(t.Context(), "quotas", "quota"+folder)
	if err != nil {
		t.Fatal(err)
	}
	var kept struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(r.Value, &kept); err != nil {
		t.Fatal(err)
	}
	return kept.ID
}
