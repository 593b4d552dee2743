package ftp

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

func occupy(t *testing.T, h *Hashes, account string) (leave func()) {
	t.Helper()
	leave, err := h.enter(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	return leave
}

// An account that asks for the hashes of many large files has one hashed at a
// time, and gets its turn like others: who asks for one waits for one at most.
func TestOneAccountDoesNotTakeAllHashing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHashes(2)
		ends := make(map[string]func())
		ask := func(ctx context.Context, account, name string) {
			go func() {
				if leave, err := h.enter(ctx, account); err == nil {
					ends[name] = leave
				} else if !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			}()
			synctest.Wait()
		}
		want := func(when string, names ...string) {
			t.Helper()
			synctest.Wait()
			for _, name := range names {
				if ends[name] == nil {
					t.Fatalf("%s: %s waits still", when, name)
				}
			}
			if len(ends) != len(names) {
				t.Fatalf("%s: %d hash now, want %v", when, len(ends), names)
			}
		}
		end := func(name string) {
			leave := ends[name]
			delete(ends, name)
			leave()
		}
		ctx := t.Context()
		for _, name := range []string{"m1", "m2", "m3"} {
			ask(ctx, "mallory", name)
		}
		want("one account alone", "m1")
		ask(ctx, "anna", "a1")
		want("another comes", "m1", "a1")
		ask(ctx, "ben", "b1")
		gone, leave := context.WithCancel(ctx)
		ask(gone, "cora", "c1")
		leave()
		end("m1")
		want("the first that waits is another's", "a1", "b1")
		end("a1")
		want("who has gone is passed over", "b1", "m2")
		end("b1")
		want("nobody else waits", "m2")
		end("m2")
		want("its next", "m3")
		end("m3")
		if len(h.busy)+len(h.waiting)+len(h.turns) != 0 || h.free != 2 {
			t.Errorf("left: %+v", h)
		}
	})
}
