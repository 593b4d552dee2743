package auth

import (
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"sync"
	"time"
)

// Bounds of what is kept of passwords that were right.
const (
	maxProofs = 10_000
	proofLife = 5 * time.Minute
)

// A proofKey stands for an account, a credential and a password.
type proofKey [sha256.Size]byte

// proofs remembers, for a short while, which passwords were right, so that a
// door that is asked with every request costs one hash in minutes. Only what
// was right is remembered, under a key that this process alone has. Equal
// questions at once are asked once.
type proofs struct {
	key  []byte
	most int
	life time.Duration

	mu     sync.Mutex // guards what follows
	known  map[proofKey]*list.Element
	recent *list.List // of proved, the latest first
	asked  map[proofKey]*question
}

type proved struct {
	key   proofKey
	until time.Time
}

// A question is a verification that is under way.
type question struct {
	done chan struct{}
	ok   bool
	err  error
}

func newProofs(most int, life time.Duration) *proofs {
	return &proofs{
		key: random(32), most: most, life: life,
		known: make(map[proofKey]*list.Element), recent: list.New(), asked: make(map[proofKey]*question),
	}
}

// keyOf makes the key of parts, each with its length before it. It leaves the
// process as little as the key that it begins with does: a plain hash will do.
func (p *proofs) keyOf(parts ...string) proofKey {
	b := append(make([]byte, 0, 256), p.key...)
	for _, part := range parts {
		b = binary.BigEndian.AppendUint64(b, uint64(len(part)))
		b = append(b, part...)
	}
	return sha256.Sum256(b)
}

// verify answers from memory, or through ask, which is called once for all that
// ask the same at once.
func (p *proofs) verify(ctx context.Context, k proofKey, ask func() (bool, error)) (bool, error) {
	for {
		q, mine := p.enter(k)
		if q == nil {
			return true, nil
		}
		if mine {
			p.answer(k, q, ask)
			return q.ok, q.err
		}
		select {
		case <-q.done:
		case <-ctx.Done():
			return false, ctx.Err()
		}
		// Who asked may have gone away: then somebody else asks.
		if !errors.Is(q.err, context.Canceled) && !errors.Is(q.err, context.DeadlineExceeded) {
			return q.ok, q.err
		}
	}
}

// enter returns nil where k is known, else its question, and whether the caller
// is the one to ask it.
func (p *proofs) enter(k proofKey) (q *question, mine bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e, ok := p.known[k]; ok {
		if time.Now().Before(e.Value.(proved).until) {
			p.recent.MoveToFront(e)
			return nil, false
		}
		p.drop(e)
	}
	if q, ok := p.asked[k]; ok {
		return q, false
	}
	q = &question{done: make(chan struct{}), err: context.Canceled}
	p.asked[k] = q
	return q, true
}

func (p *proofs) answer(k proofKey, q *question, ask func() (bool, error)) {
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.asked, k)
		if q.ok && q.err == nil {
			p.keep(k)
		}
		close(q.done)
	}()
	q.ok, q.err = ask()
}

func (p *proofs) keep(k proofKey) {
	p.known[k] = p.recent.PushFront(proved{key: k, until: time.Now().Add(p.life)})
	if p.recent.Len() > p.most {
		p.drop(p.recent.Back())
	}
}

func (p *proofs) drop(e *list.Element) {
	p.recent.Remove(e)
	delete(p.known, e.Value.(proved).key)
}
