package events

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/storage/seal"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// away is a store that can be away, or lose its replies.
type away struct {
	state.Store
	mu      sync.Mutex
	err     error // of an Append that is not made
	replies int   // so many replies are lost
	appends int
}

func (a *away) set(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = err
}

func (a *away) Append(ctx context.Context, stream string, id state.OperationID, entries ...[]byte) (uint64, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.appends++
	if a.err != nil {
		return 0, a.err
	}
	n, err := a.Store.Append(ctx, stream, id, entries...)
	if err == nil && a.replies > 0 {
		a.replies--
		return 0, state.ErrUnknown
	}
	return n, err
}

var errAway = errors.New("the store is away")

func open(t *testing.T, s state.Store) *Log {
	t.Helper()
	return openAs(t, s, Config{Node: "node1"})
}

func openAs(t *testing.T, s state.Store, c Config) *Log {
	t.Helper()
	c.State, c.Sealer = s, testSealer(t)
	if c.SignEvents == 0 {
		c.SignEvents, c.SignEvery = 1<<30, 1<<62
	}
	l, err := New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(context.WithoutCancel(t.Context())); err != nil && !errors.Is(err, ErrClosed) {
			t.Errorf("close: %v", err)
		}
	})
	return l
}

func testSealer(t testing.TB) *seal.Sealer {
	t.Helper()
	s, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func record(t *testing.T, l *Log, e Event) {
	t.Helper()
	if err := l.Record(t.Context(), e); err != nil {
		t.Fatalf("record: %v", err)
	}
}

// paths lists all events, oldest first.
func paths(t *testing.T, l *Log) []string {
	t.Helper()
	found, _, err := l.List(t.Context(), Query{Oldest: true, Limit: 1000})
	if err != nil {
		t.Fatalf("list: %v", err)
	}
	var names []string
	for _, e := range found {
		if e.Kind != Signed && e.Kind != Resumed {
			names = append(names, e.Path)
		}
	}
	return names
}

func want(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRecordIsDurableAndWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, memory.New())
		e := Event{
			Kind: Upload, Outcome: OK, Rule: "grant", Account: "anna", AccountID: "a1", Door: "sftp",
			Address: netip.MustParseAddr("2001:db8::1"), Session: "s1", Path: "/a\nb\x1b[2J", Bytes: 7, Took: time.Second,
			After: map[string]any{"size": 7.0},
		}
		before := time.Now()
		record(t, l, e)
		if time.Since(before) != 0 {
			t.Error("it waited for others")
		}
		found, next, err := l.List(t.Context(), Query{})
		if err != nil || len(found) != 1 || next != 0 {
			t.Fatalf("%+v, %d, %v", found, next, err)
		}
		e.Position, e.Node, e.Time = 1, "node1", before.UTC().Round(0)
		if !reflect.DeepEqual(found[0], e) {
			t.Errorf("got  %+v\nwant %+v", found[0], e)
		}
	})
}

// A name on disk may be any bytes: the trail names the very file.
func TestNamesThatAreNotUTF8AreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, memory.New())
		record(t, l, Event{Kind: Rename, Path: "/a\xff\xfe", Target: "/\x80", Account: "gr\xfcn"})
		found, _, err := l.List(t.Context(), Query{Account: "gr\xfcn"})
		if err != nil || len(found) != 1 || found[0].Path != "/a\xff\xfe" || found[0].Target != "/\x80" {
			t.Errorf("%+v, %v", found, err)
		}
		if _, err := json.Marshal(found); err != nil {
			t.Error(err)
		}
	})
}

// A client sends a name of megabytes, or somebody changes something that is no
// JSON: neither stops the trail.
func TestHugeAndOddEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, memory.New())
		record(t, l, Event{Kind: Refused, Account: strings.Repeat("x", 20<<20)})
		record(t, l, Event{Kind: "account.change", After: map[string]any{"f": func() {}}})
		record(t, l, Event{Kind: "account.change", After: map[string]any{"f": strings.Repeat("x", 20<<20)}})
		found, _, err := l.List(t.Context(), Query{Oldest: true})
		if err != nil || len(found) != 3 {
			t.Fatalf("%d events, %v", len(found), err)
		}
		if len(found[0].Account) != maxText || found[1].After != nil || found[2].After != nil {
			t.Errorf("%d bytes of a name, %v, %v", len(found[0].Account), found[1].After, len(found[2].After))
		}
	})
}

func TestNoteIsDurableWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &away{Store: memory.New()}
		l := open(t, s)
		for i := range 10 {
			l.Note(Event{Kind: Mkdir, Path: fmt.Sprint(i)})
		}
		want(t, paths(t, l))
		time.Sleep(noteDelay + time.Millisecond)
		want(t, paths(t, l), "0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
		if s.appends != 1 {
			t.Errorf("%d appends, want one for all", s.appends)
		}
	})
}

func TestOrderOfNotesAndRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, memory.New())
		l.Note(Event{Path: "upload"})
		record(t, l, Event{Path: "logout"})
		want(t, paths(t, l), "upload", "logout")
	})
}

func TestCloseWritesWhatIsPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		l := open(t, s)
		for range 3 * mostAtOnce {
			l.Note(Event{})
		}
		if err := l.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := l.Record(t.Context(), Event{}); !errors.Is(err, ErrClosed) {
			t.Errorf("record after the end: %v", err)
		}
		entries, err := s.Read(t.Context(), Stream, 0, 3000)
		if err != nil || len(entries) != 3*mostAtOnce+1 { // and the checkpoint
			t.Errorf("%d entries, %v", len(entries), err)
		}
	})
}

// The store goes away: those who wait hear of it at once, what was noted waits
// and is written when it is back, in order and once.
func TestStoreAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &away{Store: memory.New()}
		l := open(t, s)
		s.set(errAway)
		l.Note(Event{Path: "1"})
		if err := l.Record(t.Context(), Event{Path: "refused"}); !errors.Is(err, errAway) {
			t.Errorf("record: %v, want the store's error", err)
		}
		l.Note(Event{Path: "2"})
		if !errors.Is(l.Err(), errAway) {
			t.Errorf("the log says %v", l.Err())
		}
		time.Sleep(time.Minute)
		s.set(nil)
		time.Sleep(pause + noteDelay + time.Millisecond)
		want(t, paths(t, l), "1", "2")
		if l.Err() != nil {
			t.Errorf("the log still says %v", l.Err())
		}
		record(t, l, Event{Path: "3"})
		want(t, paths(t, l), "1", "2", "3")
	})
}

// A full disk is behind after a second, and the log finds out by itself when
// there is room again, even if nobody has anything to write.
func TestBehindAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &away{Store: memory.New()}
		l := open(t, s)
		s.set(errAway)
		if err := l.Record(t.Context(), Event{}); !errors.Is(err, errAway) || l.Behind() != nil {
			t.Errorf("record: %v, behind: %v", err, l.Behind())
		}
		began := time.Now()
		time.Sleep(noteDurable)
		if !errors.Is(l.Behind(), errAway) {
			t.Errorf("after a second: %v", l.Behind())
		}
		s.set(nil)
		time.Sleep(pause)
		synctest.Wait()
		if l.Behind() != nil || l.Err() != nil {
			t.Errorf("the store is back: %v", l.Err())
		}
		found, _, err := l.List(t.Context(), Query{})
		if err != nil || len(found) != 1 || found[0].Kind != Resumed || found[0].After["failing_since"] != began.UTC().Format(time.RFC3339Nano) {
			t.Errorf("%+v, %v", found, err)
		}
		wantWhole(t, l)
	})
}

func TestLostReplyMakesNoDouble(t *testing.T) {
	for _, lost := range []int{1, unknownTries, 3 * unknownTries} {
		synctest.Test(t, func(t *testing.T) {
			s := &away{Store: memory.New(), replies: lost}
			l := open(t, s)
			l.Note(Event{Path: "1"})
			err := l.Record(t.Context(), Event{Path: "2"})
			if heard := lost >= unknownTries; errors.Is(err, state.ErrUnknown) != heard || !heard && err != nil {
				t.Errorf("%d replies lost: %v", lost, err)
			}
			l.Note(Event{Path: "3"})
			time.Sleep(10 * pause)
			want(t, paths(t, l), "1", "2", "3")
		})
	}
}

func TestEntriesTheStoreNeverTakesDoNotStopTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &away{Store: memory.New(), err: state.ErrInvalid}
		l := open(t, s)
		l.Note(Event{Path: "bad"})
		time.Sleep(time.Second)
		s.set(nil)
		record(t, l, Event{Path: "good"})
		synctest.Wait() // what tells of the loss follows in an append of its own
		found, _, err := l.List(t.Context(), Query{Oldest: true})
		if err != nil || len(found) != 2 || found[0].Path != "good" || found[1].Kind != Lost {
			t.Errorf("%+v, %v", found, err)
		}
	})
}

// A store that stays away does not take all memory nor stop the sessions for
// ever; what had to be given up is itself told in the trail.
func TestTooManyPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &away{Store: memory.New(), err: errAway}
		l := open(t, s)
		for range mostPending {
			l.Note(Event{Path: "kept"})
		}
		synctest.Wait()
		before := time.Now()
		l.Note(Event{Path: "given up"})
		if waited := time.Since(before); waited != notePatience {
			t.Errorf("waited %v, want %v", waited, notePatience)
		}
		if l.Lost() != 1 {
			t.Errorf("%d lost", l.Lost())
		}
		time.AfterFunc(time.Second, func() { s.set(nil) })
		before = time.Now()
		l.Note(Event{Path: "kept"})
		if waited := time.Since(before); waited >= notePatience {
			t.Errorf("waited %v though there was room", waited)
		}
		time.Sleep(time.Second)
		found, _, err := l.List(t.Context(), Query{Kind: Lost})
		if err != nil || len(found) != 1 || found[0].After["lost"] != 1.0 || l.Lost() != 0 {
			t.Errorf("%+v, %v, lost %d", found, err, l.Lost())
		}
		last, err := s.ReadBack(t.Context(), Stream, 0, 1)
		if err != nil || last[0].Position != mostPending+2 {
			t.Errorf("%d entries, %v, want all that were kept", last[0].Position, err)
		}
	})
}

func TestCloseWithTheStoreAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &away{Store: memory.New(), err: errAway}
		l := open(t, s)
		for range 3 {
			l.Note(Event{})
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		before := time.Now()
		if err := l.Close(ctx); !errors.Is(err, errAway) || !strings.Contains(err.Error(), "3 events are lost") {
			t.Errorf("close: %v", err)
		}
		if waited := time.Since(before); waited != time.Second {
			t.Errorf("waited %v", waited)
		}
	})
}

func TestRecordEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{Store: memory.New(), by: time.Second}
		l := open(t, s)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if err := l.Record(ctx, Event{Path: "1"}); !errors.Is(err, state.ErrUnknown) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("record: %v", err)
		}
		if err := l.Record(ctx, Event{Path: "2"}); errors.Is(err, state.ErrUnknown) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("record: %v", err)
		}
		time.Sleep(2 * time.Second)
		want(t, paths(t, l), "1")
	})
}

// slow is a store whose appends take a while.
type slow struct {
	state.Store
	by time.Duration
}

func (s *slow) Append(ctx context.Context, stream string, id state.OperationID, entries ...[]byte) (uint64, error) {
	time.Sleep(s.by)
	return s.Store.Append(ctx, stream, id, entries...)
}
