package follow

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

const scope = "people"

var errAway = errors.New("the store is away")

// A site is a store that can be away, and what a follower has taken in of it. It
// is made within a bubble, which does not end before all that runs in it has.
type site struct {
	*Followers
	state.Store
	t   *testing.T
	end context.CancelFunc

	mu      sync.Mutex // guards what follows
	away    bool
	refuses bool // One fails
	cut     bool // Load tells of a revision that there is not yet
	loads   int  // that went well
	alls    int  // how often anything may have changed
	taken   []string
	watches []context.Context
}

func newSite(t *testing.T) *site {
	s := &site{Store: memory.New(), t: t}
	s.Followers = New(s)
	t.Cleanup(func() {
		if err := s.Store.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Watch is the store's, and notes for how long somebody watches.
func (s *site) Watch(ctx context.Context, scope string, after uint64) (<-chan state.Change, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return nil, errAway
	}
	changes, err := s.Store.Watch(ctx, scope, after)
	if err == nil {
		s.watches = append(s.watches, ctx)
	}
	return changes, err
}

func (s *site) load(ctx context.Context) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return 0, errAway
	}
	var upto uint64
	page, err := s.List(ctx, scope, "", "", 0)
	for _, r := range page.Records {
		upto = max(upto, r.Revision)
	}
	if s.cut {
		s.cut, upto = false, upto+1000
	}
	s.loads++
	return upto, err
}

func (s *site) one(_ context.Context, c state.Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away || s.refuses {
		return errAway
	}
	s.taken = append(s.taken, c.Name)
	return nil
}

func (s *site) all() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alls++
}

func (s *site) start() error {
	ctx, end := context.WithCancel(s.t.Context())
	s.end = end
	return s.Start(ctx, Scope{Name: scope, Load: s.load, One: s.one, All: s.all})
}

// stop ends what was started; it returns once nothing of it runs any more.
func (s *site) stop() {
	s.end()
	s.Wait()
}

// set changes what the site does from now on.
func (s *site) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// put writes a record, and waits until whoever hears of it has done with it.
func (s *site) put(name string) {
	s.t.Helper()
	if _, err := s.Apply(s.t.Context(), state.Batch{Scope: scope, Puts: []state.Put{{Name: name, Value: []byte("x")}}}); err != nil {
		s.t.Fatal(err)
	}
	synctest.Wait()
}

// open is how many watches nobody has ended.
func (s *site) open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, ctx := range s.watches {
		if ctx.Err() == nil {
			n++
		}
	}
	return n
}

func TestEachChangeIsTakenInOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.put("before")
		if err := s.start(); err != nil {
			t.Fatal(err)
		}
		defer s.stop()
		s.put("ann")
		s.put("bob")
		if s.loads != 1 || s.alls != 0 || len(s.taken) != 2 || s.taken[0] != "ann" || s.taken[1] != "bob" || s.Err() != nil {
			t.Errorf("read %d times, all %d times, taken in %v, %v", s.loads, s.alls, s.taken, s.Err())
		}
	})
}

// Who cannot read a scope at the beginning hears of it, and nothing is left running.
func TestAScopeThatCannotBeReadIsNotFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.away = true
		err := s.start()
		defer s.stop()
		if !errors.Is(err, errAway) || s.open() != 0 {
			t.Errorf("got %v, %d watches", err, s.open())
		}
	})
}

// A change that cannot be taken in makes the node read all anew. What it watched
// before is ended each time: else every trouble would leave something running.
func TestFailuresLeaveNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		if err := s.start(); err != nil {
			t.Fatal(err)
		}
		defer s.stop()
		s.set(func() { s.refuses = true })
		for i := range 20 {
			s.put("ann")
			if !errors.Is(s.Err(), errAway) {
				t.Fatalf("failure %d: the trouble is %v", i, s.Err())
			}
			time.Sleep(time.Second) // of the bubble's time: it reads all anew
			synctest.Wait()
			if s.Err() != nil || s.loads != i+2 || s.alls != i+1 || s.open() != 1 {
				t.Fatalf("failure %d: %v, read %d times, all %d times, %d watches are open", i, s.Err(), s.loads, s.alls, s.open())
			}
		}
		s.set(func() { s.refuses = false })
		s.put("bob")
		if len(s.taken) != 1 || s.taken[0] != "bob" {
			t.Errorf("taken in after the trouble: %v", s.taken)
		}
	})
}

// Where the store cannot tell what has changed, all is read anew.
func TestAResyncReadsAllAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.put("before")
		s.cut = true // what is read is of a later revision than the store has
		if err := s.start(); err != nil {
			t.Fatal(err)
		}
		defer s.stop()
		synctest.Wait()
		if s.loads != 2 || s.alls != 1 || s.open() != 1 {
			t.Errorf("read %d times, all %d times, %d watches are open", s.loads, s.alls, s.open())
		}
		s.put("ann")
		if len(s.taken) != 1 {
			t.Errorf("taken in after it: %v", s.taken)
		}
	})
}

// While the store is away what is known may be old, and somebody must be told.
// Once it is back all is read anew.
func TestTheStoreIsAwayAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		if err := s.start(); err != nil {
			t.Fatal(err)
		}
		defer s.stop()
		s.set(func() { s.away = true })
		s.put("ann")
		time.Sleep(time.Hour)
		synctest.Wait()
		if !errors.Is(s.Err(), errAway) || s.open() != 0 {
			t.Errorf("away for an hour: %v, %d watches are open", s.Err(), s.open())
		}
		s.set(func() { s.away = false })
		time.Sleep(time.Second)
		synctest.Wait()
		if s.Err() != nil || s.loads != 2 || s.alls != 1 || s.open() != 1 {
			t.Errorf("back: %v, read %d times, all %d times, %d watches are open", s.Err(), s.loads, s.alls, s.open())
		}
	})
}

// Shutting down waits for nobody, and is no trouble to report.
func TestTheEndComesWhileTheStoreIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		if err := s.start(); err != nil {
			t.Fatal(err)
		}
		s.set(func() { s.away = true })
		s.put("ann")
		began := time.Now()
		s.stop()
		if time.Since(began) > 0 || s.open() != 0 {
			t.Errorf("it took %v, %d watches are open", time.Since(began), s.open())
		}
	})
}
