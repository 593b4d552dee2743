package statetest

import (
	"errors"
	"fmt"
	"sync/atomic"

	"gatehouse/storage/state"
)

var endTests = []test{
	{"a closed store refuses everything", func(e *env) {
		e.put("s", "a", "1")
		changes := e.watch(e.Context(), "s", 1)
		e.pass(1) // it waits by now
		if err := e.s.Close(); err != nil {
			e.Fatalf("close: %v", err)
		}
		e.wantEnd(changes)
		ctx := e.Context()
		for name, try := range map[string]func() error{
			"get":      func() error { _, err := e.s.Get(ctx, "s", "a"); return err },
			"list":     func() error { _, err := e.s.List(ctx, "s", "", "", 0); return err },
			"scopes":   func() error { _, err := e.s.Scopes(ctx, "", 0); return err },
			"apply":    func() error { _, err := e.s.Apply(ctx, state.Batch{Scope: "s", Deletes: []string{"a"}}); return err },
			"count":    func() error { _, err := e.s.Count(ctx, "s", state.Distinct{Name: "d", Add: "m"}); return err },
			"look":     func() error { _, err := e.s.Count(ctx, "s", state.Distinct{Name: "d"}); return err },
			"append":   func() error { _, err := e.s.Append(ctx, "l", "", []byte("e")); return err },
			"read":     func() error { _, err := e.s.Read(ctx, "l", 0, 0); return err },
			"readback": func() error { _, err := e.s.ReadBack(ctx, "l", 0, 0); return err },
			"trim":     func() error { return e.s.Trim(ctx, "l", 1) },
			"watch":    func() error { _, err := e.s.Watch(ctx, "s", 0); return err },
			"revision": func() error { _, err := e.s.Revision(ctx, "s"); return err },
			"load":     func() error { return e.s.Load(ctx, all(nil, nil)) },
			"close":    e.s.Close,
			"dump": func() error {
				for _, err := range e.s.Dump(ctx) {
					return err
				}
				return nil
			},
		} {
			if err := try(); !errors.Is(err, state.ErrClosed) {
				e.Errorf("%s: %v, want ErrClosed", name, err)
			}
		}
	}},
	{"a close amid writers is clean", func(e *env) {
		var made atomic.Int64
		started := make(chan struct{}, 8)
		go func() {
			for range 8 {
				<-started
			}
			if err := e.s.Close(); err != nil {
				e.Errorf("close: %v", err)
			}
		}()
		e.many(8, func(i int) {
			for n := 0; ; n++ {
				_, err := e.s.Apply(e.Context(), state.Batch{Scope: fmt.Sprint(i), Puts: []state.Put{{Name: fmt.Sprint(n)}}})
				if err != nil && !errors.Is(err, state.ErrClosed) {
					e.Errorf("apply: %v", err)
				}
				if n == 0 {
					started <- struct{}{}
				}
				if err != nil {
					return
				}
				made.Add(1)
			}
		})
		if made.Load() < 8 {
			e.Errorf("only %d were made", made.Load())
		}
	}},
}
