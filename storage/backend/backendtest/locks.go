package backendtest

import (
	"errors"

	"gatehouse/storage/backend"
)

var lockCases = []testCase{
	{name: "lock/one open at a time", run: lockedOnce},
	{name: "lock/lives with its holder", run: lockLives},
	{name: "lock/stays with the file", run: lockStays},
}

// locker opens a file for writing; a store without locks skips the case.
func (s *store) locker(name string) (backend.File, backend.Locker) {
	s.Helper()
	f := s.mustOpen(name, backend.How{Read: true, Write: true})
	s.Cleanup(func() { _ = f.Close() })
	l, ok := f.(backend.Locker)
	if !ok {
		s.Skip("the backend's files are no Lockers")
	}
	return f, l
}

func (s *store) mustLock(l backend.Locker) (unlock func()) {
	s.Helper()
	end, err := l.Lock()
	if errors.Is(err, backend.ErrUnsupported) {
		s.Skip("the store keeps no locks")
	}
	if err != nil {
		s.Fatalf("lock: %v", err)
	}
	return func() {
		s.Helper()
		if err := end(); err != nil {
			s.Fatalf("unlock: %v", err)
		}
	}
}

func (s *store) inUse(l backend.Locker) {
	s.Helper()
	if _, err := l.Lock(); !errors.Is(err, backend.ErrInUse) {
		s.Fatalf("locked twice: %v", err)
	}
}

func lockedOnce(s *store) {
	s.write("f", "x")
	s.write("g", "x")
	_, one := s.locker("f")
	_, two := s.locker("f")
	_, other := s.locker("g")
	unlock := s.mustLock(one)
	s.inUse(two)
	s.mustLock(other)()
	unlock()
	s.mustLock(two)()
}

// A lock outlives the file that it was taken through, and nothing but its own end, or
// that of the process, ends it: not that somebody else opens and closes the file.
func lockLives(s *store) {
	s.write("f", "x")
	f, one := s.locker("f")
	_, two := s.locker("f")
	unlock := s.mustLock(one)
	if err := s.mustOpen("f", backend.How{Read: true, Write: true}).Close(); err != nil {
		s.Fatal(err)
	}
	s.inUse(two)
	if err := f.Close(); err != nil {
		s.Fatal(err)
	}
	s.inUse(two)
	unlock()
	s.mustLock(two)()
}

// A lock is of the file, not of the name.
func lockStays(s *store) {
	s.write("f", "x")
	_, one := s.locker("f")
	unlock := s.mustLock(one)
	if err := s.Rename(s.Context(), s.at("f"), s.at("g"), false); err != nil {
		s.Fatal(err)
	}
	s.write("f", "y")
	_, fresh := s.locker("f")
	s.mustLock(fresh)()
	_, moved := s.locker("g")
	s.inUse(moved)
	unlock()
	s.mustLock(moved)()
}
