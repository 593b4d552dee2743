package webhooks

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/storage/events"
	"gatehouse/storage/seal"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// counted is a store that counts what is asked of it.
type counted struct {
	state.Store
	trail, records, writes atomic.Int64
	hangs                  atomic.Bool // at writes
}

func (c *counted) Read(ctx context.Context, stream string, after uint64, limit int) ([]state.Entry, error) {
	c.trail.Add(1)
	return c.Store.Read(ctx, stream, after, limit)
}

func (c *counted) ReadBack(ctx context.Context, stream string, before uint64, limit int) ([]state.Entry, error) {
	c.trail.Add(1)
	return c.Store.ReadBack(ctx, stream, before, limit)
}

func (c *counted) Get(ctx context.Context, scope, name string) (state.Record, error) {
	c.records.Add(1)
	return c.Store.Get(ctx, scope, name)
}

func (c *counted) List(ctx context.Context, scope, prefix, after string, limit int) (state.Page, error) {
	c.records.Add(1)
	return c.Store.List(ctx, scope, prefix, after, limit)
}

func (c *counted) Apply(ctx context.Context, b state.Batch) (state.Result, error) {
	c.writes.Add(1)
	if c.hangs.Load() {
		<-ctx.Done()
		return state.Result{}, ctx.Err()
	}
	return c.Store.Apply(ctx, b)
}

// since returns what was asked for while do ran.
func (c *counted) since(do func()) (trail, records, writes int64) {
	trail, records, writes = c.trail.Load(), c.records.Load(), c.writes.Load()
	do()
	return c.trail.Load() - trail, c.records.Load() - records, c.writes.Load() - writes
}

// addMany makes as many webhooks as there may be.
func (w *world) addMany(f Filter) {
	w.t.Helper()
	for i := range MaxWebhooks {
		if _, err := w.addAt(fmt.Sprintf("https://hooks.example/%d", i), f); err != nil {
			w.t.Fatal(err)
		}
	}
}

// Webhooks of which none has anything to do cost next to nothing, however many.
func TestIdleWebhooksAreNoLoad(t *testing.T) {
	inWorld(t, func(w *world) {
		w.addMany(files)
		w.pass(time.Minute)
		trail, records, writes := w.state.since(func() { w.pass(time.Hour) })
		// One look a half second for what other nodes append, and the claim.
		if ticks := int64(time.Hour / renewEvery); trail > 7300 || records > 3*ticks || writes > 2*ticks {
			t.Errorf("an idle hour of %d webhooks: %d reads of the trail, %d of records, %d writes", MaxWebhooks, trail, records, writes)
		}
	})
}

// Events of which no webhook hears are read once, and that they were passed is not
// written down each time.
func TestEventsThatNoneHearsOfAreReadOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		w.addMany(Filter{Path: "/elsewhere"})
		w.pass(time.Minute)
		trail, _, writes := w.state.since(func() {
			for range 600 {
				w.happen(events.Upload, "/a")
				w.pass(time.Second)
			}
		})
		if trail > 4*600 || writes > 11*MaxWebhooks+100 {
			t.Errorf("600 events in ten minutes: %d reads of the trail, %d writes", trail, writes)
		}
		if w.to.count() != 0 {
			t.Error("somebody was told")
		}
	})
}

// Each hears of an event when it has happened, and not when somebody looks.
func TestAllHearOfAnEventAtOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		w.addMany(files)
		w.happen(events.Upload, "/a")
		synctest.Wait()
		if n := w.to.count(); n != MaxWebhooks {
			t.Errorf("%d of %d have heard", n, MaxWebhooks)
		}
	})
}

// A store that hangs would else hold the end of the gateway up once for each webhook.
func TestTheEndWaitsForTheStoreOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		w.addMany(files)
		w.happen(events.Upload, "/a")
		synctest.Wait()
		w.state.hangs.Store(true)
		before := time.Now()
		w.Close()
		w.state.hangs.Store(false)
		if took := time.Since(before); took > 3*closing {
			t.Errorf("it took %s", took)
		}
	})
}

// What an event costs a hundred webhooks that do not hear of it, from the trail on.
func BenchmarkEventsThatNoneHearsOf(b *testing.B) {
	sealer, err := seal.New(make([]byte, seal.KeySize))
	if err != nil {
		b.Fatal(err)
	}
	store := &counted{Store: memory.New()}
	log, err := events.New(b.Context(), events.Config{State: store, Node: "n", Sealer: sealer})
	if err != nil {
		b.Fatal(err)
	}
	s := New(Config{State: store, Sealer: sealer, Events: log, Sender: &receiver{}, Node: "n"})
	var ids []string
	for range MaxWebhooks {
		w, _, err := s.Add(b.Context(), Webhook{URL: "https://hooks.example/", Filter: Filter{Path: "/elsewhere"}})
		if err != nil {
			b.Fatal(err)
		}
		ids = append(ids, w.ID)
	}
	reads, began := store.trail.Load(), time.Now()
	for b.Loop() {
		for range 100 {
			log.Note(events.Event{Kind: events.Upload, Outcome: events.OK, Account: "alice", Path: "/projects/a"})
		}
	}
	if err := log.Record(b.Context(), events.Event{Kind: events.Upload, Outcome: events.OK}); err != nil {
		b.Fatal(err)
	}
	newest, err := log.Newest(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	for _, id := range ids {
		for s.reached(id) < newest {
			time.Sleep(time.Millisecond)
		}
	}
	b.ReportMetric(float64(time.Since(began).Nanoseconds())/float64(newest), "ns/event")
	b.ReportMetric(float64(store.trail.Load()-reads)/float64(newest), "reads/event")
	s.Close()
	if err := log.Close(context.Background()); err != nil {
		b.Error(err)
	}
}

// What one event costs a hundred webhooks with long filters, of which none hears.
func BenchmarkFilters(b *testing.B) {
	accounts := make([]string, maxFilters)
	for i := range accounts {
		accounts[i] = fmt.Sprintf("account-%d", i)
	}
	f := Filter{Accounts: accounts}
	e := events.Event{Kind: events.Upload, Outcome: events.OK, Account: "account-x", Path: "/projects/a/b"}
	for b.Loop() {
		for range MaxWebhooks {
			if f.Passes(e) {
				b.Fatal("it hears")
			}
		}
	}
}
