package backendtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
)

// Power is a backend on a disk that can lose power at any moment. It remembers
// what was made durable: a file's content and attributes by File.Sync, the names
// in a folder by Backend.Sync, and nothing else, as POSIX has it.
type Power struct {
	backend.Backend
	// Then, where not nil, is called after each change and each sync.
	Then func()

	mu      sync.Mutex // one call at a time: what is remembered is of one moment
	files   map[backend.FileID]content
	folders map[backend.FileID]folder
	root    backend.FileID
	pins    map[backend.FileID]io.Closer // so that no identity is used twice
}

// content is a file or folder itself, as it was when it was synced.
type content struct {
	text  string
	mode  fs.FileMode
	dated time.Time
	props map[string][]byte
}

// folder is the names in one, as they were when it was synced.
type folder struct {
	content
	names map[string]member
}

type member struct {
	id   backend.FileID
	kind fs.FileMode
	link string
}

// NewPower puts a backend on such a disk. What it holds is durable.
func NewPower(b backend.Backend) (*Power, error) {
	p := &Power{
		Backend: b,
		files:   make(map[backend.FileID]content),
		folders: make(map[backend.FileID]folder),
		pins:    make(map[backend.FileID]io.Closer),
	}
	info, err := b.Stat(context.Background(), path.Root)
	if err != nil {
		return nil, err
	}
	p.root = info.ID
	return p, p.Settle()
}

// Settle makes durable all that is there, as time does.
func (p *Power) Settle() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.settle(path.Root)
}

func (p *Power) settle(at path.Path) error {
	if err := p.keepFolder(at); err != nil {
		return err
	}
	info, err := p.Backend.Stat(context.Background(), at)
	if err != nil {
		return err
	}
	for name, m := range p.folders[info.ID].names {
		below, err := at.Join(name)
		switch {
		case err != nil:
		case m.kind.IsDir():
			err = p.settle(below)
		case m.kind.IsRegular():
			err = p.settleFile(below)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *Power) settleFile(at path.Path) error {
	f, err := p.Backend.Open(context.Background(), at, backend.How{Read: true})
	if err != nil {
		return err
	}
	return errors.Join(p.keepFile(f), f.Close())
}

// keepFile remembers a file as it is.
func (p *Power) keepFile(f backend.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.NewSectionReader(f, 0, math.MaxInt64))
	if err != nil {
		return err
	}
	props, err := f.Properties()
	if err != nil && !errors.Is(err, backend.ErrUnsupported) {
		return err
	}
	p.files[info.ID] = content{string(text), info.Mode.Perm(), info.Modified, props}
	return nil
}

// keepFolder remembers the names in a folder, and the folder itself.
func (p *Power) keepFolder(at path.Path) error {
	ctx := context.Background()
	info, err := p.Backend.Stat(ctx, at)
	if err != nil {
		return err
	}
	props, err := p.Backend.Properties(ctx, at)
	if err != nil && !errors.Is(err, backend.ErrUnsupported) {
		return err
	}
	names, err := p.namesIn(at)
	if err == nil {
		err = p.pin(at, names)
	}
	if err != nil {
		return err
	}
	p.folders[info.ID] = folder{content{mode: info.Mode.Perm(), dated: info.Modified, props: props}, names}
	return nil
}

// namesIn are the names in a folder now.
func (p *Power) namesIn(at path.Path) (names map[string]member, err error) {
	dir, err := p.Backend.List(context.Background(), at)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	names = make(map[string]member)
	for {
		some, err := dir.Next(100)
		if err == io.EOF {
			return names, nil
		}
		if err != nil {
			return nil, err
		}
		for _, i := range some {
			if names[i.Name], err = p.memberOf(at, i); err != nil {
				return nil, err
			}
		}
	}
}

func (p *Power) memberOf(in path.Path, i backend.Info) (member, error) {
	m := member{id: i.ID, kind: i.Mode.Type()}
	if !i.IsLink() {
		return m, nil
	}
	at, err := in.Join(i.Name)
	if err == nil {
		m.link, err = p.Backend.Readlink(context.Background(), at)
	}
	return m, err
}

// pin keeps open what is remembered.
func (p *Power) pin(in path.Path, names map[string]member) error {
	for name, m := range names {
		at, err := in.Join(name)
		if _, pinned := p.pins[m.id]; pinned || err != nil {
			continue
		}
		var pin io.Closer
		switch {
		case m.kind.IsDir():
			pin, err = p.Backend.List(context.Background(), at)
		case m.kind.IsRegular():
			pin, err = p.Backend.Open(context.Background(), at, backend.How{Read: true})
		default:
			continue
		}
		if err != nil {
			return err
		}
		p.pins[m.id] = pin
	}
	return nil
}

// A Survivor is what is found when power is back. Text is a file's content;
// Link where a link leads.
type Survivor struct {
	Text, Link string
	Mode       fs.FileMode // type and permission bits
	Modified   time.Time
	Properties map[string][]byte
}

// Least is what is left, by path, where the disk has kept no more than it must.
func (p *Power) Least() map[string]Survivor {
	p.mu.Lock()
	defer p.mu.Unlock()
	found := make(map[string]Survivor)
	p.least(found, "", p.root)
	return found
}

func (p *Power) least(found map[string]Survivor, at string, id backend.FileID) {
	for name, m := range p.folders[id].names {
		found[at+"/"+name] = p.survivor(m)
		if m.kind.IsDir() {
			p.least(found, at+"/"+name, m.id)
		}
	}
}

// Names is what is left where the disk has kept every name as it is now and, of
// what stands there, no more than it must.
func (p *Power) Names() (map[string]Survivor, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	found := make(map[string]Survivor)
	return found, p.now(found, path.Root)
}

func (p *Power) now(found map[string]Survivor, at path.Path) error {
	names, err := p.namesIn(at)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		below, err := at.Join(name)
		if err != nil {
			return err
		}
		found[below.String()] = p.survivor(names[name])
		if names[name].kind.IsDir() {
			if err := p.now(found, below); err != nil {
				return err
			}
		}
	}
	return nil
}

// survivor is what stands behind a name: of what was never synced, nothing.
func (p *Power) survivor(m member) Survivor {
	c := p.files[m.id]
	if m.kind.IsDir() {
		c = p.folders[m.id].content
	}
	return Survivor{Text: c.text, Link: m.link, Mode: m.kind | c.mode, Modified: c.dated, Properties: c.props}
}

// Close ends the backend.
func (p *Power) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, pin := range p.pins {
		errs = append(errs, pin.Close())
	}
	clear(p.pins)
	return errors.Join(append(errs, p.Backend.Close())...)
}

// String shows a survivor in tests.
func (s Survivor) String() string {
	switch {
	case s.Mode.IsDir():
		return "a folder"
	case s.Link != "":
		return "-> " + s.Link
	case len(s.Text) > 100:
		return fmt.Sprintf("%q... (%d bytes)", s.Text[:100], len(s.Text))
	}
	return fmt.Sprintf("%q", strings.ToValidUTF8(s.Text, "?"))
}
