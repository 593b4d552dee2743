package backendtest

import (
	"context"
	"os"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
)

// does makes a change, or remembers what a sync has made durable.
func (p *Power) does(do func() error) error {
	p.mu.Lock()
	err := do()
	p.mu.Unlock()
	if p.Then != nil {
		p.Then()
	}
	return err
}

// Sync makes durable the names in a folder.
func (p *Power) Sync(ctx context.Context, at path.Path) error {
	return p.does(func() error {
		if err := p.Backend.Sync(ctx, at); err != nil {
			return err
		}
		return p.keepFolder(at)
	})
}

// Open opens a file, whose Sync makes it durable.
func (p *Power) Open(ctx context.Context, at path.Path, how backend.How) (f backend.File, err error) {
	how.Read = true // to remember it
	open := func() error {
		f, err = p.Backend.Open(ctx, at, how)
		return err
	}
	if how.Create || how.Truncate {
		_ = p.does(open)
	} else {
		_ = open()
	}
	if err != nil {
		return nil, err
	}
	return &poweredFile{f, p}, nil
}

// Mkdir makes a folder.
func (p *Power) Mkdir(ctx context.Context, at path.Path) error {
	return p.does(func() error { return p.Backend.Mkdir(ctx, at) })
}

// Remove removes a file.
func (p *Power) Remove(ctx context.Context, at path.Path) error {
	return p.does(func() error { return p.Backend.Remove(ctx, at) })
}

// RemoveDir removes a folder.
func (p *Power) RemoveDir(ctx context.Context, at path.Path) error {
	return p.does(func() error { return p.Backend.RemoveDir(ctx, at) })
}

// Rename moves a file or folder.
func (p *Power) Rename(ctx context.Context, from, to path.Path, replace bool) error {
	return p.does(func() error { return p.Backend.Rename(ctx, from, to, replace) })
}

// Symlink makes a link.
func (p *Power) Symlink(ctx context.Context, target string, at path.Path) error {
	return p.does(func() error { return p.Backend.Symlink(ctx, target, at) })
}

// Link gives a file one more name.
func (p *Power) Link(ctx context.Context, from, to path.Path) error {
	return p.does(func() error { return p.Backend.Link(ctx, from, to) })
}

// SetAttr changes attributes.
func (p *Power) SetAttr(ctx context.Context, at path.Path, a backend.Attr) error {
	return p.does(func() error { return p.Backend.SetAttr(ctx, at, a) })
}

// SetProperties replaces the properties.
func (p *Power) SetProperties(ctx context.Context, at path.Path, props map[string][]byte) error {
	return p.does(func() error { return p.Backend.SetProperties(ctx, at, props) })
}

type poweredFile struct {
	backend.File
	power *Power
}

// OS is nothing: each piece that is written is a moment of its own.
func (f *poweredFile) OS() *os.File { return nil }

// Lock is the backend's, whose files are Lockers.
func (f *poweredFile) Lock() (unlock func() error, err error) { return f.File.(backend.Locker).Lock() }

func (f *poweredFile) WriteAt(b []byte, off int64) (n int, err error) {
	_ = f.power.does(func() error { n, err = f.File.WriteAt(b, off); return err })
	return n, err
}

func (f *poweredFile) Truncate(size int64) error {
	return f.power.does(func() error { return f.File.Truncate(size) })
}

func (f *poweredFile) SetAttr(a backend.Attr) error {
	return f.power.does(func() error { return f.File.SetAttr(a) })
}

func (f *poweredFile) SetProperties(props map[string][]byte) error {
	return f.power.does(func() error { return f.File.SetProperties(props) })
}

// Sync makes the file durable, and no name of it.
func (f *poweredFile) Sync() error {
	return f.power.does(func() error {
		if err := f.File.Sync(); err != nil {
			return err
		}
		return f.power.keepFile(f.File)
	})
}

// Close leaves open what was made durable, until the backend is closed.
func (f *poweredFile) Close() error {
	f.power.mu.Lock()
	defer f.power.mu.Unlock()
	info, err := f.File.Stat()
	if err != nil {
		return err
	}
	_, kept := f.power.files[info.ID]
	if _, pinned := f.power.pins[info.ID]; pinned || !kept {
		return f.File.Close()
	}
	f.power.pins[info.ID] = f.File
	return nil
}
