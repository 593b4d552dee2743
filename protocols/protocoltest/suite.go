package protocoltest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/policy"
)

// soon is how fast a changed policy must act on what is open.
const soon = time.Second

// patience is how long anything may take before it hangs.
const patience = 30 * time.Second

// A suite is one case: a world, a door into it, and the words for it.
type suite struct {
	T testing.TB
	*World
	door Door
	dial Dial
}

// enter logs somebody in, with the password, until the test ends.
func (s *suite) enter(p Person) *visitor {
	s.T.Helper()
	return s.enterWith(Login{Person: p})
}

func (s *suite) enterWith(l Login) *visitor {
	s.T.Helper()
	c, err := s.dial(l)
	if err != nil {
		s.T.Fatalf("%s comes in: %v", l.Name, err)
	}
	s.T.Cleanup(func() { _ = c.Close() })
	return &visitor{s: s, name: l.Name, Client: c}
}

// A visitor is somebody who came in.
type visitor struct {
	Client
	s    *suite
	name string
}

// bounded fails a test whose client would wait for ever.
func (s *suite) bounded(what string, do func() error) error {
	s.T.Helper()
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		s.T.Fatalf("%s hangs", what)
		return nil
	}
}

func (v *visitor) put(name, content string) error {
	v.s.T.Helper()
	return v.s.bounded("put "+name, func() error { return v.Put(name, strings.NewReader(content)) })
}

func (v *visitor) mustPut(name, content string) {
	v.s.T.Helper()
	v.must("put "+name, v.put(name, content))
}

func (v *visitor) get(name string) (content string, err error) { return v.getFrom(name, 0) }

func (v *visitor) getFrom(name string, offset int64) (content string, err error) {
	v.s.T.Helper()
	err = v.s.bounded("get "+name, func() error {
		r, err := v.Get(name, offset)
		if err != nil {
			return err
		}
		b, err := io.ReadAll(r)
		content = string(b)
		return errors.Join(err, r.Close())
	})
	return content, err
}

// holds asks that a file has this content for the visitor.
func (v *visitor) holds(name, want string) {
	v.s.T.Helper()
	got, err := v.get(name)
	if err != nil || got != want {
		v.s.T.Errorf("%s gets %s: got %s, %v, want %s", v.name, name, short(got), err, short(want))
	}
}

// names lists a folder; folders end in a slash.
func (v *visitor) names(folder string) (names []string, err error) {
	v.s.T.Helper()
	err = v.s.bounded("list "+folder, func() error {
		entries, err := v.List(folder)
		for _, e := range entries {
			if e.Dir {
				e.Name += "/"
			}
			names = append(names, e.Name)
		}
		return err
	})
	slices.Sort(names)
	return names, err
}

func (v *visitor) lists(folder string, want ...string) {
	v.s.T.Helper()
	slices.Sort(want)
	if got, err := v.names(folder); err != nil || !slices.Equal(got, want) {
		v.s.T.Errorf("%s lists %s: got %q, %v, want %q", v.name, folder, got, err, want)
	}
}

func (v *visitor) stat(name string) (e Entry, err error) {
	v.s.T.Helper()
	err = v.s.bounded("stat "+name, func() (err error) { e, err = v.Stat(name); return err })
	return e, err
}

func (v *visitor) must(what string, err error) {
	v.s.T.Helper()
	if err != nil {
		v.s.T.Fatalf("%s: %s: %v", v.name, what, err)
	}
}

// refused asks for one of these errors, or for any where the protocol is vague.
func (v *visitor) refused(what string, err error, want ...error) {
	v.s.T.Helper()
	if err == nil {
		v.s.T.Errorf("%s: %s went well, want %v", v.name, what, want)
		return
	}
	for _, w := range want {
		if errors.Is(err, w) || slices.Contains(v.s.door.Vague, w) {
			return
		}
	}
	v.s.T.Errorf("%s: %s: got %v, want %v", v.name, what, err, want)
}

// sameAnswer asks that two refusals tell nothing apart but the names.
func (v *visitor) sameAnswer(a string, errA error, b string, errB error) {
	v.s.T.Helper()
	plain := func(name string, err error) string {
		text := strings.ReplaceAll(fmt.Sprint(err), name, "NAME")
		return strings.ReplaceAll(text, filepath.Base(name), "BASE")
	}
	if errA == nil || errB == nil || plain(a, errA) != plain(b, errB) {
		v.s.T.Errorf("%s can tell %s from %s: %v, %v", v.name, a, b, errA, errB)
	}
}

// unchanged remembers what is on disk, for a check that nothing happened to it.
func (s *suite) unchanged(tree string) (check func()) {
	s.T.Helper()
	before := fmt.Sprint(s.Files(tree))
	return func() {
		s.T.Helper()
		if now := fmt.Sprint(s.Files(tree)); now != before {
			s.T.Errorf("%s has changed on disk:\nfrom %s\nto   %s", tree, short(before), short(now))
		}
	}
}

// onDisk asks for a file's content on disk.
func (s *suite) onDisk(tree, want string) {
	s.T.Helper()
	if got, ok := s.Read(tree); !ok || got != want {
		s.T.Errorf("on disk %s holds %s (there: %v), want %s", tree, short(got), ok, short(want))
	}
}

// within waits until what holds.
func (s *suite) within(d time.Duration, what string, holds func() bool) {
	s.T.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(d); ; <-tick.C {
		if holds() {
			return
		}
		if time.Now().After(end) {
			s.T.Errorf("%s: not within %v", what, d)
			return
		}
	}
}

// open is the files of the mount that this process has open. The front end is
// in it too, so that it is seen when a handle is let go.
func (s *suite) open() []string {
	s.T.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		s.T.Fatal(err)
	}
	var open []string
	for _, fd := range fds {
		name, err := os.Readlink("/proc/self/fd/" + fd.Name())
		if err == nil && strings.HasPrefix(name, s.Dir+"/") {
			open = append(open, strings.TrimPrefix(name, s.Dir))
		}
	}
	return open
}

// short keeps a failure readable.
func short(s string) string {
	if len(s) <= 300 {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%q... (%d bytes)", s[:300], len(s))
}

// pattern is bytes that are other ones at each offset.
func pattern(size int) []byte {
	b := make([]byte, size+8)
	for at := 0; at < size; at += 8 {
		binary.BigEndian.PutUint64(b[at:], uint64(at)*0x9e3779b97f4a7c15)
	}
	return b[:size]
}

func equal(a, b []byte) bool { return bytes.Equal(a, b) }

func atomicUploads(s *suite) { s.SetSite(func(p *policy.Site) { p.Uploads = policy.Atomic }) }
