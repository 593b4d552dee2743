package webhooks

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/admin/webhooks/message"
	"gatehouse/admin/webhooks/sender"
	"gatehouse/storage/events"
	"gatehouse/storage/state"
)

// Two gateways over one state would else send everything twice.
func TestOfSeveralNodesOneSends(t *testing.T) {
	inWorld(t, func(w *world) {
		other := w.node("m")
		defer other.Close()
		w.add(files)
		w.happen(events.Upload, "/a", "/b")
		w.pass(5 * time.Minute)
		w.took("/a", "/b")
		// Which is told to go: the other goes on where it was.
		w.Close()
		w.happen(events.Upload, "/c")
		w.pass(time.Minute)
		w.took("/a", "/b", "/c")
		w.start()
		w.happen(events.Upload, "/d")
		w.pass(5 * time.Minute)
		w.took("/a", "/b", "/c", "/d")
	})
}

// A node that was killed gives nothing back: its claim runs out.
func TestAnotherNodeTakesOverWhereOneIsGone(t *testing.T) {
	inWorld(t, func(w *world) {
		gone := state.Batch{Puts: []state.Put{{Name: claimRecord, Value: []byte("gone"), TTL: claimFor}}}
		if err := w.apply(w.t.Context(), gone); err != nil {
			t.Fatal(err)
		}
		w.add(files)
		w.happen(events.Upload, "/a")
		w.pass(claimFor / 2)
		w.took()
		w.pass(claimFor)
		w.took("/a")
	})
}

// A node that stood still for so long that another sends now must not go on.
func TestWhoHasLostTheClaimSendsNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		w.add(files)
		w.happen(events.Upload, "/a")
		w.pass(time.Second)
		taken := state.Batch{Puts: []state.Put{{Name: claimRecord, Value: []byte("other"), TTL: time.Hour}}}
		if err := w.apply(w.t.Context(), taken); err != nil {
			t.Fatal(err)
		}
		w.happen(events.Upload, "/b")
		w.pass(30 * time.Minute)
		w.took("/a")
		w.pass(time.Hour)
		w.took("/a", "/b")
	})
}

// What retention drops before the other side has it is gone; that it is gone is
// told: in the trail, and to the other side, whatever its filter.
func TestWhatRetentionHasDroppedIsToldAsMissed(t *testing.T) {
	inWorld(t, func(w *world) {
		hook := w.add(Filter{Kinds: []events.Kind{"file"}, Path: "/only"})
		w.happen(events.Upload, "/only/a")
		w.pass(time.Second)
		w.to.set(func(message.Signed) error { return errAway })
		w.happen(events.Upload, "/only/lost", "/elsewhere", "/only/lost")
		w.pass(time.Hour) // a checkpoint is signed, at which the trail can be cut
		w.happen(events.Upload, "/only/kept")
		w.pass(time.Hour)
		w.Close()
		if err := w.log.Retain(w.t.Context(), time.Now().Add(-30*time.Minute)); err != nil {
			t.Fatal(err)
		}
		w.start()
		w.to.set(nil)
		w.pass(longPause)
		found, _, err := w.log.List(w.t.Context(), events.Query{Kind: Missed})
		if err != nil || len(found) != 1 || found[0].After["webhook"] != hook.ID {
			t.Fatalf("told as missed: %+v, %v", found, err)
		}
		last := w.to.taken[len(w.to.taken)-1]
		if !bytes.Contains(last.Body, []byte(`"type":"webhook.missed"`)) {
			t.Errorf("the other side heard last of %s", last.Body)
		}
		if s := w.status(hook.ID); s.Behind != 0 || !s.Failing.IsZero() {
			t.Errorf("afterwards: %+v", s)
		}
	})
}

// A receiver that refuses all there is must fill neither memory nor the store: what
// is beyond the bound waits in the trail, and nothing is lost.
func TestWaitingMessagesAreBounded(t *testing.T) {
	inWorld(t, func(w *world) {
		hook := w.add(files)
		w.to.set(func(message.Signed) error { return &sender.RefusedError{Status: http.StatusNotFound} })
		for i := range maxWaiting + 20 {
			w.log.Note(events.Event{Kind: events.Upload, Outcome: events.OK, Path: fmt.Sprint("/", i)})
		}
		w.pass(time.Minute)
		if s := w.status(hook.ID); s.Waiting != maxWaiting || s.Behind < 20 || s.Failing.IsZero() {
			t.Errorf("%+v", s)
		}
		w.to.set(nil)
		w.pass(time.Hour)
		if s := w.status(hook.ID); s.Waiting+s.Dead != 0 || !s.Failing.IsZero() {
			t.Errorf("afterwards: %+v", s)
		}
		seen := map[string]int{}
		for _, p := range w.to.paths(t) {
			seen[p]++
		}
		if len(seen) != maxWaiting+20 {
			t.Errorf("%d messages have come", len(seen))
		}
	})
}

// A receiver that breaks at one message and takes all others is not away.
func TestAMessageAtWhichTheOtherSideAlwaysBreaksIsGivenUp(t *testing.T) {
	inWorld(t, func(w *world) {
		hook := w.add(files)
		w.to.set(func(m message.Signed) error {
			if bytes.Contains(m.Body, []byte("/poison")) {
				return &sender.RefusedError{Status: http.StatusInternalServerError}
			}
			return nil
		})
		w.happen(events.Upload, "/poison")
		for range 33 {
			w.happen(events.Upload, "/b")
			w.pass(time.Hour)
		}
		if s := w.status(hook.ID); s.Dead != 1 || s.Waiting != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// What stands before a receiver that is down answers for it: its errors are of the
// other side, and no reason to put message after message aside.
func TestErrorsAtEveryMessageAreAnOutage(t *testing.T) {
	inWorld(t, func(w *world) {
		hook := w.add(files)
		w.to.set(func(message.Signed) error { return &sender.RefusedError{Status: http.StatusBadGateway} })
		w.happen(events.Upload, "/a", "/b", "/c", "/d")
		w.pass(4 * time.Hour)
		if s := w.status(hook.ID); s.Waiting != 1 || s.Dead != 0 || s.Behind < 3 {
			t.Errorf("%+v", s)
		}
		w.to.set(nil)
		w.pass(time.Hour)
		got := strings.Join(w.to.paths(t), " ")
		if got != "/b /c /d /a" && got != "/a /b /c /d" && got != "/b /a /c /d" {
			t.Errorf("the other side took %s", got)
		}
		// Two messages in a row at which it breaks hold it up for hours, and not for ever.
		w.to.set(func(m message.Signed) error {
			if bytes.Contains(m.Body, []byte("/poison")) {
				return &sender.RefusedError{Status: http.StatusInternalServerError}
			}
			return nil
		})
		w.happen(events.Upload, "/poison", "/poison", "/e")
		w.pass(10 * time.Hour)
		if got := w.to.paths(t); got[len(got)-1] != "/e" {
			t.Errorf("the other side took %q", got)
		}
	})
}

// Tries at who is away are no judgement of the letters that wait.
func TestLettersOutlastAnOutage(t *testing.T) {
	inWorld(t, func(w *world) {
		hook := w.add(files)
		w.to.set(func(message.Signed) error { return &sender.RefusedError{Status: http.StatusBadRequest} })
		w.happen(events.Upload, "/a", "/b")
		w.pass(time.Second)
		w.to.set(func(message.Signed) error { return errAway })
		w.pass(6 * time.Hour)
		letters, err := w.letters(w.t.Context(), letterPrefix, hook.ID)
		if err != nil || len(letters) != 2 || letters[0].Tries != 1 {
			t.Errorf("after six hours away: %+v, %v", letters, err)
		}
		w.to.set(nil)
		w.pass(time.Hour)
		w.took("/a", "/b")
	})
}

func TestADeadLetterWhoseEventIsGoneStaysDead(t *testing.T) {
	inWorld(t, func(w *world) {
		hook := w.add(files)
		w.happen(events.Upload, "/a", "/b")
		w.pass(time.Hour)
		dead := state.Put{Name: letterName(deadPrefix, hook.ID, 1), Value: []byte(`{"position":1,"kind":"file.upload","tries":6}`)}
		if err := w.apply(w.t.Context(), state.Batch{Puts: []state.Put{dead}}); err != nil {
			t.Fatal(err)
		}
		if err := w.log.Retain(w.t.Context(), time.Now().Add(-time.Minute)); err != nil {
			t.Fatal(err)
		}
		if n, err := w.Revive(w.t.Context(), hook.ID, 0); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		w.pass(time.Minute)
		left, err := w.Dead(w.t.Context(), hook.ID)
		if err != nil || len(left) != 1 || left[0].Last != errGone.Error() {
			t.Errorf("%+v, %v", left, err)
		}
		w.took("/a", "/b")
	})
}

// A receiver that is slow, or hangs, holds nobody up but itself.
func TestASlowReceiverHoldsUpItselfAlone(t *testing.T) {
	inWorld(t, func(w *world) {
		slow, err := w.addAt("https://slow.example/", files)
		if err != nil {
			t.Fatal(err)
		}
		w.add(files)
		w.to.slow = map[string]time.Duration{"https://slow.example/": 9 * time.Second}
		w.happen(events.Upload, "/a", "/b", "/c")
		w.pass(time.Second)
		w.took("/a", "/b", "/c")
		w.pass(time.Minute)
		w.took("/a", "/b", "/c", "/a", "/b", "/c")
		if s := w.status(slow.ID); !s.Failing.IsZero() {
			t.Errorf("slow is not away: %+v", s)
		}
	})
}

// Who has mended a webhook need not wait for the end of a pause.
func TestAChangedWebhookIsTriedAtOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		hook := w.add(files)
		w.to.set(func(message.Signed) error { return errAway })
		w.happen(events.Upload, "/a")
		w.pass(6 * time.Hour)
		w.to.set(nil)
		if _, _, err := w.Change(w.t.Context(), hook.ID, 0, func(x *Webhook) error { x.URL = "https://new.example/"; return nil }); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Second)
		w.took("/a")
	})
}

// Where another has written of a webhook what is kept counts, and it goes on.
func TestAWorkerReadsAnewWhereTheStoreIsNotAsItLeftIt(t *testing.T) {
	inWorld(t, func(w *world) {
		hook := w.add(files)
		w.happen(events.Upload, "/a")
		w.pass(time.Second)
		c, revision, err := w.cursor(w.t.Context(), hook.ID)
		if err == nil {
			_, err = w.note(w.t.Context(), hook.ID, c, revision, state.Batch{})
		}
		if err != nil {
			t.Fatal(err)
		}
		w.happen(events.Upload, "/b")
		w.pass(time.Minute)
		w.happen(events.Upload, "/c")
		w.pass(time.Minute)
		if got := w.to.paths(t); got[len(got)-1] != "/c" || !strings.Contains(strings.Join(got, " "), "/b") {
			t.Errorf("the other side took %q", got)
		}
	})
}

// A clock that ran years ahead, and was set right since, has left tries for then.
func TestTriesOfAClockThatRanAheadAreDueNow(t *testing.T) {
	inWorld(t, func(w *world) {
		hook := w.add(files)
		w.happen(events.Upload, "/a", "/b")
		w.pass(time.Second)
		w.Close()
		c, revision, err := w.cursor(w.t.Context(), hook.ID)
		if err != nil {
			t.Fatal(err)
		}
		c.Next, c.Of, c.Tries = time.Now().AddDate(3, 0, 0), hook.Revision, 2
		letter := fmt.Appendf(nil, `{"position":%d,"next_try":%q,"tries":1}`, c.Position-1, c.Next.Format(time.RFC3339))
		more := state.Batch{Puts: []state.Put{{Name: letterName(letterPrefix, hook.ID, c.Position-1), Value: letter}}}
		if _, err := w.note(w.t.Context(), hook.ID, c, revision, more); err != nil {
			t.Fatal(err)
		}
		w.start()
		w.happen(events.Upload, "/c")
		w.pass(time.Minute)
		if got := strings.Join(w.to.paths(t), " "); got != "/a /b /c /a" && got != "/a /b /a /c" {
			t.Errorf("the other side took %s", got)
		}
	})
}

// A removal that was killed midway leaves letters that nobody asks for.
func TestWhatARemovalLeftGoesAtTheNextStart(t *testing.T) {
	inWorld(t, func(w *world) {
		hook := w.add(files)
		puts := []state.Put{
			{Name: letterName(letterPrefix, "gone", 1), Value: []byte(`{}`)}, {Name: letterName(deadPrefix, "gone", 2), Value: []byte(`{}`)},
			{Name: letterName(deadPrefix, hook.ID, 3), Value: []byte(`{"position":3}`)},
		}
		if err := w.apply(w.t.Context(), state.Batch{Puts: puts}); err != nil {
			t.Fatal(err)
		}
		w.Close()
		w.start()
		synctest.Wait()
		for _, p := range puts {
			_, err := w.state.Get(w.t.Context(), scope, p.Name)
			if kept := !errors.Is(err, state.ErrNotFound); kept != strings.Contains(p.Name, hook.ID) {
				t.Errorf("%s: %v", p.Name, err)
			}
		}
	})
}

// A webhook is no loop: what it does makes no events that it hears of.
func TestDeliveriesMakeNoEvents(t *testing.T) {
	inWorld(t, func(w *world) {
		hook := w.add(Filter{})
		w.happen(events.Upload, "/a")
		w.pass(3 * time.Hour) // long enough for checkpoints
		n := w.to.count()
		if n > 3 {
			t.Errorf("one upload makes %d messages", n)
		}
		w.to.set(func(message.Signed) error { return &sender.RefusedError{Status: http.StatusBadRequest} })
		w.happen(events.Upload, "/b")
		w.pass(3 * time.Hour)
		newest, err := w.log.Newest(w.t.Context())
		if err != nil || newest > 10 {
			t.Errorf("the trail has grown to %d events, %v", newest, err)
		}
		if s := w.status(hook.ID); s.Behind != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// The signed checkpoints are to be kept elsewhere: what a webhook was sent is what
// verify takes.
func TestACheckpointFromAWebhookVerifiesTheTrail(t *testing.T) {
	inWorld(t, func(w *world) {
		w.add(Filter{Kinds: []events.Kind{events.Signed}})
		w.happen(events.Upload, "/a", "/b")
		w.pass(time.Hour)
		if len(w.to.taken) == 0 {
			t.Fatal("no checkpoint was sent")
		}
		texts := events.FindCheckpoints(string(w.to.taken[0].Body))
		report, err := w.log.Verify(w.t.Context(), texts)
		if err != nil || len(texts) != 1 || !report.Whole || report.Held == 0 {
			t.Errorf("%d checkpoints, %+v, %v", len(texts), report, err)
		}
		// It holds the trail to what it was: without its end it is not whole.
		entries, err := w.state.Read(w.t.Context(), events.Stream, 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		cut, err := events.New(w.t.Context(), events.Config{State: shortened(t, entries), Node: "n", Sealer: newSealer(t)})
		if err != nil {
			t.Fatal(err)
		}
		if report, err := cut.Verify(w.t.Context(), texts); err != nil || report.Whole {
			t.Errorf("a trail without its end: %+v, %v", report, err)
		}
		if err := cut.Close(w.t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A message that was tried for minutes before it was set aside shows since when:
// it said the last of those tries.
func TestALetterKnowsItsFirstTry(t *testing.T) {
	inWorld(t, func(w *world) {
		var first time.Time
		tries := 0
		w.to.set(func(message.Signed) error {
			if tries++; tries == 1 {
				first = time.Now()
			}
			return &sender.RefusedError{Status: http.StatusBadGateway}
		})
		hook := w.add(Filter{})
		w.happen("file.upload", "/a")
		for w.status(hook.ID).Waiting == 0 {
			w.pass(time.Second)
			if time.Since(first) > time.Hour && tries > 0 {
				t.Fatal("it is not set aside")
			}
		}
		letters, err := w.letters(t.Context(), letterPrefix, hook.ID)
		if err != nil || len(letters) != 1 || !letters[0].First.Equal(first) {
			t.Errorf("%+v, %v after %d tries, want one tried first at %v", letters, err, tries, first)
		}
	})
}

// What is known to have died holds nothing up: another sends at once. A run that
// came back under the dead one's name keeps its own claim.
func TestTheClaimOfADeadNodeIsBuried(t *testing.T) {
	inWorld(t, func(w *world) {
		dead := state.Batch{Puts: []state.Put{{Name: claimRecord, Value: []byte("node/1"), TTL: time.Hour}}}
		if err := w.apply(w.t.Context(), dead); err != nil {
			t.Fatal(err)
		}
		w.add(files)
		w.happen(events.Upload, "/a")
		w.pass(time.Minute)
		w.took()
		for _, other := range [][2]string{{"node", "2"}, {"other", "1"}} {
			if err := w.Bury(t.Context(), other[0], other[1]); err != nil {
				t.Fatal(err)
			}
		}
		w.pass(time.Minute)
		w.took()
		if err := w.Bury(t.Context(), "node", "1"); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Second)
		w.took("/a")
	})
}

// Of many at once, on whichever nodes, no more are taken than there may be.
func TestNodesAddNoMoreThanThereMayBe(t *testing.T) {
	inWorld(t, func(w *world) {
		other := w.node("m")
		defer other.Close()
		for range MaxWebhooks - 1 {
			w.add(files)
		}
		var made atomic.Int32
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() {
				at := []*Service{w.Service, other}[i%2]
				switch _, _, err := at.Add(t.Context(), Webhook{URL: "https://hooks.example/y", Filter: files}); {
				case err == nil:
					made.Add(1)
				case !errors.Is(err, ErrTooMany):
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := made.Load(); n != 1 {
			t.Errorf("%d were added where there was room for one", n)
		}
	})
}
