package webhooks

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/admin/webhooks/message"
	"gatehouse/storage/events"
	"gatehouse/storage/seal"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// A receiver is the other side: it takes what answer lets it.
type receiver struct {
	mu     sync.Mutex
	answer func(m message.Signed) error
	taken  []message.Signed
	tries  []time.Time
	slow   map[string]time.Duration // how long an address takes to answer
}

func (r *receiver) Check(string) error { return nil }

func (r *receiver) Send(_ context.Context, url string, m message.Signed) error {
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

func (r *receiver) set(answer func(m message.Signed) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

// files are the events that tests make; the trail makes some of its own.
var files = Filter{Kinds: []events.Kind{"file"}}

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
	state *counted
	log   *events.Log
	to    *receiver
	said  *bytes.Buffer // what was logged, to be read when all has ended
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
		store := &counted{Store: memory.New()}
		log, err := events.New(t.Context(), events.Config{State: store, Node: "n", Sealer: newSealer(t)})
		if err != nil {
			t.Fatal(err)
		}
		w := &world{t: t, state: store, log: log, to: &receiver{}, said: new(bytes.Buffer)}
		w.start()
		test(w)
		w.Close()
		if err := log.Close(context.Background()); err != nil {
			t.Error(err)
		}
		// An address may hold a secret of the other side's.
		for _, secret := range []string{"://", "hooks.example", "whsec", "sealed"} {
			if strings.Contains(w.said.String(), secret) {
				t.Errorf("the log tells %q: %s", secret, w.said)
			}
		}
	})
}

func (w *world) start() { w.Service = w.node("n") }

// node is a service of a gateway of this name.
func (w *world) node(name string) *Service {
	return New(Config{State: w.state, Sealer: newSealer(w.t), Events: w.log, Sender: w.to, Log: slog.New(slog.NewTextHandler(w.said, nil)), Node: name})
}

func (w *world) add(f Filter) Webhook {
	w.t.Helper()
	hook, err := w.addAt("https://hooks.example/x", f)
	if err != nil {
		w.t.Fatal(err)
	}
	return hook
}

func (w *world) addAt(url string, f Filter) (Webhook, error) {
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

func (w *world) status(id string) Status {
	w.t.Helper()
	s, err := w.Status(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
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
