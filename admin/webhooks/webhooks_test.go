package webhooks

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/admin/webhooks/message"
	"gatehouse/admin/webhooks/sender"
	"gatehouse/storage/events"
	"gatehouse/storage/state"
)

func TestEventsGoOutInTheirOrderFromTheWebhooksBeginningOn(t *testing.T) {
	inWorld(t, func(w *world) {
		w.happen(events.Upload, "/before")
		w.add(files)
		w.happen(events.Upload, "/a", "/b")
		w.happen(events.Delete, "/a")
		w.pass(time.Second)
		w.took("/a", "/b", "/a")
	})
}

var errAway = errors.New("connection refused")

func TestWhoIsAwayLosesNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		hook := w.add(files)
		w.to.set(func(message.Signed) error { return errAway })
		w.happen(events.Upload, "/a", "/b", "/c")
		w.pass(6 * time.Hour)
		if n := w.to.count(); n < 10 || n > 25 {
			t.Errorf("%d tries in six hours", n)
		}
		if s := w.status(hook.ID); s.Failing.IsZero() || s.Next.IsZero() || s.Last != outcome(errAway) || s.Behind < 3 {
			t.Errorf("while away: %+v", s)
		}
		w.to.set(nil)
		w.pass(longPause)
		w.took("/a", "/b", "/c")
		if s := w.status(hook.ID); !s.Failing.IsZero() || s.Waiting+s.Dead != 0 {
			t.Errorf("afterwards: %+v", s)
		}
	})
}

func TestARestartGoesOnWhereItWas(t *testing.T) {
	inWorld(t, func(w *world) {
		w.add(files)
		w.happen(events.Upload, "/a")
		w.pass(time.Second)
		w.Close()
		w.happen(events.Upload, "/meanwhile")
		w.start()
		w.pass(time.Second)
		w.took("/a", "/meanwhile")
	})
}

func TestARefusedMessageHoldsNobodyUp(t *testing.T) {
	inWorld(t, func(w *world) {
		hook := w.add(files)
		w.to.set(func(m message.Signed) error {
			if bytes.Contains(m.Body, []byte("/poison")) {
				return &sender.RefusedError{Status: http.StatusBadRequest}
			}
			return nil
		})
		w.happen(events.Upload, "/a", "/poison", "/b")
		w.pass(time.Second)
		w.took("/a", "/b")
		if s := w.status(hook.ID); s.Waiting != 1 || !s.Failing.IsZero() {
			t.Errorf("%+v", s)
		}
		w.pass(32 * time.Hour)
		dead, err := w.Dead(w.t.Context(), hook.ID)
		if err != nil || len(dead) != 1 || dead[0].Tries != len(letterPauses)+1 || dead[0].Last != "answered 400 Bad Request" {
			t.Fatalf("dead letters: %+v, %v", dead, err)
		}
		// Once the other side is mended the dead letter can go out after all.
		w.to.set(nil)
		if n, err := w.Revive(w.t.Context(), hook.ID, 0); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		w.pass(time.Second)
		w.took("/a", "/b", "/poison")
		if s := w.status(hook.ID); s.Waiting+s.Dead != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// A receiver that breaks at one message would else keep all others waiting for ever.
func TestAMessageAtWhichTheOtherSideBreaksIsPutAsideInTheEnd(t *testing.T) {
	inWorld(t, func(w *world) {
		w.add(files)
		w.to.set(func(m message.Signed) error {
			if bytes.Contains(m.Body, []byte("/poison")) {
				return &sender.RefusedError{Status: http.StatusInternalServerError}
			}
			return nil
		})
		w.happen(events.Upload, "/poison", "/b")
		w.pass(2 * time.Hour)
		w.took("/b")
	})
}

func TestRetryAfterIsHeeded(t *testing.T) {
	inWorld(t, func(w *world) {
		w.add(files)
		w.to.set(func(message.Signed) error {
			return &sender.RefusedError{Status: http.StatusTooManyRequests, Wait: time.Hour}
		})
		w.happen(events.Upload, "/a")
		w.pass(59 * time.Minute)
		if n := w.to.count(); n != 1 {
			t.Errorf("%d tries within the hour asked for", n)
		}
	})
}

func TestGoneForGoodDisables(t *testing.T) {
	inWorld(t, func(w *world) {
		hook := w.add(files)
		tries := 0 // by the one worker
		w.to.set(func(message.Signed) error {
			if tries++; tries > 1 {
				return &sender.RefusedError{Status: http.StatusGone}
			}
			return &sender.RefusedError{Status: http.StatusServiceUnavailable}
		})
		w.happen(events.Upload, "/a", "/b")
		w.pass(time.Hour)
		got, err := w.Get(w.t.Context(), hook.ID)
		if err != nil || !got.Disabled || got.Why == "" || w.to.count() != 2 {
			t.Fatalf("%+v, %v after %d tries", got, err, w.to.count())
		}
		if s := w.status(hook.ID); !strings.Contains(s.Last, "410") || !s.Next.IsZero() || time.Since(s.LastTime) > time.Hour {
			t.Errorf("it is said to fare so: %+v", s)
		}
		// Enabled again it goes on with what it was away for.
		w.to.set(nil)
		if _, _, err := w.Change(w.t.Context(), hook.ID, got.Revision, func(x *Webhook) error { x.Disabled, x.Why = false, ""; return nil }); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Second)
		w.took("/a", "/b")
	})
}

// Who is disabled while a try is due is not tried, and does not say so.
func TestWhatIsDisabledIsNotTriedNext(t *testing.T) {
	inWorld(t, func(w *world) {
		hook := w.add(files)
		w.to.set(func(message.Signed) error { return &sender.RefusedError{Status: http.StatusServiceUnavailable} })
		w.happen(events.Upload, "/a")
		w.pass(2 * time.Second)
		if s := w.status(hook.ID); s.Next.IsZero() {
			t.Errorf("no next try of %+v", s)
		}
		if _, _, err := w.Change(w.t.Context(), hook.ID, 0, func(x *Webhook) error { x.Disabled = true; return nil }); err != nil {
			t.Fatal(err)
		}
		if s := w.status(hook.ID); !s.Next.IsZero() {
			t.Errorf("disabled: %+v", s)
		}
	})
}

func TestALostUpdateIsAConflict(t *testing.T) {
	inWorld(t, func(w *world) {
		hook := w.add(files)
		change := func(x *Webhook) error { x.Description = "one"; return nil }
		if _, _, err := w.Change(w.t.Context(), hook.ID, hook.Revision, change); err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.Change(w.t.Context(), hook.ID, hook.Revision, change); !errors.Is(err, ErrConflict) {
			t.Errorf("an old revision: %v", err)
		}
		if _, err := w.Remove(w.t.Context(), hook.ID, hook.Revision); !errors.Is(err, ErrConflict) {
			t.Errorf("removing by an old revision: %v", err)
		}
	})
}

func TestARemovedWebhookLeavesNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		hook := w.add(files)
		w.to.set(func(message.Signed) error { return &sender.RefusedError{Status: http.StatusBadRequest} })
		w.happen(events.Upload, "/a", "/b")
		w.pass(time.Second)
		tries := w.to.count()
		if _, err := w.Remove(w.t.Context(), hook.ID, 0); err != nil {
			t.Fatal(err)
		}
		w.happen(events.Upload, "/c") // also where its worker has not heard of it yet
		w.pass(time.Hour)
		if w.to.count() != tries {
			t.Error("a removed webhook was told something")
		}
		page, err := w.state.List(w.t.Context(), scope, "", "", 0)
		if err != nil || len(page.Records) != 0 {
			t.Errorf("%d records are left, %v", len(page.Records), err)
		}
	})
}

func TestANewSecretSignsBesideTheOldOneForADay(t *testing.T) {
	inWorld(t, func(w *world) {
		hook := w.add(files)
		signatures := func(p string) int {
			w.happen(events.Upload, p)
			w.pass(time.Second)
			w.to.mu.Lock()
			defer w.to.mu.Unlock()
			return len(strings.Fields(w.to.taken[len(w.to.taken)-1].Signature))
		}
		if n := signatures("/a"); n != 1 {
			t.Errorf("%d signatures at first", n)
		}
		if _, _, _, err := w.Rotate(w.t.Context(), hook.ID, 0, time.Now().Add(Overlap)); err != nil {
			t.Fatal(err)
		}
		if n := signatures("/b"); n != 2 {
			t.Errorf("%d signatures while both secrets hold", n)
		}
		w.pass(Overlap)
		if n := signatures("/c"); n != 1 {
			t.Errorf("%d signatures after a day", n)
		}
		if _, now, _, err := w.Rotate(w.t.Context(), hook.ID, 0, time.Now()); err != nil || len(now.Secrets) != 1 {
			t.Fatalf("a secret that is to end at once: %d are kept, %v", len(now.Secrets), err)
		}
		if n := signatures("/d"); n != 1 {
			t.Errorf("%d signatures where the older secret was to end at once", n)
		}
	})
}

func TestATryHasTheSameIDAsTheOneBefore(t *testing.T) {
	inWorld(t, func(w *world) {
		w.add(files)
		var ids []string
		w.to.set(func(m message.Signed) error {
			ids = append(ids, m.ID)
			if len(ids) < 3 {
				return errAway
			}
			return nil
		})
		w.happen(events.Upload, "/a")
		w.pass(time.Minute)
		if len(ids) != 3 || ids[0] != ids[1] || ids[1] != ids[2] {
			t.Errorf("ids %q", ids)
		}
	})
}

func TestDeadLettersAreBounded(t *testing.T) {
	inWorld(t, func(w *world) {
		hook := w.add(files)
		for i := range uint64(maxDead + 5) {
			value := fmt.Appendf(nil, `{"position":%d,"message":{}}`, i+1)
			if err := w.apply(w.t.Context(), state.Batch{Puts: []state.Put{{Name: letterName(deadPrefix, hook.ID, i+1), Value: value}}}); err != nil {
				t.Fatal(err)
			}
		}
		w.bury(w.t.Context(), hook.ID)
		dead, err := w.Dead(w.t.Context(), hook.ID)
		if err != nil || len(dead) != maxDead || dead[0].Position != 6 {
			t.Errorf("%d dead letters, the first %d, %v", len(dead), dead[0].Position, err)
		}
	})
}
