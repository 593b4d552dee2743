package events

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

func TestQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, memory.New())
		began := time.Now()
		for i, e := range []Event{
			{Kind: Login, Account: "anna", Session: "s1"},
			{Kind: Refused, Account: "bert", Reference: "r1"},
			{Kind: Upload, Account: "anna", Session: "s1"},
			{Kind: Download, Account: "anna", Session: "s2"},
			{Kind: Logout, Account: "anna", Session: "s1"},
		} {
			e.Path = fmt.Sprint(i)
			record(t, l, e)
			time.Sleep(3 * time.Hour)
		}
		for _, test := range []struct {
			name string
			q    Query
			want []string
		}{
			{"all", Query{}, []string{"4", "3", "2", "1", "0"}},
			{"oldest first", Query{Oldest: true}, []string{"0", "1", "2", "3", "4"}},
			{"account", Query{Account: "anna"}, []string{"4", "3", "2", "0"}},
			{"session", Query{Session: "s1", Oldest: true}, []string{"0", "2", "4"}},
			{"reference", Query{Reference: "r1"}, []string{"1"}},
			{"kind", Query{Kind: Login}, []string{"0"}},
			{"kinds", Query{Kind: "file."}, []string{"3", "2"}},
			{"no kind", Query{Kind: "file"}, nil},
			{"since", Query{Since: began.Add(6 * time.Hour)}, []string{"4", "3", "2"}},
			{"since, oldest first", Query{Since: began.Add(6 * time.Hour), Oldest: true}, []string{"2", "3", "4"}},
			{"until", Query{Until: began.Add(6 * time.Hour)}, []string{"2", "1", "0"}},
			{"until, oldest first", Query{Until: began.Add(6 * time.Hour), Oldest: true}, []string{"0", "1", "2"}},
			{"between", Query{Since: began.Add(time.Hour), Until: began.Add(7 * time.Hour)}, []string{"2", "1"}},
			{"before all", Query{Until: began.Add(-time.Hour)}, nil},
			{"after all", Query{Since: began.Add(99 * time.Hour), Oldest: true}, nil},
			{"limit", Query{Limit: 2}, []string{"4", "3"}},
			{"cursor", Query{After: 3}, []string{"1", "0"}},
			{"cursor, oldest first", Query{After: 3, Oldest: true}, []string{"3", "4"}},
			{"cursor and account", Query{After: 4, Account: "anna", Limit: 1}, []string{"2"}},
		} {
			found, _, err := l.List(t.Context(), test.q)
			var got []string
			for _, e := range found {
				got = append(got, e.Path)
			}
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("%s: got %q, %v, want %q", test.name, got, err, test.want)
			}
		}
	})
}

// counting is a store that counts what is read of it.
type counting struct {
	state.Store
	read int
}

func (c *counting) ReadBack(ctx context.Context, stream string, before uint64, limit int) ([]state.Entry, error) {
	found, err := c.Store.ReadBack(ctx, stream, before, limit)
	c.read += len(found)
	return found, err
}

func (c *counting) Read(ctx context.Context, stream string, after uint64, limit int) ([]state.Entry, error) {
	found, err := c.Store.Read(ctx, stream, after, limit)
	c.read += len(found)
	return found, err
}

func TestNewestAndDatedPagesReadLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &counting{Store: memory.New()}
		l := open(t, s)
		began := time.Now()
		for i := range 10_000 {
			l.Note(Event{Path: fmt.Sprint(i)})
			if i%500 == 499 {
				time.Sleep(3 * time.Hour)
			}
		}
		for _, test := range []struct {
			q    Query
			want string
		}{
			{Query{}, "9999"},
			{Query{Until: began.Add(4 * time.Hour)}, "999"},
			{Query{Since: began.Add(2 * time.Hour), Oldest: true}, "500"},
		} {
			s.read = 0
			found, _, err := l.List(t.Context(), test.q)
			if err != nil || len(found) != 100 || found[0].Path != test.want {
				t.Fatalf("%+v: %d events, %v", test.q, len(found), err)
			}
			if s.read > 3*pieceSize {
				t.Errorf("%+v: %d entries were read", test.q, s.read)
			}
		}
	})
}

// Pages of any size, with any selection, join to what one reading finds.
func TestPagesJoin(t *testing.T) {
	l := open(t, memory.New())
	for i := range 1300 {
		l.Note(Event{Path: fmt.Sprint(i), Account: fmt.Sprint(i % 7), Session: fmt.Sprint(i % 600)})
	}
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(r *rapid.T) {
		q := Query{
			Oldest:  rapid.Bool().Draw(r, "oldest"),
			Account: rapid.SampledFrom([]string{"", "3"}).Draw(r, "account"),
			Session: rapid.SampledFrom([]string{"", "5", "none"}).Draw(r, "session"),
			Limit:   rapid.SampledFrom([]int{1, 50, 499, 500, 1000}).Draw(r, "limit"),
		}
		var got []string
		for pages := 0; ; pages++ {
			found, next, err := l.List(t.Context(), q)
			if err != nil || len(found) > q.Limit || pages > 1400 {
				r.Fatalf("page %d of %d: %v", pages, len(found), err)
			}
			for _, e := range found {
				if e.Kind != Signed {
					got = append(got, e.Path)
				}
			}
			if next == 0 {
				break
			}
			q.After = next
		}
		var want []string
		for i := range 1300 {
			if e := (Event{Account: fmt.Sprint(i % 7), Session: fmt.Sprint(i % 600)}); q.Selects(e) {
				want = append(want, fmt.Sprint(i))
			}
		}
		if !q.Oldest {
			slices.Reverse(want)
		}
		if !slices.Equal(got, want) {
			r.Errorf("%+v: %d events, want %d", q, len(got), len(want))
		}
	})
}

func TestQueryByWhoHowAndWhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, memory.New())
		for _, e := range []Event{
			{Reference: "1", Account: "anna", AccountID: "a1", Outcome: OK, Door: "sftp", Path: "/a/b", Address: netip.MustParseAddr("192.0.2.1")},
			{Reference: "2", Account: "anna", AccountID: "a2", Outcome: Denied, Rule: "grant", Door: "ftp", Path: "/a/bc"},
			{Reference: "3", Account: "bert", AccountID: "b1", Actor: "root", Outcome: OK, Path: "/x", Target: "/a/b/c"},
			{Reference: "4", Account: "bert", AccountID: "b1", Outcome: Failed},
		} {
			record(t, l, e)
		}
		for _, test := range []struct {
			name string
			q    Query
			want []string
		}{
			{"account by id", Query{AccountID: "a2"}, []string{"2"}},
			{"actor", Query{Actor: "root"}, []string{"3"}},
			{"door", Query{Door: "ftp"}, []string{"2"}},
			{"address", Query{Address: "192.0.2.1"}, []string{"1"}},
			{"outcome", Query{Outcome: OK}, []string{"1", "3"}},
			{"rule", Query{Rule: "grant"}, []string{"2"}},
			{"path and below, source or target", Query{Path: "/a/b"}, []string{"1", "3"}},
			{"path with a slash", Query{Path: "/a/"}, []string{"1", "2", "3"}},
			{"everything with a path", Query{Path: "/"}, []string{"1", "2", "3"}},
			{"the right to see", Query{Visible: func(e Event) bool { return e.AccountID == "b1" }}, []string{"3", "4"}},
			{"two at once", Query{Account: "anna", Outcome: OK}, []string{"1"}},
		} {
			test.q.Oldest = true
			found, _, err := l.List(t.Context(), test.q)
			var got []string
			for _, e := range found {
				got = append(got, e.Reference)
			}
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("%s: got %q, %v, want %q", test.name, got, err, test.want)
			}
		}
	})
}

func TestOneEventByItsPosition(t *testing.T) {
	l := open(t, memory.New())
	if at, err := l.Newest(t.Context()); at != 0 || err != nil {
		t.Errorf("of an empty trail: %d, %v", at, err)
	}
	record(t, l, Event{Path: "/a"})
	record(t, l, Event{Path: "/b"})
	if at, err := l.Newest(t.Context()); at != 2 || err != nil {
		t.Errorf("the newest is at %d, %v", at, err)
	}
	for at, want := range map[uint64]string{0: "", 1: "/a", 2: "/b", 3: ""} {
		if e, kept, err := l.At(t.Context(), at); e.Path != want || kept != (want != "") || err != nil {
			t.Errorf("at %d: %+v, %v, %v", at, e, kept, err)
		}
	}
}
