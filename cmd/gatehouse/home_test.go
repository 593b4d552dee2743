package main

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// bytesOf returns the first n bytes of an upload, which its number makes.
func bytesOf(upload uint64, n int) []byte {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], upload)
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(seed).Read(b)
	return b
}

// A piece is what may stand under a name: so many of the first bytes of an
// upload. The zero piece is that nothing stands there. Of a ragged one any bytes
// after the least may still be missing, and read as zeros.
type piece struct {
	upload      uint64
	least, most int
	ragged      bool
}

func whole(upload uint64, n int) piece { return piece{upload: upload, least: n, most: n} }

func (v piece) is(content []byte) bool {
	n := len(content)
	if v.upload == 0 || n < v.least || n > v.most {
		return false
	}
	want := bytesOf(v.upload, n)
	for i := v.least; v.ragged && i < n; i++ {
		if content[i] == 0 {
			want[i] = 0
		}
	}
	return bytes.Equal(content, want)
}

func (v piece) String() string {
	switch {
	case v.upload == 0:
		return "nothing"
	case v.least == v.most:
		return fmt.Sprintf("%d bytes of upload %x", v.most, v.upload)
	}
	return fmt.Sprintf("%d to %d bytes of upload %x", v.least, v.most, v.upload)
}

// An entry is what a name may be: a folder, or a file in one of several states.
type entry struct {
	folder bool
	gone   bool // a folder that may be gone as well
	any    []piece
}

// sure is the one state that a file surely has.
func (e entry) sure() (piece, bool) {
	if e.folder || len(e.any) != 1 || e.any[0].least != e.any[0].most || e.any[0].upload == 0 || e.any[0].ragged {
		return piece{}, false
	}
	return e.any[0], true
}

func (e entry) mayBeMissing() bool {
	if e.folder {
		return e.gone
	}
	return slices.Contains(e.any, piece{})
}

// Holdings are what a folder may hold, by slash-separated name.
type holdings map[string]entry

// copyOf returns what a step can change without changing t.
func (t holdings) copyOf() holdings {
	c := maps.Clone(t)
	for name, e := range c {
		e.any = slices.Clone(e.any)
		c[name] = e
	}
	return c
}

// below returns the names at and below one.
func (t holdings) below(name string) []string {
	var found []string
	for n := range t {
		if n == name || strings.HasPrefix(n, name+"/") {
			found = append(found, n)
		}
	}
	slices.Sort(found)
	return found
}

// take takes a subtree out.
func (t holdings) take(name string) holdings {
	taken := holdings{}
	for _, n := range t.below(name) {
		taken[strings.TrimPrefix(n, name)] = t[n]
		delete(t, n)
	}
	return taken
}

// put puts a subtree in the place of what stood there.
func (t holdings) put(name string, sub holdings) {
	t.take(name)
	for rel, e := range sub {
		t[name+rel] = e
	}
}

// onDisk reads a folder: nil content is a folder.
func onDisk(dir string) (map[string][]byte, error) {
	found := make(map[string][]byte)
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		if d.IsDir() {
			found[filepath.ToSlash(rel)] = nil
			return nil
		}
		if !d.Type().IsRegular() {
			return fmt.Errorf("%s is no regular file", p)
		}
		content, err := os.ReadFile(p)
		found[filepath.ToSlash(rel)] = append([]byte{}, content...)
		return err
	})
	return found, err
}

// match compares what may be with what is, and returns what is.
func (t holdings) match(disk map[string][]byte) (holdings, error) {
	is := holdings{}
	var wrong []error
	for name, content := range disk {
		e, err := t.entryOf(name, content)
		if err != nil {
			wrong = append(wrong, err)
		}
		is[name] = e
	}
	for name, e := range t {
		if _, ok := disk[name]; !ok && !e.mayBeMissing() {
			wrong = append(wrong, fmt.Errorf("%s is missing: it should be %s", name, e))
		}
	}
	return is, errors.Join(wrong...)
}

func (e entry) String() string {
	if e.folder {
		return "a folder"
	}
	return fmt.Sprint(e.any)
}

func (t holdings) entryOf(name string, content []byte) (entry, error) {
	e, ok := t[name]
	switch {
	case !ok && content == nil:
		return entry{}, fmt.Errorf("%s is a folder that nobody made", name)
	case !ok:
		return entry{}, fmt.Errorf("%s, %d bytes, is a file that nobody made", name, len(content))
	case e.folder != (content == nil):
		return entry{}, fmt.Errorf("%s should be %s", name, e)
	case e.folder:
		return entry{folder: true}, nil
	}
	for _, v := range e.any {
		if v.is(content) && !bytes.Equal(content, bytesOf(v.upload, len(content))) {
			return entry{any: []piece{v}}, nil
		}
		if v.is(content) {
			return entry{any: []piece{whole(v.upload, len(content))}}, nil
		}
	}
	return entry{}, fmt.Errorf("%s holds %d bytes that begin %x; it should be %s", name, len(content), content[:min(8, len(content))], e)
}

// Verbs of steps.
const (
	put       = "put"        // a file, whole; replaces
	resume    = "resume"     // the rest of a file
	scatter   = "scatter"    // the rest of a file, in pieces in any order
	discard   = "discard"    // a file that may be missing
	truncate  = "truncate"   // to a smaller size
	remove    = "remove"     // a file
	mkdir     = "mkdir"      // a folder
	rmdir     = "rmdir"      // an empty folder
	move      = "move"       // a file or tree; replaces
	duplicate = "copy"       // a file or tree; replaces
	removeAll = "remove all" // a tree
)

// A step is one change that a client asks for.
type step struct {
	verb     string
	name, to string
	piece    piece // put, resume: what is to be there after it
	from     int   // resume, scatter: the size so far
}

// grows reports a step that writes to a file where it stands.
func (s step) grows() bool { return s.verb == put || s.verb == resume || s.verb == scatter }

func (s step) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s %s %s", s.verb, s.name, s.to))
}

// after is the tree once the step is acknowledged.
func (t holdings) after(s step) holdings {
	n := t.copyOf()
	switch s.verb {
	case put, resume, scatter, truncate:
		n[s.name] = entry{any: []piece{s.piece}}
	case remove, discard, rmdir, removeAll:
		n.take(s.name)
	case mkdir:
		n[s.name] = entry{folder: true}
	case move:
		n.put(s.to, n.take(s.name))
	case duplicate:
		n.put(s.to, t.copyOf().take(s.name))
	}
	return n
}

// during are the trees that a step may leave which nobody has answered.
func (t holdings) during(s step, atomic bool) []holdings {
	switch {
	case s.verb == removeAll:
		n := t.copyOf()
		for _, name := range n.below(s.name) {
			e := n[name]
			e.gone, e.any = true, append(e.any, piece{})
			n[name] = e
		}
		return []holdings{n}
	case atomic || !s.grows():
		return []holdings{t, t.after(s)}
	}
	n := t.copyOf()
	e := n[s.name]
	if len(e.any) == 0 {
		e.any = []piece{{}}
	}
	v := s.piece
	v.least, v.ragged = s.from, s.verb == scatter
	e.any = append(e.any, v)
	n[s.name] = e
	return []holdings{n}
}

// A chooser makes up steps that can be made in a tree.
type chooser struct {
	random *rand.Rand
	verbs  []string
	large  int    // the largest upload
	many   int    // names from which on rather something is removed; 30
	kept   string // a folder that stays where it is
	count  int
}

func (c *chooser) next(t holdings) step {
	for {
		verb := c.verbs[c.random.IntN(len(c.verbs))]
		if len(t) > cmp.Or(c.many, 30) && c.random.IntN(2) == 0 {
			verb = []string{remove, discard}[c.random.IntN(2)]
		}
		if s, ok := c.make(t, verb); ok {
			return s
		}
	}
}

func (c *chooser) make(t holdings, verb string) (s step, ok bool) {
	s = step{verb: verb}
	switch verb {
	case put:
		s.name, ok = c.fresh(t), true
		if c.random.IntN(3) == 0 {
			s.name, ok = c.one(t, func(_ string, e entry) bool { return !e.folder })
		}
		s.piece = whole(c.random.Uint64()|1, c.size())
	case resume, scatter:
		s.name, ok = c.sureFile(t)
		v, _ := t[s.name].sure()
		s.from, s.piece = v.most, whole(v.upload, v.most+1+c.size())
	case truncate:
		s.name, ok = c.sureFile(t)
		v, _ := t[s.name].sure()
		s.piece = whole(v.upload, c.random.IntN(v.most+1))
	case remove:
		s.name, ok = c.sureFile(t)
	case discard:
		s.name, ok = c.one(t, func(_ string, e entry) bool { _, sure := e.sure(); return !sure && !e.folder })
	case mkdir:
		s.name, ok = c.fresh(t), true
	case rmdir:
		s.name, ok = c.one(t, func(n string, e entry) bool { return e.folder && n != c.kept && len(t.below(n)) == 1 })
	case removeAll:
		s.name, ok = c.one(t, func(n string, e entry) bool { return e.folder && n != c.kept })
	case move, duplicate:
		return c.pair(t, s)
	}
	return s, ok
}

// pair names a source and a target that is new or, now and then, to be replaced
// by one of its kind.
func (c *chooser) pair(t holdings, s step) (step, bool) {
	certain := func(n string, e entry) bool { _, ok := e.sure(); return ok || e.folder && n != c.kept }
	var ok bool
	if s.name, ok = c.one(t, certain); !ok {
		return s, false
	}
	s.to = c.fresh(t)
	if c.random.IntN(3) == 0 {
		to, ok := c.one(t, func(n string, e entry) bool {
			return certain(n, e) && e.folder == t[s.name].folder && (!e.folder || slices.Contains(c.verbs, removeAll))
		})
		if ok {
			s.to = to
		}
	}
	overlap := strings.HasPrefix(s.to+"/", s.name+"/") || strings.HasPrefix(s.name+"/", s.to+"/")
	return s, !overlap && strings.Count(s.to, "/") < 4
}

func (c *chooser) sureFile(t holdings) (string, bool) {
	return c.one(t, func(_ string, e entry) bool { _, ok := e.sure(); return ok })
}

func (c *chooser) one(t holdings, fits func(string, entry) bool) (string, bool) {
	var found []string
	for _, name := range slices.Sorted(maps.Keys(t)) {
		if fits(name, t[name]) {
			found = append(found, name)
		}
	}
	if len(found) == 0 {
		return "", false
	}
	return found[c.random.IntN(len(found))], true
}

// fresh is a name that nothing has had yet, in one of the folders.
func (c *chooser) fresh(t holdings) string {
	c.count++
	name := fmt.Sprintf("n%04d", c.count)
	folder, ok := c.one(t, func(n string, e entry) bool { return e.folder && strings.Count(n, "/") < 3 })
	if !ok || c.random.IntN(2) == 0 {
		return name
	}
	return path.Join(folder, name)
}

// size is small as a rule, so that many are written, and sometimes large, so
// that a kill finds one half way.
func (c *chooser) size() int {
	switch c.random.IntN(8) {
	case 0:
		return 0
	case 1:
		return c.random.IntN(c.large)
	}
	return c.random.IntN(20_000)
}
