package webdav

import (
	"bufio"
	"encoding/xml"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"sort"

	"gatehouse/auth/session"
)

const (
	// listPiece is how many entries of a folder are in memory at once.
	listPiece = 512
	// maxNames bounds the properties that are asked for by name: each is answered
	// for each entry.
	maxNames = 256
)

// A question is what a PROPFIND asks for (RFC 4918 9.1).
type question struct {
	namesOnly bool       // propname
	all       bool       // allprop
	names     []xml.Name // prop; with all, what include adds
}

// propfind answers 207 with each resource as it is read: memory does not grow
// with the folder. Depth infinity, which nobody can bound, is refused.
func (q *request) propfind() error {
	ask, err := q.h.questions.read(q.x.body)
	if err != nil {
		return err
	}
	d, err := q.depth()
	if err != nil {
		return err
	}
	info, err := q.found()
	if err != nil {
		return err
	}
	if info.IsDir() && (d == depthAbsent || d == depthInfinity) {
		return refuseFor(http.StatusForbidden, finiteDepth)
	}
	var dir *session.Dir
	if info.IsDir() && d == depth1 {
		if dir, err = q.fs.List(q.ctx, q.path); err != nil {
			return err
		}
		defer dir.Close()
		defer q.x.cutWith(dir.Context())()
	}
	q.fs = q.fs.Once()
	s := newPropStream(q, ask, dir != nil)
	if err := s.resource(&resource{q: q, path: q.path, info: info}, []byte(q.h.href(q.path, info.IsDir()))); err != nil {
		return err
	}
	if dir != nil {
		if err := s.members(dir); err != nil {
			return err
		}
	}
	return s.end()
}

// readQuestion reads the body; none asks for everything.
func readQuestion(body io.Reader) (question, error) {
	root, err := readXML(body)
	if errors.Is(err, errNoXML) {
		return question{all: true}, nil
	}
	if err != nil {
		return question{}, err
	}
	prop, all, names := root.child("prop"), root.child("allprop"), root.child("propname")
	if !root.is("propfind") || count(prop, all, names) != 1 {
		return question{}, errXML
	}
	ask := question{all: all != nil, namesOnly: names != nil}
	if include := root.child("include"); include != nil && all != nil {
		prop = include
	}
	if prop == nil {
		return ask, nil
	}
	for _, e := range prop.elements() {
		if !slices.Contains(ask.names, e.name) {
			ask.names = append(ask.names, e.name)
		}
	}
	if len(ask.names) > maxNames {
		return question{}, errLarge
	}
	return ask, nil
}

func count(elements ...*element) int {
	n := 0
	for _, e := range elements {
		if e != nil {
			n++
		}
	}
	return n
}

// A propStream writes one multistatus.
type propStream struct {
	q    *request
	ask  question
	out  *bufio.Writer
	open bool // the answer has begun
	// live are the live properties of allprop, named those that are asked for by name.
	live, named []property
	// unlocked says that nothing that stands in the folder itself has a lock.
	unlocked bool

	folder               string // the href of what is listed
	entry, missing, href []byte // buffers of one resource
}

// newPropStream has a large buffer only for a listing: most answers are small.
func newPropStream(q *request, ask question, listing bool) *propStream {
	size := 2 << 10
	if listing {
		size = 32 << 10
	}
	s := &propStream{q: q, ask: ask, out: bufio.NewWriterSize(q.x, size)}
	names := ask.names
	if ask.all {
		s.live = propertiesOf(allProperties)
		names = slices.DeleteFunc(slices.Clone(names), func(n xml.Name) bool { return slices.Contains(allProperties, n) })
	}
	s.named = propertiesOf(names)
	return s
}

// begin waits for the first resource: until then an error has its own status.
func (s *propStream) begin() {
	if s.open {
		return
	}
	s.open = true
	s.q.multistatus()
	_, _ = s.out.WriteString(multiHead) // bufio keeps the error for the end
}

func (s *propStream) end() error {
	s.begin()
	_, _ = s.out.WriteString(multiTail)
	return s.out.Flush()
}

// members writes what the folder shows.
func (s *propStream) members(dir *session.Dir) error {
	if err := s.lookForLocks(); err != nil {
		return err
	}
	s.folder = s.q.h.href(s.q.path, true)
	for {
		entries, err := dir.Next(listPiece)
		for i := range entries {
			if err := s.member(dir, &entries[i]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = s.q.ctx.Err()
		}
		if err != nil {
			return err
		}
	}
}

// lookForLocks asks once whether there are locks on the folder, above or below
// it: mostly there are none, and nobody has to ask for each entry. An account's
// root that is not there has none.
func (s *propStream) lookForLocks() error {
	if !s.ask.all && !slices.Contains(s.ask.names, dav("lockdiscovery")) {
		return nil
	}
	below, err := s.q.fs.LocksBelow(s.q.ctx, s.q.path)
	if s.q.path.IsRoot() && unseen(err) {
		return nil
	}
	if err != nil {
		return err
	}
	above, err := s.q.fs.Locks(s.q.ctx, s.q.path)
	s.unlocked = err == nil && len(above)+len(below) == 0
	return err
}

// member writes one entry of the folder. A link is shown as what it leads to.
// One that leads nowhere is shown as broken; an entry that goes away meanwhile
// is left out, and so is a path that is too long to be asked for.
func (s *propStream) member(dir *session.Dir, info *session.Info) error {
	p, err := s.q.path.Join(info.Name())
	if err != nil {
		return nil
	}
	r := &resource{q: s.q, path: p, info: *info, dir: dir, unlocked: s.unlocked && info.Direct()}
	if info.Mode().Type() == fs.ModeSymlink {
		r.dir = nil // it leads elsewhere
		r.info, err = s.q.fs.Stat(s.q.ctx, p)
		if unseen(err) || errors.Is(err, session.ErrLink) || errors.Is(err, session.ErrSpecial) {
			return s.broken(r)
		}
		if err != nil {
			return err
		}
	}
	s.href = appendEscaped(append(s.href[:0], s.folder...), info.Name())
	if r.info.IsDir() {
		s.href = append(s.href, '/')
	}
	err = s.resource(r, s.href)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// broken writes a response that has none of the properties, not even a type:
// clients leave such an entry out, or show that something is wrong with it.
func (s *propStream) broken(r *resource) error {
	names := s.ask.names
	if s.ask.all || s.ask.namesOnly {
		names = allProperties
	}
	s.begin()
	b := appendString(s.entry[:0], "<D:response><D:href>", s.q.h.href(r.path, false), "</D:href><D:propstat><D:prop>")
	for _, n := range names {
		b = appendEmpty(b, n)
	}
	s.entry = appendString(b, "</D:prop><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat></D:response>\n")
	_, err := s.out.Write(s.entry)
	return err
}

// resource writes one response.
func (s *propStream) resource(r *resource, href []byte) error {
	b := append(append(s.entry[:0], "<D:response><D:href>"...), href...)
	b = append(b, "</D:href>"...)
	s.missing = s.missing[:0]
	var err error
	b = appendString(b, "<D:propstat><D:prop>")
	start := len(b)
	if s.ask.namesOnly {
		b, err = s.allNames(b, r)
	} else {
		b, err = s.values(b, r)
	}
	if err != nil {
		return err
	}
	if len(b) == start && len(s.missing) > 0 {
		b = b[:start-len("<D:propstat><D:prop>")]
	} else {
		b = appendString(b, "</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>")
	}
	if len(s.missing) > 0 {
		b = appendString(b, "<D:propstat><D:prop>", string(s.missing),
			"</D:prop><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat>")
	}
	b = appendString(b, "</D:response>\n")
	s.entry = b
	s.begin()
	_, err = s.out.Write(b)
	return err
}

func (s *propStream) values(b []byte, r *resource) ([]byte, error) {
	var err error
	if s.ask.all {
		if b, err = s.everything(b, r); err != nil {
			return b, err
		}
	}
	for i := range s.named {
		var ok bool
		if b, ok, err = s.named[i].value(b, r); err != nil {
			return b, err
		}
		if !ok && !s.ask.all {
			s.missing = appendEmpty(s.missing, s.named[i].name)
		}
	}
	return b, nil
}

// everything is allprop: the live properties, and all dead ones.
func (s *propStream) everything(b []byte, r *resource) ([]byte, error) {
	var err error
	for i := range s.live {
		if b, _, err = s.live[i].value(b, r); err != nil {
			return b, err
		}
	}
	dead, err := r.properties()
	if err != nil {
		return b, err
	}
	for _, k := range sortedKeys(dead) {
		if n, ok := nameOf(k); ok && !isLive(n) {
			b = append(b, dead[k]...)
		}
	}
	return b, nil
}

// allNames is propname.
func (s *propStream) allNames(b []byte, r *resource) ([]byte, error) {
	for _, n := range allProperties {
		_, ok, err := liveProperties[n.Local](nil, r)
		if err != nil {
			return b, err
		}
		if ok {
			b = appendEmpty(b, n)
		}
	}
	dead, err := r.properties()
	if err != nil {
		return b, err
	}
	for _, k := range sortedKeys(dead) {
		if n, ok := nameOf(k); ok && !isLive(n) {
			b = appendEmpty(b, n)
		}
	}
	return b, nil
}

func isLive(n xml.Name) bool { return n.Space == davSpace && liveProperties[n.Local] != nil }

func sortedKeys(m map[string][]byte) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
