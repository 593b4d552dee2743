package accounts

import (
	"context"
	"sync"

	"gatehouse/storage/accounts/index"
)

// watchers hands changes to who follows them, and waits for nobody.
type watchers struct {
	mu  sync.Mutex // guards what follows
	all map[*watcher]bool
}

// A watcher is one reader and what waits for it.
type watcher struct {
	wake    chan struct{}
	pending []Change // guarded by watchers.mu
}

// Changes yields what has changed, on this node or another, until ctx ends.
// For a slow reader index.MaxTold changes wait, then they become one of KindAll.
func (s *Store) Changes(ctx context.Context) <-chan Change {
	w := &watcher{wake: make(chan struct{}, 1)}
	s.watchers.add(w)
	out := make(chan Change)
	go func() {
		defer close(out)
		defer s.watchers.drop(w)
		for {
			select {
			case <-ctx.Done():
				return
			case <-w.wake:
			}
			for _, c := range s.watchers.take(w) {
				select {
				case <-ctx.Done():
					return
				case out <- c:
				}
			}
		}
	}()
	return out
}

func (ws *watchers) add(w *watcher) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.all == nil {
		ws.all = make(map[*watcher]bool)
	}
	ws.all[w] = true
}

func (ws *watchers) drop(w *watcher) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	delete(ws.all, w)
}

func (ws *watchers) take(w *watcher) []Change {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	list := w.pending
	w.pending = nil
	return list
}

func (ws *watchers) publish(list ...Change) {
	if len(list) == 0 {
		return
	}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for w := range ws.all {
		w.pending = append(w.pending, list...)
		if len(w.pending) > index.MaxTold {
			w.pending = []Change{{Kind: KindAll}}
		}
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}
