package index

import "sync"

// recent are the entries that keep what was resolved for them: all those, and
// only those, whose resolved is not nil. One more takes the place of one that was
// not asked for since the hand last passed it.
type recent struct {
	most int

	mu      sync.Mutex // guards what follows, and the writing of resolved
	entries []*Entry
	hand    int
}

// keep has an entry keep what was resolved for it.
func (rc *recent) keep(e *Entry, r *resolved) {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	if before := e.resolved.Swap(r); before != nil {
		return
	}
	if len(rc.entries) < rc.most {
		rc.entries = append(rc.entries, e)
		return
	}
	// One round is enough, also where others ask all the while.
	for range rc.entries {
		if !rc.entries[rc.hand].resolved.Load().asked.Swap(false) {
			break
		}
		rc.advance()
	}
	rc.entries[rc.hand].resolved.Store(nil)
	rc.entries[rc.hand] = e
	rc.advance()
}

func (rc *recent) advance() { rc.hand = (rc.hand + 1) % len(rc.entries) }
