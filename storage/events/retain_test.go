package events

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// days records an event of each node every hour of some days.
func days(t *testing.T, n int, logs ...*Log) {
	t.Helper()
	for i := range n * 24 {
		for _, l := range logs {
			record(t, l, Event{Path: fmt.Sprint(i)})
		}
		time.Sleep(time.Hour)
	}
}

// What is older than the site keeps goes, and what stays verifies as before,
// over restarts and further cuts.
func TestRetentionLeavesAWholeTrail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		var signed []Checkpoint
		one := openAs(t, s, Config{Node: "node1", SignEvents: 10, SignEvery: 3 * time.Hour, Signed: func(c Checkpoint) { signed = append(signed, c) }})
		two := openAs(t, s, Config{Node: "node2", SignEvents: 7, SignEvery: 5 * time.Hour})
		days(t, 20, one, two)
		for keep := 15; keep >= 0; keep -= 5 {
			if err := one.Retain(t.Context(), time.Now().AddDate(0, 0, -keep)); err != nil {
				t.Fatal(err)
			}
			r := wantWhole(t, two)
			found, _, err := one.List(t.Context(), Query{Oldest: true, Limit: 1})
			if err != nil || len(found) != 1 || found[0].Kind != Signed || found[0].Position != r.Cut+1 || r.First != r.Cut+1 {
				t.Fatalf("the trail begins with %+v, %v; %+v", found, err, r)
			}
			if age := time.Since(found[0].Time); age < time.Duration(keep)*24*time.Hour || age > time.Duration(keep*24+4)*time.Hour {
				t.Errorf("keeping %d days the trail begins %v ago", keep, age)
			}
		}
		if r := wantWhole(t, one, signed[0].Text, signed[len(signed)-1].Text); r.Older < 1 {
			t.Errorf("%+v", r)
		}
		if err := one.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		again := open(t, s)
		days(t, 1, again, two)
		wantWhole(t, again)
	})
}

// A node that was away for longer than its events are kept goes on from the
// anchor.
func TestNodeAwayForLongerThanItsEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		gone := openAs(t, s, Config{Node: "gone", SignEvents: 10, SignEvery: 3 * time.Hour})
		days(t, 1, gone)
		if err := gone.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		stays := openAs(t, s, Config{Node: "stays", SignEvents: 10, SignEvery: 3 * time.Hour})
		days(t, 3, stays)
		if err := stays.Retain(t.Context(), time.Now().AddDate(0, 0, -1)); err != nil {
			t.Fatal(err)
		}
		if r := wantWhole(t, stays); len(r.Nodes) != 1 {
			t.Fatalf("%+v", r.Nodes)
		}
		back := openAs(t, s, Config{Node: "gone", SignEvents: 10, SignEvery: 3 * time.Hour})
		days(t, 1, back)
		if r := wantWhole(t, stays); len(r.Nodes) != 2 {
			t.Errorf("%+v", r.Nodes)
		}
	})
}

// Nothing is old, nothing is signed yet, nothing is there: nothing is dropped.
func TestRetentionWithNothingToDrop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, memory.New())
		if err := l.Retain(t.Context(), time.Now()); err != nil {
			t.Errorf("an empty log: %v", err)
		}
		fill(t, 5, l)
		time.Sleep(time.Hour)
		if err := l.Retain(t.Context(), time.Now()); err != nil {
			t.Errorf("a log without a checkpoint: %v", err)
		}
		if got := len(paths(t, l)); got != 5 {
			t.Errorf("%d are left", got)
		}
	})
}

// killed is a store that dies right before it trims.
type killed struct{ state.Store }

func (killed) Trim(context.Context, string, uint64) error { return errAway }

// A kill between the new anchor and the dropping leaves a trail that verifies,
// and the next cut drops the rest.
func TestKillDuringRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		l := openAs(t, killed{s}, Config{Node: "node1", SignEvents: 10, SignEvery: 3 * time.Hour})
		days(t, 10, l)
		if err := l.Retain(t.Context(), time.Now().AddDate(0, 0, -5)); err == nil {
			t.Fatal("it trimmed")
		}
		if err := l.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		again := openAs(t, s, Config{Node: "node1", SignEvents: 10, SignEvery: 3 * time.Hour})
		wantWhole(t, again)
		days(t, 1, again)
		if err := again.Retain(t.Context(), time.Now().AddDate(0, 0, -5)); err != nil {
			t.Fatal(err)
		}
		r := wantWhole(t, again)
		if first, err := s.Read(t.Context(), Stream, 0, 1); err != nil || first[0].Position != r.Cut+1 {
			t.Errorf("the stream begins at %d, %v, cut at %d", first[0].Position, err, r.Cut)
		}
	})
}

// Retention does not wash away that the trail was changed: what it drops is
// judged first, and what it finds becomes an event.
func TestRetentionTellsOfWhatWasChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &forged{Store: memory.New()}
		l := openAs(t, s, Config{Node: "node1", SignEvents: 10, SignEvery: 150 * time.Minute})
		days(t, 3, l)
		s.mu.Lock()
		s.change = func(e []state.Entry) []state.Entry {
			for i := range e {
				if e[i].Position == 5 {
					e[i].Value = []byte(strings.Replace(string(e[i].Value), "path", "PATH", 1))
				}
			}
			return e
		}
		s.mu.Unlock()
		if err := l.Retain(t.Context(), time.Now().AddDate(0, 0, -1)); err != nil {
			t.Fatal(err)
		}
		found, _, err := l.List(t.Context(), Query{Kind: Broken})
		if err != nil || len(found) != 1 || found[0].After["position"] != 5.0 || found[0].After["what"] != FaultChanged {
			t.Errorf("%+v, %v", found, err)
		}
		wantWhole(t, l)
	})
}

// Who moves the beginning of the trail forward cannot sign the anchor for it.
func TestForgedAnchor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		l := openAs(t, s, Config{Node: "node1", SignEvents: 10, SignEvery: 3 * time.Hour})
		days(t, 3, l)
		if err := s.Trim(t.Context(), Stream, 20); err != nil {
			t.Fatal(err)
		}
		if r := verify(t, l); r.Whole || r.Faults[0].What != FaultMissing || r.Faults[0].Position != 1 {
			t.Errorf("without an anchor: %+v", r.Faults)
		}
		if _, err := s.Apply(t.Context(), state.Batch{Scope: Scope, Puts: []state.Put{{Name: anchorRecord, Value: []byte("gatehouse-anchor.e30.AAAA")}}}); err != nil {
			t.Fatal(err)
		}
		if r := verify(t, l); r.Whole || r.Faults[0].What != FaultCheckpoint {
			t.Errorf("with a forged anchor: %+v", r.Faults)
		}
		if err := l.Retain(t.Context(), time.Now()); err == nil {
			t.Error("retention went on from a forged anchor")
		}
	})
}

// backdated is a store whose own times were set back on disk.
type backdated struct{ state.Store }

func (b backdated) Read(ctx context.Context, stream string, after uint64, limit int) ([]state.Entry, error) {
	entries, err := b.Store.Read(ctx, stream, after, limit)
	for i := range entries {
		entries[i].Time = time.Unix(0, 0)
	}
	return entries, err
}

// Who sets the store's times back must not have retention drop, and sign away,
// what is to be kept.
func TestRetentionBelievesTheEventsTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		l := openAs(t, backdated{s}, Config{Node: "node1", SignEvents: 10, SignEvery: 3 * time.Hour})
		days(t, 3, l)
		if err := l.Retain(t.Context(), time.Now().AddDate(0, 0, -30)); err != nil {
			t.Fatal(err)
		}
		if r := verify(t, l); r.Cut != 0 {
			t.Errorf("events of three days were cut where those of 30 are kept: %+v", r)
		}
	})
}
