package statetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"

	"gatehouse/storage/state"
)

var runTests = []test{
	{"what an earlier run has sent is refused once a later one was told of", func(e *env) {
		e.appendIn("log", state.Run{Name: "n", Number: 7}, "1")
		e.appendIn("log", state.Run{Name: "n", Number: 9})
		e.wantOvertaken("log", state.Run{Name: "n", Number: 7}, 9, "late", "late")
		e.wantOvertaken("log", state.Run{Name: "n", Number: 8}, 9)
		e.appendIn("log", state.Run{Name: "n", Number: 9}, "2")
		e.wantOvertaken("log", state.Run{Name: "n", Number: 7}, 9, "late")
		e.wantEntries("log", 0, 0, "1", "2")
	}},
	{"an append with entries tells of its run", func(e *env) {
		e.appendIn("log", state.Run{Name: "n", Number: 2}, "1")
		e.wantOvertaken("log", state.Run{Name: "n", Number: 1}, 2, "late")
		e.wantEntries("log", 0, 0, "1")
	}},
	{"who tells of a run hears where the stream ends, and makes nothing", func(e *env) {
		run := state.Run{Name: "n", Number: 1}
		if p := e.appendIn("log", run); p != 0 {
			e.Errorf("a stream that never was ends at %d", p)
		}
		if items := e.dump(e.s); len(items) > 0 {
			e.Errorf("to tell of a run has made %+v", items)
		}
		e.append("log", "1", "2")
		e.trim("log", 2)
		for range 2 {
			if p := e.appendIn("log", run); p != 2 {
				e.Errorf("the stream ends at %d, want 2", p)
			}
		}
	}},
	{"runs of other names, in other streams, and appends of none are not concerned", func(e *env) {
		e.appendIn("log", state.Run{Name: "n", Number: 9}, "1")
		e.appendIn("log", state.Run{Name: "m", Number: 1}, "2")
		e.appendIn("other", state.Run{Name: "n", Number: 1}, "x")
		e.append("log", "3")
		e.wantEntries("log", 0, 0, "1", "2", "3")
		e.wantEntries("other", 0, 0, "x")
	}},
	{"a retry of what a run has made is found made, whoever asks", func(e *env) {
		id, run := state.NewOperationID(), state.Run{Name: "n", Number: 1}
		again := func(r state.Run) {
			if p, err := e.s.Append(state.InRun(e.Context(), r), "log", id, []byte("1")); err != nil || p != 1 {
				e.Errorf("run %d: %d, %v", r.Number, p, err)
			}
		}
		e.lose(func(ctx context.Context) error {
			_, err := e.s.Append(state.InRun(ctx, run), "log", id, []byte("1"))
			return err
		})
		again(run)
		e.appendIn("log", state.Run{Name: "n", Number: 2}, "2")
		again(run)
		again(state.Run{Name: "n", Number: 2})
		e.wantEntries("log", 0, 0, "1", "2")
	}},
	{"what was refused may be made by the later run, under the same id", func(e *env) {
		id := state.NewOperationID()
		e.appendIn("log", state.Run{Name: "n", Number: 2})
		if _, err := e.s.Append(state.InRun(e.Context(), state.Run{Name: "n", Number: 1}), "log", id, []byte("1")); !errors.Is(err, state.ErrOvertaken) {
			e.Errorf("%v, want ErrOvertaken", err)
		}
		if p, err := e.s.Append(state.InRun(e.Context(), state.Run{Name: "n", Number: 2}), "log", id, []byte("1")); err != nil || p != 1 {
			e.Errorf("%d, %v", p, err)
		}
		e.wantEntries("log", 0, 0, "1")
	}},
	{"numbers of runs are told apart to the last digit", func(e *env) {
		for _, n := range []uint64{9, 10, 999_999_999, 1_000_000_000, 1 << 53, 1<<53 + 1, math.MaxInt64 - 1} {
			e.appendIn("log", state.Run{Name: "n", Number: n})
			e.appendIn("log", state.Run{Name: "n", Number: n + 1})
			e.wantOvertaken("log", state.Run{Name: "n", Number: n}, n+1, "late")
		}
	}},
	{"after a run was told of nothing of an earlier one arrives any more", func(e *env) {
		const writers = 6
		for round := range 10 {
			stream := fmt.Sprint("log", round)
			var all sync.WaitGroup
			for range writers {
				all.Go(func() {
					for range 5 {
						if _, err := e.s.Append(state.InRun(e.Context(), state.Run{Name: "n", Number: 1}), stream, "", []byte("e")); err != nil {
							if !errors.Is(err, state.ErrOvertaken) {
								e.Errorf("append: %v", err)
							}
							return
						}
					}
				})
			}
			end := e.appendIn(stream, state.Run{Name: "n", Number: 2})
			found, err := e.s.ReadBack(e.Context(), stream, 0, 1)
			if err != nil || end > 0 && (len(found) != 1 || found[0].Position != end) {
				e.Errorf("told that it ends at %d: %+v, %v", end, found, err)
			}
			all.Wait()
			if p := e.append(stream, "after"); p != end+1 {
				e.Errorf("the next entry is at %d, want %d", p, end+1)
			}
		}
	}},
	{"a bad run is refused", func(e *env) {
		for name, run := range map[string]state.Run{
			"no name": {Number: 1}, "no number": {Name: "n"}, "too great a number": {Name: "n", Number: math.MaxInt64 + 1},
		} {
			if _, err := e.s.Append(state.InRun(e.Context(), run), "log", "", []byte("e")); !errors.Is(err, state.ErrInvalid) {
				e.Errorf("%s: %v, want ErrInvalid", name, err)
			}
		}
		e.wantEntries("log", 0, 0)
	}},
}

// appendIn appends as a run.
func (e *env) appendIn(stream string, r state.Run, entries ...string) uint64 {
	e.Helper()
	position, err := e.s.Append(state.InRun(e.Context(), r), stream, "", bytesOf(entries)...)
	if err != nil {
		e.Fatalf("append to %s as run %d of %s: %v", stream, r.Number, r.Name, err)
	}
	return position
}

// wantOvertaken wants an append to be refused because of a later run.
func (e *env) wantOvertaken(stream string, r state.Run, later uint64, entries ...string) {
	e.Helper()
	_, err := e.s.Append(state.InRun(e.Context(), r), stream, state.NewOperationID(), bytesOf(entries)...)
	var overtaken *state.OvertakenError
	if !errors.Is(err, state.ErrOvertaken) || !errors.As(err, &overtaken) || errors.Is(err, state.ErrUnknown) {
		e.Fatalf("run %d of %s: %v, want ErrOvertaken alone", r.Number, r.Name, err)
	}
	if overtaken.Name != r.Name || overtaken.Number != later {
		e.Errorf("overtaken by run %d of %s, want %d of %s", overtaken.Number, overtaken.Name, later, r.Name)
	}
}

func bytesOf(entries []string) [][]byte {
	values := make([][]byte, len(entries))
	for i, s := range entries {
		values[i] = []byte(s)
	}
	return values
}
