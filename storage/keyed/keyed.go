// Package keyed lets one at a time through for each key, and those with other
// keys pass.
package keyed

import (
	"context"
	"sync"
)

// A Mutex is a lock for each key. The zero value is unlocked. A key that nobody
// holds or waits for takes no memory.
type Mutex[K comparable] struct {
	mu    sync.Mutex // guards what follows
	doors map[K]*door
}

// A door is a key's: who puts something in goes through.
type door struct {
	through chan struct{}
	here    int // who holds it, and who waits
}

// Lock takes a key, or gives up when ctx ends. unlock is called once, by the
// holder or by whom it passes the key to.
func (m *Mutex[K]) Lock(ctx context.Context, key K) (unlock func(), err error) {
	d := m.come(key)
	select {
	case d.through <- struct{}{}:
		return func() {
			<-d.through
			m.leave(key, d)
		}, nil
	case <-ctx.Done():
		m.leave(key, d)
		return nil, context.Cause(ctx)
	}
}

func (m *Mutex[K]) come(key K) *door {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.doors[key]
	if d == nil {
		d = &door{through: make(chan struct{}, 1)}
		if m.doors == nil {
			m.doors = make(map[K]*door)
		}
		m.doors[key] = d
	}
	d.here++
	return d
}

func (m *Mutex[K]) leave(key K, d *door) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if d.here--; d.here == 0 {
		delete(m.doors, key)
	}
}
