package events

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/storage/seal"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

func verify(t *testing.T, l *Log, against ...string) Report {
	t.Helper()
	r, err := l.Verify(t.Context(), against)
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	return r
}

func wantWhole(t *testing.T, l *Log, against ...string) Report {
	t.Helper()
	r := verify(t, l, against...)
	if !r.Whole || len(r.Faults) > 0 {
		t.Errorf("the trail is not whole: %+v", r.Faults)
	}
	return r
}

// fill records events of two nodes, in turn.
func fill(t *testing.T, n int, logs ...*Log) {
	t.Helper()
	for i := range n {
		record(t, logs[i%len(logs)], Event{Kind: Upload, Account: "anna", Path: fmt.Sprintf("/file%d", i)})
	}
}

// Whoever can write the store, without the key, cannot change it unseen.
func TestVerifyFindsEveryChange(t *testing.T) {
	at := func(entries []state.Entry, i int) *state.Entry { return &entries[i-1] }
	renumber := func(entries []state.Entry) []state.Entry {
		for i := range entries {
			entries[i].Position = uint64(i + 1)
		}
		return entries
	}
	for name, test := range map[string]struct {
		change   func([]state.Entry) []state.Entry
		position uint64
		what     string
	}{
		"a changed name": {func(e []state.Entry) []state.Entry {
			at(e, 7).Value = bytes.Replace(at(e, 7).Value, []byte("anna"), []byte("bert"), 1)
			return e
		}, 7, FaultChanged},
		"a changed number": {func(e []state.Entry) []state.Entry {
			at(e, 7).Value[12]++
			return e
		}, 7, FaultMissing},
		"a changed MAC": {func(e []state.Entry) []state.Entry {
			at(e, 7).Value[20]++
			return e
		}, 7, FaultChanged},
		"a checkpoint made of an event": {func(e []state.Entry) []state.Entry {
			at(e, 7).Value[0] = checkpointEntry
			return e
		}, 7, FaultChanged},
		"another node's name": {func(e []state.Entry) []state.Entry {
			v := at(e, 7).Value
			v[headerSize+4]++
			return e
		}, 7, FaultChanged},
		"a removed entry": {func(e []state.Entry) []state.Entry { return slices.Delete(e, 6, 7) }, 7, FaultMissing},
		"a removed entry, the rest moved up": {func(e []state.Entry) []state.Entry {
			return renumber(slices.Delete(e, 6, 7))
		}, 8, FaultMissing},
		"a removed beginning": {func(e []state.Entry) []state.Entry { return e[4:] }, 1, FaultMissing},
		"a removed beginning, the rest moved up": {func(e []state.Entry) []state.Entry {
			return renumber(e[4:])
		}, 1, FaultMissing},
		"two entries of a node exchanged": {func(e []state.Entry) []state.Entry {
			at(e, 7).Value, at(e, 9).Value = at(e, 9).Value, at(e, 7).Value
			return e
		}, 7, FaultMissing},
		"an entry written twice": {func(e []state.Entry) []state.Entry {
			return renumber(slices.Insert(e, 7, *at(e, 7)))
		}, 8, FaultOrder},
		"an entry put in": {func(e []state.Entry) []state.Entry {
			return renumber(slices.Insert(e, 7, state.Entry{Value: []byte(`{"kind":"login","account":"eve"}`)}))
		}, 8, FaultForeign},
		"an entry under another key": {func(e []state.Entry) []state.Entry {
			at(e, 7).Value[1]++
			return e
		}, 7, FaultForeign},
		"an empty entry": {func(e []state.Entry) []state.Entry {
			at(e, 7).Value = nil
			return e
		}, 7, FaultForeign},
		"an entry cut short": {func(e []state.Entry) []state.Entry {
			at(e, 7).Value = at(e, 7).Value[:headerSize]
			return e
		}, 7, FaultForeign},
	} {
		t.Run(name, func(t *testing.T) {
			s := &forged{Store: memory.New()}
			one, two := open(t, s), openAs(t, s, Config{Node: "node2"})
			fill(t, 20, one, two)
			wantWhole(t, one)
			s.mu.Lock()
			s.change = test.change
			s.mu.Unlock()
			r := verify(t, one)
			if r.Whole || len(r.Faults) == 0 || r.Faults[0].Position != test.position || r.Faults[0].What != test.what {
				t.Errorf("got %+v, want %s at %d", r.Faults, test.what, test.position)
			}
			if _, _, err := one.List(t.Context(), Query{}); err != nil {
				t.Errorf("the rest cannot be read any more: %v", err)
			}
			s.mu.Lock()
			s.change = nil
			s.mu.Unlock()
		})
	}
}

// A trail that was cut short is whole in itself: a checkpoint, kept by the
// gateway or elsewhere, shows what is gone.
func TestCheckpointFindsATrailCutShort(t *testing.T) {
	inner := memory.New()
	s := &forged{Store: inner}
	var signed []Checkpoint
	var mu sync.Mutex
	l := openAs(t, s, Config{Node: "node1", SignEvents: 10, SignEvery: time.Hour, Signed: func(c Checkpoint) {
		mu.Lock()
		defer mu.Unlock()
		signed = append(signed, c)
	}})
	fill(t, 25, l)
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(signed) != 3 || signed[0].Position != 10 || signed[2].Sequence != 27 {
		t.Fatalf("checkpoints: %+v", signed)
	}
	again := open(t, s)
	r := wantWhole(t, again, signed[0].Text, signed[1].Text, signed[2].Text)
	if r.Held != 4 || r.Entries != 28 {
		t.Errorf("%+v", r)
	}
	s.mu.Lock()
	s.change = func(e []state.Entry) []state.Entry { return e[:15] }
	s.mu.Unlock()
	if r := verify(t, again, signed[0].Text); r.Whole || r.Faults[0].Position != 16 || r.Faults[0].What != FaultMissing {
		t.Errorf("the kept checkpoint found %+v", r.Faults)
	}
	// Who also removes what the gateway keeps is found out by the log's copy.
	if _, err := inner.Apply(t.Context(), state.Batch{Scope: Scope, Deletes: []string{checkpointPrefix + "node1"}}); err != nil {
		t.Fatal(err)
	}
	wantWhole(t, again, signed[0].Text)
	if r := verify(t, again, signed[1].Text); r.Whole || r.Faults[0].What != FaultMissing {
		t.Errorf("the log's checkpoint found %+v", r.Faults)
	}
	s.mu.Lock()
	s.change = nil
	s.mu.Unlock()
}

// A trail that was written anew from some point, under the right key (an old
// backup brought back), does not hold a later checkpoint.
func TestCheckpointFindsATrailWrittenAnew(t *testing.T) {
	checkpointAfter := func(events ...string) (state.Store, string) {
		var last string
		s := memory.New()
		l := openAs(t, s, Config{Node: "node1", Signed: func(c Checkpoint) { last = c.Text }})
		for _, path := range events {
			record(t, l, Event{Path: path})
		}
		if err := l.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		return s, last
	}
	_, theirs := checkpointAfter("1", "2", "3")
	s, _ := checkpointAfter("1", "2", "other")
	r := verify(t, open(t, s), theirs)
	if r.Whole || r.Faults[0].What != FaultCheckpoint || r.Faults[0].Position != 3 {
		t.Errorf("got %+v", r.Faults)
	}
}

func TestForgedCheckpoints(t *testing.T) {
	s := memory.New()
	l := open(t, s)
	fill(t, 3, l)
	good, err := l.keys.checkpoint("node1", 3, link{Sequence: 3}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good.Text, ".")
	for name, text := range map[string]string{
		"empty": "", "another text": "hello", "no signature": parts[0] + "." + parts[1],
		"another payload": parts[0] + "." + parts[1][:10] + "A" + parts[1][11:] + "." + parts[2],
		"another kind":    anchorName + "." + parts[1] + "." + parts[2],
	} {
		if r := verify(t, l, text); r.Whole || r.Faults[0].What != FaultCheckpoint {
			t.Errorf("%s: %+v", name, r.Faults)
		}
	}
	if got := FindCheckpoints("x level=INFO checkpoint=" + good.Text + "\nmore " + good.Text + " end"); len(got) != 2 || got[0] != good.Text {
		t.Errorf("in a log were found %q", got)
	}
}

// The chain goes on over restarts, and over the death of the process between an
// append and its reply.
func TestChainGoesOnAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &away{Store: memory.New()}
		for round := range 4 {
			l, err := New(t.Context(), Config{State: s, Node: "node1", Sealer: testSealer(t)})
			if err != nil {
				t.Fatal(err)
			}
			fill(t, 5, l)
			if round == 2 { // the reply is lost, and the gateway is killed
				s.mu.Lock()
				s.replies = 1 << 20
				s.mu.Unlock()
				l.Note(Event{Path: "last words"})
				time.Sleep(time.Second)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_ = l.Close(ctx)
			s.mu.Lock()
			s.replies = 0
			s.mu.Unlock()
		}
		l := open(t, s)
		r := wantWhole(t, l)
		if len(r.Nodes) != 1 || r.Nodes[0].Last != uint64(r.Entries) || r.Entries < 21 {
			t.Errorf("%+v", r)
		}
	})
}

// An outcome stays unknown for longer than the store remembers operations: the
// entries are found in the stream, and not written twice.
func TestUnknownForLongMakesNoDouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &away{Store: memory.New()}
		l := open(t, s)
		fill(t, 3, l)
		s.mu.Lock()
		s.replies = 1
		s.mu.Unlock()
		l.Note(Event{Path: "once"})
		time.Sleep(noteDelay) // the append is made, the reply is lost
		s.set(state.ErrUnknown)
		time.Sleep(3 * state.OperationLife)
		s.set(nil)
		time.Sleep(time.Second)
		record(t, l, Event{Path: "after"})
		if got := paths(t, l); len(got) != 5 {
			t.Errorf("%q", got)
		}
		wantWhole(t, l)
	})
}

// A store that loses its end in a crash, though it said that it was durable, is
// named at the start and by every verification after it.
func TestLostEndStaysInTheTrail(t *testing.T) {
	s := &forged{Store: memory.New()}
	l := openAs(t, s, Config{Node: "node1", SignEvents: 10, SignEvery: time.Hour})
	fill(t, 20, l)
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	shorter := memory.New() // the same state, of which the stream has lost its end
	entries, err := s.Read(t.Context(), Stream, 0, 12)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, err := shorter.Append(t.Context(), Stream, "", e.Value); err != nil {
			t.Fatal(err)
		}
	}
	r, err := s.Get(t.Context(), Scope, checkpointPrefix+"node1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := shorter.Apply(t.Context(), state.Batch{Scope: Scope, Puts: []state.Put{{Name: r.Name, Value: r.Value}}}); err != nil {
		t.Fatal(err)
	}
	again := openAs(t, shorter, Config{Node: "node1", SignEvents: 5, SignEvery: time.Hour})
	fill(t, 20, again)
	report := verify(t, again)
	if report.Whole || report.Faults[0].Position != 13 || report.Faults[0].What != FaultMissing {
		t.Errorf("got %+v", report.Faults)
	}
}

// With several keys in the file, the newest writes and all recognise.
func TestChainOverAChangeOfKey(t *testing.T) {
	older, newer := bytes.Repeat([]byte{1}, seal.KeySize), bytes.Repeat([]byte{2}, seal.KeySize)
	s := memory.New()
	run := func(present []byte, old ...[]byte) Report {
		sealer, err := seal.New(present, old...)
		if err != nil {
			t.Fatal(err)
		}
		l, err := New(t.Context(), Config{State: s, Node: "node1", Sealer: sealer})
		if err != nil {
			t.Fatal(err)
		}
		fill(t, 3, l)
		r := verify(t, l)
		if err := l.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := run(older); !r.Whole {
		t.Errorf("%+v", r.Faults)
	}
	if r := run(newer, older); !r.Whole {
		t.Errorf("with both keys: %+v", r.Faults)
	}
	if r := run(newer); r.Whole || r.Faults[0].What != FaultCheckpoint && r.Faults[0].What != FaultForeign {
		t.Errorf("without the older key: %+v", r.Faults)
	}
}

// Entries from before there were chains can be read and are not judged.
func TestStreamOlderThanChains(t *testing.T) {
	s := memory.New()
	for i := range 5 {
		if _, err := s.Append(t.Context(), Stream, "", fmt.Appendf(nil, `{"time":"2026-01-01T00:00:00Z","kind":"login","path":"%d"}`, i)); err != nil {
			t.Fatal(err)
		}
	}
	l := open(t, s)
	fill(t, 3, l)
	if r := wantWhole(t, l); r.Entries != 3 || r.Cut != 5 {
		t.Errorf("%+v", r)
	}
	want(t, paths(t, l), "0", "1", "2", "3", "4", "/file0", "/file1", "/file2")
}

// Who takes the MACs off every entry and removes the checkpoints beside the trail
// makes it look older than chains are, which a start then signs. A checkpoint that
// is kept elsewhere knows better.
func TestCheckpointFindsATrailMadeToLookOlderThanChains(t *testing.T) {
	s := memory.New()
	var kept string
	l := openAs(t, s, Config{Node: "node1", Signed: func(c Checkpoint) { kept = c.Text }})
	fill(t, 5, l)
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	written, err := s.Read(t.Context(), Stream, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	forged := memory.New()
	for _, e := range written {
		c, err := parseChained(e.Value)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := forged.Append(t.Context(), Stream, "", bytes.Replace(c.body, []byte("anna"), []byte("bert"), 1)); err != nil {
			t.Fatal(err)
		}
	}
	r := verify(t, open(t, forged), kept)
	if r.Whole || r.Faults[0].What != FaultCheckpoint {
		t.Errorf("got %+v", r)
	}
}

func TestOneVerificationAtATime(t *testing.T) {
	l := open(t, memory.New())
	l.judge.Lock()
	if _, err := l.Verify(t.Context(), nil); !errors.Is(err, ErrVerifying) {
		t.Errorf("got %v", err)
	}
	l.judge.Unlock()
}

func FuzzParseChained(f *testing.F) {
	k := newKeys(testSealer(f))
	c := k.chain(link{}, plainEntry, "node1", []byte(`{"kind":"login"}`))
	f.Add(c.encode())
	f.Add([]byte(`{"kind":"login"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseChained(b)
		if err == nil && !bytes.Equal(c.encode(), b) {
			t.Errorf("%q is read as %+v", b, c)
		}
	})
}
