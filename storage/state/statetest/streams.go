package statetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gatehouse/storage/state"
)

var streamTests = []test{
	{"positions grow by one", func(e *env) {
		for i, want := range []uint64{1, 2, 3} {
			if got := e.append("log", fmt.Sprint(i)); got != want {
				e.Errorf("position %d, want %d", got, want)
			}
		}
		if got := e.append("log", "x", "y", "z"); got != 6 {
			e.Errorf("position of the last of three %d, want 6", got)
		}
		if got := e.append("another", "x"); got != 1 {
			e.Errorf("another stream is at %d", got)
		}
		e.wantEntries("log", 0, 0, "0", "1", "2", "x", "y", "z")
		e.wantEntries("another", 0, 0, "x")
		e.wantEntries("lo", 0, 0)
	}},
	{"a reading begins after a position and ends at its limit", func(e *env) {
		e.append("log", "1", "2", "3", "4", "5")
		e.wantEntries("log", 2, 0, "3", "4", "5")
		e.wantEntries("log", 2, 2, "3", "4")
		e.wantEntries("log", 5, 0)
		e.wantEntries("log", 500, 0)
		e.wantEntries("never", 0, 0)
	}},
	{"a reading back begins before a position", func(e *env) {
		e.append("log", "1", "2", "3", "4", "5")
		e.append("log2", "other")
		e.wantBack("log", 0, 0, "5", "4", "3", "2", "1")
		e.wantBack("log", 0, 2, "5", "4")
		e.wantBack("log", 4, 2, "3", "2")
		e.wantBack("log", 1, 0)
		e.wantBack("log", 6, 1, "5")
		e.wantBack("log", 500, 1, "5")
		e.wantBack("never", 0, 0)
		e.wantBack("lo", 0, 0)
	}},
	{"entries carry their position and time", func(e *env) {
		e.append("log", "1")
		e.pass(2)
		e.append("log", "2", "3")
		entries, err := e.s.Read(e.Context(), "log", 0, 0)
		if err != nil || len(entries) != 3 {
			e.Fatalf("%d entries, %v", len(entries), err)
		}
		for i, entry := range entries {
			if entry.Position != uint64(i+1) {
				e.Errorf("entry %d has position %d", i, entry.Position)
			}
		}
		if d := entries[1].Time.Sub(entries[0].Time); d < e.units(1) || d > e.units(60) {
			e.Errorf("times are %v apart", d)
		}
		if time.Since(entries[0].Time).Abs() > time.Hour+e.units(60) {
			e.Errorf("the time is %v", entries[0].Time)
		}
	}},
	{"entries given and returned are not shared with the store", func(e *env) {
		value := []byte("given")
		if _, err := e.s.Append(e.Context(), "log", "", value); err != nil {
			e.Fatal(err)
		}
		value[0] = 'X'
		entries, err := e.s.Read(e.Context(), "log", 0, 0)
		if err != nil || len(entries) != 1 {
			e.Fatalf("%d entries, %v", len(entries), err)
		}
		copy(entries[0].Value, "YYYYY")
		e.wantEntries("log", 0, 0, "given")
	}},
	{"trimmed entries are gone and positions go on", func(e *env) {
		e.append("log", "1", "2", "3", "4")
		e.append("other", "x")
		e.trim("log", 2)
		e.wantEntries("log", 0, 0, "3", "4")
		e.wantEntries("log", 1, 0, "3", "4")
		e.wantBack("log", 0, 0, "4", "3")
		e.wantBack("log", 3, 0)
		e.wantBack("log", 2, 0)
		e.trim("log", 1)
		e.wantEntries("log", 0, 0, "3", "4")
		if got := e.append("log", "5"); got != 5 {
			e.Errorf("position %d, want 5", got)
		}
		e.trim("log", 500)
		e.wantEntries("log", 0, 0)
		e.wantBack("log", 0, 0)
		if got := e.append("log", "6"); got != 6 {
			e.Errorf("position %d after all was trimmed, want 6", got)
		}
		e.wantEntries("log", 0, 0, "6")
		e.trim("never", 3)
		e.wantEntries("other", 0, 0, "x")
	}},
	{"many writers leave no gap and no double", func(e *env) {
		const writers, each = 8, 12
		positions := make([][]uint64, writers)
		e.many(writers, func(i int) {
			for j := range each {
				p, err := e.s.Append(e.Context(), "log", state.NewOperationID(), fmt.Appendf(nil, "%d.%d", i, j))
				if err != nil {
					e.Errorf("append: %v", err)
					return
				}
				positions[i] = append(positions[i], p)
			}
		})
		entries, err := e.s.Read(e.Context(), "log", 0, 0)
		if err != nil || len(entries) != writers*each {
			e.Fatalf("%d entries, %v", len(entries), err)
		}
		for i, of := range positions {
			if !slices.IsSorted(of) {
				e.Errorf("writer %d was given %v", i, of)
			}
			for j, p := range of {
				if got := entries[p-1]; got.Position != p || string(got.Value) != fmt.Sprintf("%d.%d", i, j) {
					e.Errorf("at %d is %+v, want %d.%d", p, got, i, j)
				}
			}
		}
	}},
	{"a bad append is refused", func(e *env) {
		for name, try := range map[string]func() error{
			"no stream": func() error { _, err := e.s.Append(e.Context(), "", "", []byte("e")); return err },
			"NUL":       func() error { _, err := e.s.Append(e.Context(), "a\x00b", "", []byte("e")); return err },
			"nothing":   func() error { _, err := e.s.Append(e.Context(), "log", ""); return err },
			"too long": func() error {
				_, err := e.s.Append(e.Context(), "log", "", []byte("e"), make([]byte, state.MaxValue+1))
				return err
			},
			"long name": func() error {
				_, err := e.s.Append(e.Context(), strings.Repeat("n", state.MaxName+1), "", []byte("e"))
				return err
			},
		} {
			if err := try(); !errors.Is(err, state.ErrInvalid) {
				e.Errorf("%s: %v, want ErrInvalid", name, err)
			}
		}
		e.wantEntries("log", 0, 0)
	}},
}

func (e *env) trim(stream string, upTo uint64) {
	e.Helper()
	if err := e.s.Trim(e.Context(), stream, upTo); err != nil {
		e.Fatalf("trim %s up to %d: %v", stream, upTo, err)
	}
}

func (e *env) wantEntries(stream string, after uint64, limit int, want ...string) {
	e.Helper()
	entries, err := e.s.Read(e.Context(), stream, after, limit)
	if got := values(entries); err != nil || !slices.Equal(got, want) {
		e.Errorf("%s after %d: %q, %v, want %q", stream, after, got, err, want)
	}
}

func (e *env) wantBack(stream string, before uint64, limit int, want ...string) {
	e.Helper()
	entries, err := e.s.ReadBack(e.Context(), stream, before, limit)
	if got := values(entries); err != nil || !slices.Equal(got, want) {
		e.Errorf("%s before %d: %q, %v, want %q", stream, before, got, err, want)
	}
}

func values(entries []state.Entry) []string {
	var found []string
	for _, e := range entries {
		found = append(found, string(e.Value))
	}
	return found
}
