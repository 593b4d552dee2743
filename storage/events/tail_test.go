package events

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// counted is a store that counts how often its streams are read, and fails where
// it is told to.
type counted struct {
	state.Store
	reads, entries atomic.Int64
	fails          atomic.Bool
}

func (c *counted) Read(ctx context.Context, stream string, after uint64, limit int) ([]state.Entry, error) {
	c.reads.Add(1)
	if c.fails.Load() {
		return nil, errAway
	}
	list, err := c.Store.Read(ctx, stream, after, limit)
	c.entries.Add(int64(len(list)))
	return list, err
}

func (c *counted) ReadBack(ctx context.Context, stream string, before uint64, limit int) ([]state.Entry, error) {
	c.reads.Add(1)
	if c.fails.Load() {
		return nil, errAway
	}
	return c.Store.ReadBack(ctx, stream, before, limit)
}

// A hundred who follow would else read, and decode, everything a hundred times, and
// ask a hundred times as often whether there is more.
func TestAllWhoFollowReadTheStreamOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &counted{Store: memory.New()}
		l := open(t, s)
		other := openAs(t, s, Config{Node: "node2"})
		var followers []<-chan []Event
		for range 100 {
			followers = append(followers, l.FollowPieces(t.Context(), 0))
		}
		synctest.Wait()
		before := s.reads.Load()
		time.Sleep(time.Hour)
		if n := s.reads.Load() - before; n > int64(time.Hour/pollEvery) {
			t.Errorf("%d reads in an hour in which nothing happened", n)
		}
		before, entries := s.reads.Load(), s.entries.Load()
		for i := range 10 {
			record(t, other, Event{Path: fmt.Sprint(i)})
			for _, f := range followers {
				if piece := <-f; len(piece) != 1 || piece[0].Path != fmt.Sprint(i) {
					t.Fatalf("%+v", piece)
				}
			}
		}
		if reads, read := s.reads.Load()-before, s.entries.Load()-entries; reads > 30 || read != 10 {
			t.Errorf("%d reads of %d entries for 10 events", reads, read)
		}
	})
}

// What this node itself appends is not read again to be followed, and comes as if
// it were: also when it is changed afterwards, or another node's lies between.
func TestOwnEventsAreFollowedUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &counted{Store: memory.New()}
		l := open(t, s)
		f := l.FollowAfter(t.Context(), 0)
		synctest.Wait()
		entries := s.entries.Load()
		changed := map[string]any{"size": 7, "who": []string{"anna"}}
		for i, e := range []Event{
			{Kind: Upload, Outcome: OK, Path: "/a", Bytes: 1, Took: time.Second, Address: netip.MustParseAddr("fe80::1")},
			{Kind: Upload, Path: "/\xff", Account: strings.Repeat("x", 2*maxText)},
			{Kind: Upload, After: changed},
		} {
			record(t, l, e)
			changed["size"] = i
			got := <-f
			stored, _, err := l.List(t.Context(), Query{Limit: 1})
			if err != nil || len(stored) != 1 || !reflect.DeepEqual(got, stored[0]) {
				t.Errorf("followed %+v\nstored   %+v, %v", got, stored, err)
			}
		}
		if n := s.entries.Load() - entries; n != 0 {
			t.Errorf("%d entries were read", n)
		}
		other := openAs(t, s, Config{Node: "node2"})
		record(t, other, Event{Path: "theirs"})
		record(t, l, Event{Path: "ours"})
		next(t, f, "theirs")
		next(t, f, "ours")
	})
}

// Nobody follows: nothing is read.
func TestNothingIsReadForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &counted{Store: memory.New()}
		l := open(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		events := l.Follow(ctx)
		record(t, l, Event{Path: "1"})
		next(t, events, "1")
		cancel()
		synctest.Wait()
		before := s.reads.Load()
		record(t, l, Event{Path: "2"})
		time.Sleep(time.Hour)
		if n := s.reads.Load() - before; n != 0 {
			t.Errorf("%d reads", n)
		}
		again := l.FollowAfter(t.Context(), 1)
		next(t, again, "2")
	})
}

// Who is slow, or begins far back, gets what memory no longer has from the store.
func TestWhoIsFarBehindReadsTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, memory.New())
		fast, slow := l.FollowAfter(t.Context(), 0), l.FollowAfter(t.Context(), 0)
		const all = tailEvents + 1000
		for begin := 0; begin < all; begin += 500 {
			for i := range 500 {
				l.Note(Event{Path: fmt.Sprint(begin + i)})
			}
			for i := range 500 {
				next(t, fast, fmt.Sprint(begin+i))
			}
		}
		late := l.FollowAfter(t.Context(), 0)
		for i := range all {
			next(t, slow, fmt.Sprint(i))
			next(t, late, fmt.Sprint(i))
		}
		record(t, l, Event{Path: "end"})
		for _, f := range []<-chan Event{fast, slow, late} {
			next(t, f, "end")
		}
	})
}

// Events that are long, as a hostile client's are, must not fill the memory.
func TestTheTailIsBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, memory.New())
		events := l.Follow(t.Context())
		long := map[string]any{"text": strings.Repeat("x", maxSize/2)}
		for i := range 50 {
			record(t, l, Event{Path: fmt.Sprint(i), After: long})
			next(t, events, fmt.Sprint(i))
			l.tail.mu.Lock()
			if sum := l.tail.bytes; sum > tailBytes || l.tail.events > tailBytes/(maxSize/2) || l.tail.events != len(l.tail.recent) {
				t.Errorf("%d events of %d bytes are kept", l.tail.events, sum)
			}
			l.tail.mu.Unlock()
		}
	})
}

// What retention has dropped is gone for who was slow, also where it is still in
// memory: else what a webhook hears of would depend on what others followed.
func TestWhatIsDroppedIsNotInMemoryEither(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := openAs(t, memory.New(), Config{Node: "n", SignEvents: 10, SignEvery: time.Minute})
		_ = l.Follow(t.Context()) // keeps the tail
		for i := range 30 {
			record(t, l, Event{Path: fmt.Sprint(i)})
		}
		time.Sleep(time.Hour)
		if err := l.Retain(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
		first, err := l.store.Read(t.Context(), Stream, 0, 1)
		if err != nil || len(first) != 1 || first[0].Position == 1 {
			t.Fatalf("nothing was dropped: %+v, %v", first, err)
		}
		if e := <-l.FollowAfter(t.Context(), 0); e.Position != first[0].Position {
			t.Errorf("it begins at %d, the stream at %d", e.Position, first[0].Position)
		}
	})
}

// A store that was away when somebody began to follow, or while, keeps nothing from
// them.
func TestWhoFollowsOutlastsTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &counted{Store: memory.New()}
		l := open(t, s)
		record(t, l, Event{Path: "1"})
		s.fails.Store(true)
		after, now := l.FollowAfter(t.Context(), 0), l.Follow(t.Context())
		time.Sleep(time.Minute)
		s.fails.Store(false)
		next(t, after, "1")
		time.Sleep(time.Second)
		s.fails.Store(true)
		record(t, l, Event{Path: "2"})
		time.Sleep(time.Minute)
		s.fails.Store(false)
		next(t, after, "2")
		next(t, now, "2")
		s.fails.Store(true) // for who reads what memory does not have
		late := l.FollowAfter(t.Context(), 0)
		time.Sleep(time.Minute)
		s.fails.Store(false)
		next(t, late, "1")
		next(t, late, "2")
	})
}
