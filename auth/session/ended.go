package session

import (
	"context"
	"fmt"
	"sync"
	"time"

	"gatehouse/policy"
)

// endedFor is how long a session that somebody has ended stays ended, whatever
// remembers that it was there: a login that nobody goes on with is over by then.
const endedFor = endLife

// endings remembers which sessions somebody has ended of late, on whichever node:
// nobody resumes them.
type endings struct {
	loading sync.Mutex // held by who reads what the state has of them; guards loaded
	loaded  bool

	mu    sync.Mutex // guards known
	known map[string]ending
	swept time.Time
}

// load has what a former run, or another node, has ended be known before anybody is
// resumed. What fails is tried again with the next.
func (x *endings) load(ctx context.Context, all func(context.Context) (uint64, error)) error {
	x.loading.Lock()
	defer x.loading.Unlock()
	if x.loaded {
		return nil
	}
	if _, err := all(ctx); err != nil {
		return fmt.Errorf("look which sessions have been ended: %w", err)
	}
	x.loaded = true
	return nil
}

// note remembers a wish that a session or those of an account end, by its name in
// endScope.
func (x *endings) note(name string, e ending) {
	x.mu.Lock()
	defer x.mu.Unlock()
	now := time.Now()
	if x.known == nil {
		x.known = make(map[string]ending)
	}
	if now.Sub(x.swept) > endedFor {
		x.swept = now
		for old, was := range x.known {
			if now.Sub(was.heard) > endedFor {
				delete(x.known, old)
			}
		}
	}
	e.heard = now
	x.known[name] = e
}

// of is the decision that ended a session, not allowed; ok is false for one that
// nobody has ended.
func (x *endings) of(r Resumption) (d policy.Decision, ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	e, ok := x.known[endSession+r.ID]
	if !ok {
		e, ok = x.known[endAccount+r.AccountID]
		ok = ok && e.But != r.ID && r.Since.Before(e.At)
	}
	if !ok || time.Since(e.heard) > endedFor {
		return policy.Decision{}, false
	}
	return policy.Decision{Rule: policy.RuleEnded, Because: e.Why}, true
}
