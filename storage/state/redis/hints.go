package redis

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// lookEvery is how often the logs of watched scopes are looked at though
// nobody hinted at a change: a hint can get lost. Of more scopes than lookMost
// only so many are at a time, in turn: it bounds what an idle gateway asks for.
const (
	lookEvery = time.Second
	lookMost  = 100
)

// hints hears where something may have changed, over one connection, and wakes
// those who watch. Nothing depends on it but how soon a change is seen.
type hints struct {
	store   *Store
	kick    chan struct{}
	over    chan struct{}
	running sync.WaitGroup

	mu     sync.Mutex // guards what follows
	wanted map[string]int
}

func (h *hints) begin(s *Store) {
	h.store, h.wanted = s, make(map[string]int)
	h.kick, h.over = make(chan struct{}, 1), make(chan struct{})
	h.running.Go(h.run)
}

// end ends the goroutine and waits for it.
func (h *hints) end() {
	close(h.over)
	h.running.Wait()
}

// want asks for the hints of a scope until as many leave it.
func (h *hints) want(scope string) { h.count(scope, 1) }

func (h *hints) leave(scope string) { h.count(scope, -1) }

func (h *hints) count(scope string, n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wanted[scope] += n
	if h.wanted[scope] == 0 {
		delete(h.wanted, scope)
	}
	select {
	case h.kick <- struct{}{}:
	default:
	}
}

// channels are those wanted now, and their scopes.
func (h *hints) channels() map[string]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	found := make(map[string]string, len(h.wanted))
	for scope := range h.wanted {
		found[h.store.keys.channel(scope)] = scope
	}
	return found
}

// run listens until end, once somebody watches.
func (h *hints) run() {
	select {
	case <-h.kick:
	case <-h.over:
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	sub := h.store.client.Subscribe(ctx)
	defer func() { _ = sub.Close() }() // nothing is lost with it
	channels := h.follow(ctx, sub, nil)
	heard := sub.ChannelWithSubscriptions()
	tick := time.NewTicker(h.store.options.look)
	defer tick.Stop()
	var looks turns
	for {
		select {
		case message := <-heard:
			if scope, ok := channels[channelOf(message)]; ok {
				h.store.hub.Notify(scope)
			}
		case <-h.kick:
			channels = h.follow(ctx, sub, channels)
		case <-tick.C:
			for _, scope := range looks.due(channels) {
				h.store.hub.Notify(scope)
			}
		case <-h.over:
			return
		}
	}
}

// turns are the scopes whose turn to be looked at has yet to come.
type turns []string

// due are those whose turn it is. All are before any is again.
func (left *turns) due(channels map[string]string) []string {
	if len(*left) == 0 {
		*left = slices.Collect(maps.Values(channels))
	}
	n := min(len(*left), lookMost)
	now := (*left)[:n]
	*left = (*left)[n:]
	return now
}

// follow subscribes to what is wanted, and no more to what was. Where Redis is
// away go-redis does it later.
func (h *hints) follow(ctx context.Context, sub *goredis.PubSub, was map[string]string) map[string]string {
	present := h.channels()
	added, gone := maps.Clone(present), maps.Clone(was)
	for channel := range was {
		delete(added, channel)
	}
	for channel := range present {
		delete(gone, channel)
	}
	ctx, cancel := context.WithTimeout(ctx, h.store.options.Timeout)
	defer cancel()
	if len(added) > 0 {
		_ = sub.Subscribe(ctx, slices.Collect(maps.Keys(added))...)
	}
	if len(gone) > 0 { // none would be all
		_ = sub.Unsubscribe(ctx, slices.Collect(maps.Keys(gone))...)
	}
	return present
}

// channelOf is the channel of a message, or of one that it is heard from now
// on: what was written before is read then.
func channelOf(message any) string {
	switch m := message.(type) {
	case *goredis.Message:
		return m.Channel
	case *goredis.Subscription:
		return m.Channel
	}
	return ""
}
