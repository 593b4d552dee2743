package guard

import (
	"sync"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
)

// remembered is a bounded number of files, by name and identity: the last ones, and
// some before them. Whoever asks is on the safe side where nothing is remembered.
type remembered struct {
	mu sync.Mutex
	// What is added goes to young. Once that is full it is old, and what was old is
	// forgotten.
	young, old map[path.Path]backend.FileID
}

// maxRemembered is how many files are remembered at least, where there were as many.
const maxRemembered = 2048

func (m *remembered) add(p path.Path, id backend.FileID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.young == nil {
		m.young = make(map[path.Path]backend.FileID)
	}
	m.young[p] = id
	if len(m.young) == maxRemembered {
		clear(m.old)
		m.young, m.old = m.old, m.young
	}
}

func (m *remembered) has(p path.Path, id backend.FileID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	got, ok := m.young[p]
	if !ok {
		got, ok = m.old[p]
	}
	return ok && got == id
}

func (m *remembered) forget(p path.Path) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.young, p)
	delete(m.old, p)
}

func (m *remembered) clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.young, m.old = nil, nil
}
