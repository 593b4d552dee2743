package webhooks

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
	"gatehouse/storage/seal"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// A receiver is the other side: it takes what answer lets it.
type receiver struct {
	mu     sync.Mutex
	answer func(m Signed) error
	taken  []Signed
	tries  []time.Time
	slow   map[string]time.Duration // how long an address takes to answer
}

func (r *receiver) Check(string) error { return nil }

func (r *receiver) Send(_ context.Context, url string, m Signed) error {
	time.Sleep(r.slow[url])
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tries = append(r.tries, time.Now())
	if r.answer != nil {
		if err := r.answer(m); err != nil {
			return err
		}
	}
	r.taken = append(r.taken, m)
	return nil
}

func (r *receiver) set(answer func(m Signed) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

// files are the events that tests make; the trail makes some of its own.
var files = EventFilter{Kinds: []events.Kind{"file"}}

// paths are those of the events taken, in order.
func (r *receiver) paths(t *testing.T) []string {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []string
	for _, m := range r.taken {
		var got struct {
			Type events.Kind  `json:"type"`
			Data events.Event `json:"data"`
		}
		if err := json.Unmarshal(m.Body, &got); err != nil {
			t.Fatal(err)
		}
		list = append(list, got.Data.Path)
	}
	return list
}

func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.tries)
}

// A world is a service over a trail, and who hears of it.
type world struct {
	t     *testing.T
	state state.Store
	log   *events.Log
	to    *receiver
	*Service
}

func newSealer(t *testing.T) *seal.Sealer {
	t.Helper()
	sealer, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return sealer
}

// inWorld runs a test in a bubble of its own time.
func inWorld(t *testing.T, test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		log, err := events.New(t.Context(), events.Config{State: store, Node: "n", Sealer: newSealer(t)})
		if err != nil {
			t.Fatal(err)
		}
		w := &world{t: t, state: store, log: log, to: &receiver{}}
		w.start()
		test(w)
		w.Close()
		if err := log.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func (w *world) start() { w.Service = w.node("n") }

// node is a service of a gateway of this name.
func (w *world) node(name string) *Service {
	return New(Config{State: w.state, Sealer: newSealer(w.t), Events: w.log, Sender: w.to, Log: slog.New(slog.DiscardHandler), Node: name})
}

func (w *world) add(f EventFilter) Webhook {
	w.t.Helper()
	hook, err := w.addAt("https://hooks.example/x", f)
	if err != nil {
		w.t.Fatal(err)
	}
	return hook
}

func (w *world) addAt(url string, f EventFilter) (Webhook, error) {
	hook, _, err := w.Add(w.t.Context(), Webhook{URL: url, Filter: f})
	synctest.Wait()
	return hook, err
}

func (w *world) happen(kind events.Kind, paths ...string) {
	w.t.Helper()
	for _, p := range paths {
		if err := w.log.Record(w.t.Context(), events.Event{Kind: kind, Outcome: events.OK, Account: "alice", Path: p}); err != nil {
			w.t.Fatal(err)
		}
	}
}

// pass lets so much time go by.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (w *world) took(want ...string) {
	w.t.Helper()
	if got := w.to.paths(w.t); strings.Join(got, " ") != strings.Join(want, " ") {
		w.t.Errorf("the other side took %q, want %q", got, want)
	}
}

func (w *world) status(id string) WebhookStatus {
	w.t.Helper()
	s, err := w.Status(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

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

func TestAFilterLetsPassWhatItNames(t *testing.T) {
	e := events.Event{Kind: events.Upload, Account: "Alice", Outcome: events.OK, Path: "/home/alice/a"}
	moved := events.Event{Kind: events.Rename, Account: "bob", Outcome: events.OK, Path: "/x", Target: "/home/alice/b"}
	refused := events.Event{Kind: events.Refused, Account: "bob", Outcome: events.Denied}
	for _, c := range []struct {
		name   string
		filter EventFilter
		passes [3]bool // e, moved, refused
	}{
		{"all", EventFilter{}, [3]bool{true, true, true}},
		{"a family of kinds", EventFilter{Kinds: []events.Kind{"file"}}, [3]bool{true, true, false}},
		{"login with its refusals", EventFilter{Kinds: []events.Kind{"login"}}, [3]bool{false, false, true}},
		{"one kind", EventFilter{Kinds: []events.Kind{events.Rename}}, [3]bool{false, true, false}},
		{"an account", EventFilter{Accounts: []string{"alice"}}, [3]bool{true, false, false}},
		{"a folder", EventFilter{Path: "/home/alice"}, [3]bool{true, true, false}},
		{"not its neighbour", EventFilter{Path: "/home/al"}, [3]bool{false, false, false}},
		{"the root", EventFilter{Path: "/"}, [3]bool{true, true, false}},
		{"an outcome", EventFilter{Outcomes: []string{events.Denied}}, [3]bool{false, false, true}},
		{"all of it at once", EventFilter{Kinds: []events.Kind{"file"}, Accounts: []string{"bob"}, Path: "/home/alice"}, [3]bool{false, true, false}},
	} {
		for i, x := range []events.Event{e, moved, refused} {
			if got := c.filter.Passes(x); got != c.passes[i] {
				t.Errorf("%s: %s passes: %v", c.name, x.Kind, got)
			}
		}
	}
}

func TestWhatCannotBeIsRefusedByItsField(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, c := range []struct {
			hook  Webhook
			field string
		}{
			{Webhook{URL: "http://hooks.example/"}, "url"},
			{Webhook{URL: "https://"}, "url"},
			{Webhook{URL: "https://user:secret@hooks.example/"}, "url"},
			{Webhook{URL: "https://hooks.example/#x"}, "url"},
			{Webhook{URL: "file:///etc/passwd"}, "url"},
			{Webhook{URL: "https://hooks.example/" + strings.Repeat("x", maxURL)}, "url"},
			{Webhook{URL: "https://a.example", Filter: EventFilter{Kinds: []events.Kind{"no.such"}}}, "filter.kinds"},
			{Webhook{URL: "https://a.example", Filter: EventFilter{Outcomes: []string{"good"}}}, "filter.outcomes"},
			{Webhook{URL: "https://a.example", Filter: EventFilter{Accounts: []string{""}}}, "filter.accounts"},
			{Webhook{URL: "https://a.example", Filter: EventFilter{Accounts: make([]string, maxFilters+1)}}, "filter"},
			{Webhook{URL: "https://a.example", Description: strings.Repeat("x", maxText+1)}, "description"},
		} {
			_, _, err := w.Add(w.t.Context(), c.hook)
			var invalid *accounts.InvalidError
			if !errors.As(err, &invalid) || invalid.Field != c.field {
				t.Errorf("%s %+v: %v, want the field %s", c.hook.URL, c.hook.Filter, err, c.field)
			}
		}
	})
}

var errAway = errors.New("connection refused")

func TestWhoIsAwayLosesNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		hook := w.add(files)
		w.to.set(func(Signed) error { return errAway })
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
		w.to.set(func(m Signed) error {
			if bytes.Contains(m.Body, []byte("/poison")) {
				return &RefusedError{Status: http.StatusBadRequest}
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
		w.to.set(func(m Signed) error {
			if bytes.Contains(m.Body, []byte("/poison")) {
				return &RefusedError{Status: http.StatusInternalServerError}
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
		w.to.set(func(Signed) error { return &RefusedError{Status: http.StatusTooManyRequests, Wait: time.Hour} })
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
		w.to.set(func(Signed) error { return &RefusedError{Status: http.StatusGone} })
		w.happen(events.Upload, "/a", "/b")
		w.pass(time.Hour)
		got, err := w.Get(w.t.Context(), hook.ID)
		if err != nil || !got.Disabled || got.Why == "" || w.to.count() != 1 {
			t.Fatalf("%+v, %v after %d tries", got, err, w.to.count())
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
		w.to.set(func(Signed) error { return &RefusedError{Status: http.StatusBadRequest} })
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
		if _, _, _, err := w.Rotate(w.t.Context(), hook.ID, 0, time.Now().Add(overlap)); err != nil {
			t.Fatal(err)
		}
		if n := signatures("/b"); n != 2 {
			t.Errorf("%d signatures while both secrets hold", n)
		}
		w.pass(overlap)
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
		w.to.set(func(m Signed) error {
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

// The example that the makers of Standard Webhooks give.
func TestSignature(t *testing.T) {
	secret, err := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	m := sign("msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`), [][]byte{secret})
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; m.Signature != want {
		t.Errorf("signature %s, want %s", m.Signature, want)
	}
}

// shortened is a state whose trail has only these entries.
func shortened(t *testing.T, entries []state.Entry) state.Store {
	t.Helper()
	s := memory.New()
	for _, e := range entries {
		if _, err := s.Append(t.Context(), events.Stream, state.NewOperationID(), e.Value); err != nil {
			t.Fatal(err)
		}
	}
	return s
}
