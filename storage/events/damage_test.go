package events

import (
	"context"
	"strings"
	"testing"
	"time"

	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// A damagedStore cannot read some positions.
type damagedStore struct {
	state.Store
	first, last uint64
}

func (s *damagedStore) error() error {
	return &state.DamageError{Stream: Stream, First: s.first, Last: s.last, Where: "events/1.log at byte 77"}
}

func (s *damagedStore) Read(ctx context.Context, stream string, after uint64, limit int) ([]state.Entry, error) {
	if s.first <= after+1 && after+1 <= s.last {
		return nil, s.error()
	}
	entries, err := s.Store.Read(ctx, stream, after, limit)
	for i, e := range entries {
		if s.first <= e.Position && e.Position <= s.last {
			return entries[:i], err
		}
	}
	return entries, err
}

func (s *damagedStore) ReadBack(ctx context.Context, stream string, before uint64, limit int) ([]state.Entry, error) {
	entries, err := s.Store.ReadBack(ctx, stream, before, limit)
	for i, e := range entries {
		if s.first <= e.Position && e.Position <= s.last {
			if i == 0 {
				return nil, s.error()
			}
			return entries[:i], err
		}
	}
	return entries, err
}

// Some of the trail is damaged on the disk: whoever reads it sees that, and sees
// the rest; a verification says where; a gateway starts with it.
func TestDamageHidesNothingElse(t *testing.T) {
	for name, damage := range map[string]struct{ first, last uint64 }{
		"one entry": {4, 4}, "some": {3, 6}, "the first": {1, 2}, "the last": {9, 10},
	} {
		t.Run(name, func(t *testing.T) {
			inner := memory.New()
			l := open(t, inner)
			for range 10 {
				record(t, l, Event{Kind: Upload, Outcome: OK, Path: "/f"})
			}
			if err := l.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			store := &damagedStore{Store: inner, first: damage.first, last: damage.last}
			l = open(t, store)
			newest, err := l.Newest(t.Context())
			if err != nil || newest < 10 {
				t.Fatalf("the newest is %d, %v", newest, err)
			}
			unreadable := min(damage.last-damage.first+1, 2)
			for _, oldest := range []bool{false, true} {
				found, next, err := l.List(t.Context(), Query{Oldest: oldest, Limit: 100})
				want := int(newest - (damage.last - damage.first + 1) + unreadable)
				if err != nil || next != 0 || len(found) != want {
					t.Fatalf("oldest first %v: %d events, then %d, %v, want %d", oldest, len(found), next, err, want)
				}
				n := uint64(0)
				for _, e := range found {
					if e.Kind == Unreadable {
						n++
					}
				}
				if n != unreadable {
					t.Errorf("%d are shown as damaged, want %d", n, unreadable)
				}
			}
			e, kept, err := l.At(t.Context(), damage.first)
			if err != nil || !kept || e.Kind != Unreadable {
				t.Errorf("at it is %+v, %v, %v", e, kept, err)
			}
			report, err := l.Verify(t.Context(), nil)
			if err != nil || report.Whole || report.Last != newest {
				t.Fatalf("report %+v, %v", report, err)
			}
			if f := report.Faults[0]; f.Position != damage.first || !strings.Contains(f.Detail, "events/1.log at byte 77") {
				t.Errorf("the fault is %+v", f)
			}
			if err := l.Retain(t.Context(), time.Now().Add(time.Hour)); err != nil {
				t.Errorf("retain: %v", err)
			}
		})
	}
}
