package webhooks

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/admin/webhooks/message"
	"gatehouse/storage/events"
	"gatehouse/storage/seal"
	"gatehouse/storage/state"
)

// Kinds of events that the service itself writes.
const (
	// Missed says that retention has dropped events that a webhook had not had;
	// After has the webhook, and the first and the last position.
	Missed events.Kind = "webhook.missed"
	// Changed says that a webhook was changed: by hand, or because it is gone.
	Changed events.Kind = "webhook.change"
)

// closing is how long the last write of a worker may take.
const closing = 5 * time.Second

// A Sender posts messages; sender.Client is one.
type Sender interface {
	// Check refuses an address that no message could ever go to.
	Check(url string) error
	// Send returns nil where the other side took the message, a
	// *sender.RefusedError where it answered otherwise, any other error where it
	// is not to be reached.
	Send(ctx context.Context, url string, m message.Signed) error
}

// Config is what a Service is made of.
type Config struct {
	State  state.Store
	Sealer *seal.Sealer
	Events *events.Log
	Sender Sender
	Log    *slog.Logger
	// Node is this gateway's name among those that share the state: one of them
	// sends. Where there are others it names the run, as NODE/EPOCH.
	Node string
	// Tried is told how each try ended (taken, refused, away); nil is nobody.
	Tried func(outcome string)
}

// A Service keeps webhooks and serves them. Safe for concurrent use.
type Service struct {
	store
	events *events.Log
	sender Sender
	log    *slog.Logger
	node   string
	tried  func(string)
	stop   context.CancelFunc
	ended  sync.WaitGroup

	mu      sync.Mutex // guards workers, which serve alone changes
	workers map[string]*running
}

// New serves the webhooks that there are, and those to come, until Close.
func New(c Config) *Service {
	ctx, stop := context.WithCancel(context.Background())
	s := &Service{
		store:  store{state: c.State, sealer: c.Sealer},
		events: c.Events, sender: c.Sender, log: cmp.Or(c.Log, slog.New(slog.DiscardHandler)),
		node: c.Node, tried: c.Tried, stop: stop, workers: map[string]*running{},
	}
	if s.tried == nil {
		s.tried = func(string) {}
	}
	s.ended.Go(func() { s.serve(ctx) })
	return s
}

// Close ends what is under way; how far each webhook has come is written.
func (s *Service) Close() {
	s.stop()
	s.ended.Wait()
}

// serve runs a worker for each enabled webhook as it is now, while this node is
// the one that sends.
func (s *Service) serve(ctx context.Context) {
	defer func() {
		s.endAll()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), closing)
		defer cancel()
		if err := s.release(last, s.node); err != nil {
			s.log.Warn("the claim to send webhooks was not given back", "error", err)
		}
	}()
	for swept := false; ctx.Err() == nil; {
		if !swept {
			swept = s.sweep(ctx) == nil
		}
		if !s.follow(ctx) && !sleep(ctx, firstPause) {
			return
		}
	}
}

// A running is a worker at work.
type running struct {
	hook     Webhook
	stop     context.CancelFunc
	done     chan struct{}
	position atomic.Uint64 // how far it has come
}

func (r *running) end() {
	r.stop()
	<-r.done
}

// over reports whether a worker has ended by itself: the store was no more as it
// had left it.
func (r *running) over() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// follow keeps the workers in line with the records until ctx ends or the store
// fails; false is the latter.
func (s *Service) follow(ctx context.Context) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	after, err := s.state.Revision(ctx, scope)
	if err != nil {
		return false
	}
	changes, err := s.state.Watch(ctx, scope, after)
	if err != nil {
		return false
	}
	for {
		if err := s.align(ctx); err != nil {
			if ctx.Err() == nil {
				s.log.Error("the webhooks cannot be read", "error", err)
			}
			return false
		}
		if !s.changed(ctx, changes) {
			return ctx.Err() != nil
		}
	}
}

// changed waits until something may have to be aligned; false where there is
// nothing to wait for any more.
func (s *Service) changed(ctx context.Context, changes <-chan state.Change) bool {
	renew := time.NewTimer(renewEvery)
	defer renew.Stop()
	for {
		select {
		case c, open := <-changes:
			if !open {
				return false
			}
			if id, ok := strings.CutPrefix(c.Name, againPrefix); ok && !c.Deleted {
				s.end(id)
				return true
			}
			if c.Resync || strings.HasPrefix(c.Name, hookPrefix) || c.Name == claimRecord && c.Deleted {
				return true
			}
		case <-renew.C:
			return true
		case <-ctx.Done():
			return false
		}
	}
}

// align ends the workers of what has changed, and begins those that there should be.
func (s *Service) align(ctx context.Context) error {
	all, err := s.list(ctx)
	if err != nil {
		return err
	}
	present := make(map[string]Webhook, len(all))
	for _, w := range all {
		if !w.Disabled {
			present[w.ID] = w
		}
	}
	ours := false
	if len(present) > 0 {
		ours, err = s.claim(ctx, s.node)
	} else {
		err = s.release(ctx, s.node)
	}
	if err != nil {
		return err
	}
	for id, r := range s.running() {
		if w, there := present[id]; !ours || !there || w.Revision != r.hook.Revision || r.over() {
			s.end(id)
		}
	}
	for id, w := range present {
		if ours && s.running()[id] == nil {
			s.start(w)
		}
	}
	return nil
}

func (s *Service) start(w Webhook) {
	ctx, stop := context.WithCancel(context.Background())
	r := &running{hook: w, stop: stop, done: make(chan struct{})}
	k := &worker{service: s, hook: w, reached: &r.position, log: s.log.With("webhook", w.ID)}
	go func() {
		defer close(r.done)
		k.run(ctx)
	}()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.workers[w.ID] = r
}

// running returns the workers, which others than serve may only look at.
func (s *Service) running() map[string]*running {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make(map[string]*running, len(s.workers))
	for id, r := range s.workers {
		list[id] = r
	}
	return list
}

// end ends the worker of a webhook, where there is one.
func (s *Service) end(id string) {
	r := s.running()[id]
	if r == nil {
		return
	}
	r.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.workers, id)
}

// endAll has all workers end at once: each may wait for the store.
func (s *Service) endAll() {
	all := s.running()
	for _, r := range all {
		r.stop()
	}
	for id := range all {
		s.end(id)
	}
}

// reached is how far a webhook has come that this node serves, else 0.
func (s *Service) reached(id string) uint64 {
	if r := s.running()[id]; r != nil {
		return r.position.Load()
	}
	return 0
}

// disable stops a webhook whose other side is gone for good, and records that.
func (s *Service) disable(ctx context.Context, id string) {
	const why = "the other side is gone for good (410)"
	_, _, err := s.Change(ctx, id, 0, func(w *Webhook) error {
		w.Disabled, w.Why = true, why
		return nil
	})
	if err == nil {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), closing)
		defer cancel()
		err = s.events.Record(last, events.Event{
			Kind: Changed, Outcome: events.OK, Reason: why,
			Before: map[string]any{"id": id, "disabled": false}, After: map[string]any{"id": id, "disabled": true},
		})
	}
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, ErrNotFound) {
			s.log.Error("a webhook cannot be disabled", "webhook", id, "error", err)
		}
		return
	}
	s.log.Warn("a webhook was disabled", "webhook", id, "why", why)
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
