// Package mounted watches what a running gateway has mounted: whether each mount
// answers, and whether the nodes that share it see one tree and each other's locks.
package mounted

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/mount"
	"gatehouse/storage/pause"
)

// How often a mount is asked, and how long it may take to answer: a file server
// that is away makes each call wait, for as long as it is away.
const (
	lookEvery = 2 * time.Second
	patience  = 10 * time.Second
)

// A Watch asks each mount now and then. Safe for concurrent use.
type Watch struct {
	mounts []*mounted
	stop   context.CancelFunc
}

// mounted is one mount, and this node's sign on it.
type mounted struct {
	mount.Mount
	node string // "": it shares with nobody

	mu       sync.Mutex
	asked    time.Time // since when an answer is waited for; zero: nothing was asked
	failed   error     // what was answered last
	unlock   func() error
	lockless bool // the mount keeps no locks
	closed   bool
}

// New watches the mounts of a table until Close. Where node is not empty it leaves a
// locked file of that name on each, by which the others know that it is there.
func New(ctx context.Context, t *mount.Table, node string) *Watch {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	w := &Watch{stop: stop}
	for _, m := range t.Mounts() {
		one := &mounted{Mount: m, node: node}
		w.mounts = append(w.mounts, one)
		one.look(ctx)
		go pause.Every(ctx, lookEvery, func() { one.look(ctx) }) // ends with ctx, or with the call that the mount does not answer
	}
	return w
}

// Close ends it. A mount that does not answer is not waited for.
func (w *Watch) Close() error {
	w.stop()
	var errs []error
	for _, m := range w.mounts {
		if m.err(time.Now()) == nil {
			errs = append(errs, m.leave())
		}
	}
	return errors.Join(errs...)
}

// Err tells which mount does not answer, and what it says instead.
func (w *Watch) Err() error {
	now := time.Now()
	for _, m := range w.mounts {
		if err := m.err(now); err != nil {
			return fmt.Errorf("the mount %s does not answer: %w", m.Path, err)
		}
	}
	return nil
}

// ErrSilent says that a mount has not answered for longer than it may take.
var ErrSilent = errors.New("no answer yet")

func (m *mounted) err(now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.asked.IsZero() && now.Sub(m.asked) > patience {
		return fmt.Errorf("%w, after %s", ErrSilent, now.Sub(m.asked).Round(time.Second))
	}
	return m.failed
}

// look asks the mount once.
func (m *mounted) look(ctx context.Context) {
	m.mu.Lock()
	m.asked = time.Now()
	m.mu.Unlock()
	_, err := m.Backend.Space(ctx, path.Root)
	if err == nil {
		m.sign(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = time.Time{}
	if ctx.Err() == nil {
		m.failed = err
	}
}

// signs is the folder of the nodes' signs, as a mount's backend knows it.
var signs = path.MustParse("/" + mount.Reserved + "/nodes")

// sign leaves this node's sign. What keeps it from that is tried again.
func (m *mounted) sign(ctx context.Context) {
	if !m.unsigned() {
		return
	}
	for _, p := range []path.Path{signs.Dir(), signs} {
		mode := fs.FileMode(0o700)
		if m.Backend.Mkdir(ctx, p) == nil {
			_ = m.Backend.SetAttr(ctx, p, backend.Attr{Mode: &mode})
		}
	}
	unlock, err := m.lock(ctx, m.node, true)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lockless = errors.Is(err, backend.ErrUnsupported)
	switch {
	case err == nil && m.closed:
		_ = unlock() // the descriptor is closed with it, in any case
	case err == nil:
		m.unlock = unlock
	}
}

func (m *mounted) unsigned() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.node != "" && m.unlock == nil && !m.lockless && !m.closed
}

func (m *mounted) lock(ctx context.Context, node string, create bool) (unlock func() error, err error) {
	name, err := signs.Join(node)
	if err != nil {
		return nil, err
	}
	f, err := m.Backend.Open(ctx, name, backend.How{Read: true, Write: true, Create: create, Mode: 0o600})
	if err != nil {
		return nil, err
	}
	defer f.Close() // the lock stays
	l, ok := f.(backend.Locker)
	if !ok {
		return nil, backend.ErrUnsupported
	}
	return l.Lock()
}

// leave takes the lock away. The file stays, as a name does.
func (m *mounted) leave() error {
	m.mu.Lock()
	unlock := m.unlock
	m.unlock, m.closed = nil, true
	m.mu.Unlock()
	if unlock == nil {
		return nil
	}
	return unlock()
}
