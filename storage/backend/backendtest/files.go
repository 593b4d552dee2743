package backendtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync"

	"gatehouse/storage/backend"
)

var fileCases = []testCase{
	{name: "file/write and read", run: writeAndRead},
	{name: "file/missing", run: missingFile},
	{name: "file/exclusive", run: exclusive},
	{name: "file/one of many creates exclusively", run: exclusiveRace},
	{name: "file/create keeps content", run: createKeeps},
	{name: "file/made and removed all the time", run: madeAndRemoved},
	{name: "file/truncate", run: truncate},
	{name: "file/senseless ways to open", run: senselessOpen},
	{name: "file/folder is no file", run: folderIsNoFile},
	{name: "file/file is no folder on the way", run: fileIsNoFolder},
	{name: "file/direction", run: direction},
	{name: "file/read past the end", run: readPastEnd},
	{name: "file/sparse and random writes", run: randomWrites, needs: func(c backend.Capabilities) bool { return c.RandomWrite }},
	{name: "file/concurrent pieces", run: concurrentPieces, needs: func(c backend.Capabilities) bool { return c.RandomWrite }},
	{name: "file/open file outlives its name", run: outlivesName},
	{name: "file/closed", run: closedFile},
	{name: "file/names are bytes", run: namesAreBytes},
	{name: "file/cancelled context", run: cancelled},
}

func writeAndRead(s *store) {
	s.write("/a", "hello world")
	s.holds("/a", "hello world")
	s.write("/empty", "")
	s.holds("/empty", "")
	i := s.mustStat("/a")
	if i.Name != "a" || i.Size != 11 || !i.IsRegular() || i.Links != 1 {
		s.Errorf("stat: got %+v, want the file a of 11 bytes with one link", i)
	}
	f := s.mustOpen("/a", backend.How{Read: true})
	defer f.Close()
	open, err := f.Stat()
	if err != nil || open.Name != "a" || open.ID != i.ID || open.Size != 11 {
		s.Errorf("stat of the open file: got %+v, %v, want the same as %+v", open, err, i)
	}
	if os := f.OS(); os != nil && os.Name() != s.at("/a").String() && !strings.HasSuffix(s.at("/a").String(), os.Name()) {
		s.Errorf("the kernel's file is called %q, which is no path of the tree", os.Name())
	}
}

func missingFile(s *store) {
	for _, name := range []string{"/none", "/none/deeper"} {
		_, err := s.open(name, backend.How{Read: true})
		s.refused("open", err, fs.ErrNotExist, name)
		_, err = s.open(name, backend.How{Write: true})
		s.refused("open to write", err, fs.ErrNotExist, name)
		_, err = s.stat(name)
		s.refused("stat", err, fs.ErrNotExist, name)
		s.refused("remove", s.Remove(s.Context(), s.at(name)), fs.ErrNotExist, name)
	}
	_, err := s.open("/none/new", backend.How{Write: true, Create: true})
	s.refused("create in a missing folder", err, fs.ErrNotExist, "/none/new")
}

func exclusive(s *store) {
	s.write("/a", "old")
	_, err := s.open("/a", backend.How{Write: true, Create: true, Exclusive: true, Truncate: true})
	s.refused("create what is there", err, fs.ErrExist, "/a")
	s.holds("/a", "old")
}

func exclusiveRace(s *store) {
	const writers = 16
	var made sync.Map
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			f, err := s.open("/a", backend.How{Write: true, Create: true, Exclusive: true})
			if err == nil {
				made.Store(i, f)
			} else if !errors.Is(err, fs.ErrExist) {
				s.Errorf("create: got %v, want success or fs.ErrExist", err)
			}
		})
	}
	wg.Wait()
	count := 0
	made.Range(func(_, f any) bool {
		count++
		s.must("close", f.(backend.File).Close())
		return true
	})
	if count != 1 {
		s.Errorf("%d of %d created the file, want 1", count, writers)
	}
}

func createKeeps(s *store) {
	how := backend.How{Read: true, Write: true, Create: true}
	f := s.mustOpen("/a", how)
	_, err := f.WriteAt([]byte("first"), 0)
	s.must("write", err)
	s.must("close", f.Close())
	f = s.mustOpen("/a", how)
	if got := s.content(f); got != "first" {
		s.Errorf("opened again: got %q, want what was there", got)
	}
	s.must("close", f.Close())
}

// Who asks for a file, be it there or not, gets one, whatever happens meanwhile.
func madeAndRemoved(s *store) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 500 {
				f, err := s.open("/a", backend.How{Write: true, Create: true})
				if err != nil {
					s.Errorf("open: %v", err)
					return
				}
				if err := f.Close(); err != nil {
					s.Errorf("close: %v", err)
				}
				if err := s.Remove(s.Context(), s.at("/a")); err != nil && !errors.Is(err, fs.ErrNotExist) {
					s.Errorf("remove: %v", err)
				}
			}
		})
	}
	wg.Wait()
}

func truncate(s *store) {
	s.write("/a", "0123456789")
	f := s.mustOpen("/a", backend.How{Write: true})
	s.must("shrink", f.Truncate(4))
	s.must("grow", f.Truncate(6))
	s.must("sync", f.Sync())
	s.refused("negative size", f.Truncate(-1), fs.ErrInvalid, "/a")
	s.must("close", f.Close())
	s.holds("/a", "0123\x00\x00")
	f = s.mustOpen("/a", backend.How{Write: true, Truncate: true})
	s.must("close", f.Close())
	s.holds("/a", "")
	f = s.mustOpen("/b", backend.How{Write: true, Create: true, Truncate: true})
	s.must("close", f.Close())
	s.holds("/b", "")
}

func senselessOpen(s *store) {
	s.write("/a", "content")
	for name, how := range map[string]backend.How{
		"neither read nor write":   {},
		"truncate without write":   {Read: true, Truncate: true},
		"create without write":     {Read: true, Create: true},
		"exclusive without create": {Write: true, Exclusive: true},
	} {
		_, err := s.open("/a", how)
		s.refused(name, err, fs.ErrInvalid, "/a")
	}
	s.holds("/a", "content")
}

func folderIsNoFile(s *store) {
	s.mkdir("/d")
	for _, name := range []string{"/d", "/"} {
		for _, how := range []backend.How{
			{Read: true}, {Write: true}, {Read: true, Write: true},
			{Write: true, Create: true}, {Write: true, Truncate: true},
		} {
			_, err := s.open(name, how)
			s.refused(fmt.Sprintf("open %s with %+v", name, how), err, backend.ErrIsDir, name)
		}
	}
	_, err := s.open("/d", backend.How{Write: true, Create: true, Exclusive: true})
	s.refused("create exclusively", err, fs.ErrExist, "/d")
}

func fileIsNoFolder(s *store) {
	s.write("/a", "content")
	_, err := s.open("/a/b", backend.How{Read: true})
	s.refused("open", err, backend.ErrNotDir, "/a/b")
	_, err = s.open("/a/b", backend.How{Write: true, Create: true})
	s.refused("create", err, backend.ErrNotDir, "/a/b")
	_, err = s.stat("/a/b")
	s.refused("stat", err, backend.ErrNotDir, "/a/b")
	s.refused("mkdir", s.Mkdir(s.Context(), s.at("/a/b")), backend.ErrNotDir, "/a/b")
}

func direction(s *store) {
	s.write("/a", "content")
	f := s.mustOpen("/a", backend.How{Read: true})
	_, err := f.WriteAt([]byte("X"), 0)
	s.refused("write to a file opened for reading", err, fs.ErrInvalid, "/a")
	if err := f.Truncate(0); err == nil {
		s.Error("truncated a file opened for reading")
	}
	s.must("close", f.Close())
	f = s.mustOpen("/a", backend.How{Write: true})
	_, err = f.ReadAt(make([]byte, 4), 0)
	s.refused("read from a file opened for writing", err, fs.ErrInvalid, "/a")
	s.must("close", f.Close())
	s.holds("/a", "content")
}

func readPastEnd(s *store) {
	s.write("/a", "12345")
	f := s.mustOpen("/a", backend.How{Read: true})
	defer f.Close()
	buf := make([]byte, 10)
	if n, err := f.ReadAt(buf, 3); n != 2 || err != io.EOF {
		s.Errorf("read over the end: got %d, %v, want 2, io.EOF", n, err)
	}
	if n, err := f.ReadAt(buf, 50); n != 0 || err != io.EOF {
		s.Errorf("read beyond the end: got %d, %v, want 0, io.EOF", n, err)
	}
	if _, err := f.ReadAt(buf, -1); err == nil || err == io.EOF {
		s.Errorf("read at a negative offset: got %v, want an error", err)
	}
}

func randomWrites(s *store) {
	f := s.mustOpen("/a", backend.How{Write: true, Create: true})
	for _, w := range []struct {
		text string
		at   int64
	}{{"end", 8}, {"one", 0}, {"two", 2}} {
		_, err := f.WriteAt([]byte(w.text), w.at)
		s.must("write", err)
	}
	s.must("close", f.Close())
	s.holds("/a", "ontwo\x00\x00\x00end")
}

func concurrentPieces(s *store) {
	want := make([]byte, 1<<20)
	rng := rand.NewChaCha8([32]byte{1})
	_, _ = rng.Read(want)
	const piece = 32 << 10
	f := s.mustOpen("/a", backend.How{Read: true, Write: true, Create: true})
	defer f.Close()
	var wg sync.WaitGroup
	for at := 0; at < len(want); at += piece {
		wg.Go(func() {
			if _, err := f.WriteAt(want[at:at+piece], int64(at)); err != nil {
				s.Errorf("write at %d: %v", at, err)
			}
			got := make([]byte, piece)
			if _, err := f.ReadAt(got, int64(at)); err != nil || !bytes.Equal(got, want[at:at+piece]) {
				s.Errorf("read at %d: other bytes than were written (%v)", at, err)
			}
		})
	}
	wg.Wait()
	if got := s.content(f); got != string(want) {
		s.Error("the whole differs from what was written")
	}
}

func outlivesName(s *store) {
	s.write("/a", "before")
	f := s.mustOpen("/a", backend.How{Read: true, Write: true})
	s.must("remove", s.Remove(s.Context(), s.at("/a")))
	s.write("/a", "another")
	_, err := f.WriteAt([]byte("after!"), 0)
	s.must("write", err)
	if got := s.content(f); got != "after!" {
		s.Errorf("the open file holds %q, want what was written to it", got)
	}
	s.must("close", f.Close())
	s.holds("/a", "another")
}

func closedFile(s *store) {
	s.write("/a", "content")
	f := s.mustOpen("/a", backend.How{Read: true, Write: true})
	s.must("close", f.Close())
	_, err := f.ReadAt(make([]byte, 1), 0)
	s.refused("read", err, fs.ErrClosed, "/a")
	_, err = f.WriteAt([]byte("x"), 0)
	s.refused("write", err, fs.ErrClosed, "/a")
	_, err = f.Stat()
	s.refused("stat", err, fs.ErrClosed, "/a")
	s.refused("close", f.Close(), fs.ErrClosed, "/a")
}

func namesAreBytes(s *store) {
	names := []string{
		"Icon\r", "new\nline", "tab\t", "\xff\xfe", "a b", " ", "~", "-rf", "*", `back\slash`, `"'`,
		"é", "e\u0301", "A", "a", "...", "..a", ".hidden", "con", "\u202ename", strings.Repeat("x", 255), "%2e%2e",
	}
	for _, name := range names {
		s.write("/"+name, name)
	}
	if got := s.names("/"); len(got) != len(names) {
		s.Errorf("listed %d names %q, want %d: each is another", len(got), got, len(names))
	}
	for _, name := range names {
		s.holds("/"+name, name)
		if i := s.mustStat("/" + name); i.Name != name {
			s.Errorf("stat of %q tells the name %q", name, i.Name)
		}
	}
}

func cancelled(s *store) {
	s.write("/a", "content")
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	p, q := s.at("/a"), s.at("/b")
	calls := map[string]func() error{
		"open":          func() error { _, err := s.Open(ctx, p, backend.How{Read: true}); return err },
		"stat":          func() error { _, err := s.Stat(ctx, p); return err },
		"list":          func() error { _, err := s.List(ctx, p.Dir()); return err },
		"mkdir":         func() error { return s.Mkdir(ctx, q) },
		"remove":        func() error { return s.Remove(ctx, p) },
		"rename":        func() error { return s.Rename(ctx, p, q, false) },
		"symlink":       func() error { return s.Symlink(ctx, "a", q) },
		"link":          func() error { return s.Link(ctx, p, q) },
		"setattr":       func() error { return s.SetAttr(ctx, p, backend.Attr{Size: new(int64)}) },
		"setproperties": func() error { return s.SetProperties(ctx, p, map[string][]byte{"a": nil}) },
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, context.Canceled) {
			s.Errorf("%s: got %v, want context.Canceled", name, err)
		}
	}
	s.holds("/a", "content")
	s.gone("/b")
}
