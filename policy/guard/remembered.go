package guard

import (
	"sync"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
)

// remembered is a bounded number of files, by name and identity. It forgets the
// oldest: whoever asks is on the safe side where nothing is remembered.
type remembered struct {
	mu    sync.Mutex
	files map[path.Path]backend.FileID
	order []path.Path
}

const maxRemembered = 4096

func newRemembered() remembered { return remembered{files: make(map[path.Path]backend.FileID)} }

func (m *remembered) add(p path.Path, id backend.FileID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, there := m.files[p]; !there {
		if len(m.order) == maxRemembered {
			delete(m.files, m.order[0])
			m.order = m.order[1:]
		}
		m.order = append(m.order, p)
	}
	m.files[p] = id
}

func (m *remembered) has(p path.Path, id backend.FileID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	got, ok := m.files[p]
	return ok && got == id
}

// forget leaves the place in the order, which then counts for who comes back.
func (m *remembered) forget(p path.Path) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.files, p)
}

func (m *remembered) clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.files)
	m.order = nil
}
