package protocoltest

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var basicCases = []testCase{
	{name: "basics/files and folders", run: filesAndFolders},
	{name: "basics/replaced by less", run: replacedByLess},
	{name: "basics/missing", run: missing},
	{name: "basics/taken", run: taken},
	{name: "basics/rename", run: rename},
	{name: "basics/rename onto a file", run: renameOnto},
	{name: "basics/from an offset", run: fromOffset},
	{name: "basics/resume", run: resume, needs: func(d Door) bool { return d.Resumes }},
	{name: "basics/resume where uploads are atomic", run: resumeAtomic, arrange: atomicUploads,
		needs: func(d Door) bool { return d.Resumes }},
	{name: "basics/times", run: times, needs: func(d Door) bool { return d.SetsTimes }},
	{name: "basics/large file", run: largeFile},
	{name: "basics/many writers", run: manyWriters},
	{name: "basics/large folder", run: largeFolder},
	{name: "basics/with a key", run: withKey, needs: func(d Door) bool { return d.Keys }},
	{name: "basics/wrong proofs", run: wrongProofs},
}

func filesAndFolders(s *suite) {
	ann := s.enter(s.Add("ann"))
	ann.lists("/")
	ann.mustPut("/hello", "hello world")
	ann.mustPut("/empty", "")
	ann.must("mkdir", ann.Mkdir("/d"))
	ann.must("mkdir", ann.Mkdir("/d/sub"))
	ann.mustPut("/d/sub/f", "deep")
	ann.lists("/", "hello", "empty", "d/")
	ann.lists("/d", "sub/")
	ann.holds("/hello", "hello world")
	ann.holds("/empty", "")
	ann.holds("/d/sub/f", "deep")
	s.onDisk("/home/ann/d/sub/f", "deep")
	s.onDisk("/home/ann/empty", "")
	if e, err := ann.stat("/hello"); err != nil || e.Size != 11 || e.Dir || time.Since(e.Modified).Abs() > time.Hour {
		s.T.Errorf("stat: got %+v, %v, want a file of 11 bytes of now", e, err)
	}
	for _, folder := range []string{"/", "/d"} {
		if e, err := ann.stat(folder); err != nil || !e.Dir {
			s.T.Errorf("stat %s: got %+v, %v, want a folder", folder, e, err)
		}
	}
	ann.must("remove", ann.Remove("/hello"))
	ann.must("remove", ann.Remove("/d/sub/f"))
	ann.must("remove the folder", ann.RemoveDir("/d/sub"))
	ann.lists("/d")
	ann.lists("/", "empty", "d/")
	if len(s.Staged()) > 0 {
		s.T.Errorf("staged: %v, want nothing", s.Staged())
	}
}

func replacedByLess(s *suite) {
	ann := s.enter(s.Add("ann"))
	for _, content := range []string{"a long content", "short", "", "longer again"} {
		ann.mustPut("/f", content)
		ann.holds("/f", content)
		s.onDisk("/home/ann/f", content)
	}
}

func missing(s *suite) {
	ann := s.enter(s.Add("ann"))
	ann.mustPut("/f", "f")
	for _, name := range []string{"/none", "/none/deeper"} {
		_, err := ann.get(name)
		ann.refused("get", err, ErrNotFound)
		_, err = ann.stat(name)
		ann.refused("stat", err, ErrNotFound)
		_, err = ann.names(name)
		ann.refused("list", err, ErrNotFound)
		ann.refused("remove", ann.Remove(name), ErrNotFound)
		ann.refused("remove as a folder", ann.RemoveDir(name), ErrNotFound)
		ann.refused("rename", ann.Rename(name, "/g"), ErrNotFound)
	}
	if err := ann.put("/none/f", "x"); err == nil {
		s.T.Error("put a file into a folder that is not there")
	}
	if err := ann.Mkdir("/none/d"); err == nil {
		s.T.Error("made a folder in one that is not there")
	}
	if err := ann.Rename("/f", "/none/f"); err == nil {
		s.T.Error("moved a file to a folder that is not there")
	}
	if _, err := ann.get("/f/below"); err == nil {
		s.T.Error("got a file below a file")
	}
	if _, err := ann.get("/"); err == nil {
		s.T.Error("got the root as a file")
	}
	ann.lists("/", "f")
	ann.holds("/f", "f")
}

func taken(s *suite) {
	ann := s.enter(s.Add("ann"))
	ann.mustPut("/f", "f")
	ann.must("mkdir", ann.Mkdir("/d"))
	ann.mustPut("/d/x", "x")
	for _, name := range []string{"/f", "/d"} {
		ann.refused("mkdir "+name, ann.Mkdir(name), ErrExists)
	}
	if err := ann.put("/d", "a file"); err == nil {
		s.T.Error("put a file where a folder is")
	}
	if !s.door.RemovesTrees {
		if err := ann.RemoveDir("/d"); err == nil {
			s.T.Error("removed a folder that was not empty")
		}
		if err := ann.Remove("/d"); err == nil {
			s.T.Error("removed a folder as a file")
		}
		if err := ann.RemoveDir("/f"); err == nil {
			s.T.Error("removed a file as a folder")
		}
	}
	ann.holds("/f", "f")
	ann.holds("/d/x", "x")
}

func rename(s *suite) {
	ann := s.enter(s.Add("ann"))
	ann.must("mkdir", ann.Mkdir("/d"))
	ann.mustPut("/d/f", "content")
	ann.must("rename a file", ann.Rename("/d/f", "/d/g"))
	ann.must("rename a folder", ann.Rename("/d", "/e"))
	ann.holds("/e/g", "content")
	ann.lists("/", "e/")
	ann.must("mkdir", ann.Mkdir("/e/sub"))
	if err := ann.Rename("/e", "/e/sub/e"); err == nil {
		s.T.Error("moved a folder into itself")
	}
	if err := ann.Rename("/", "/e/top"); err == nil {
		s.T.Error("moved the root")
	}
	ann.holds("/e/g", "content")
	ann.must("move up", ann.Rename("/e/g", "/g"))
	ann.lists("/", "e/", "g")
}

func renameOnto(s *suite) {
	ann := s.enter(s.Add("ann"))
	ann.mustPut("/new", "new")
	ann.mustPut("/old", "old")
	err := ann.Rename("/new", "/old")
	if s.door.RenameReplaces {
		ann.must("rename", err)
		ann.lists("/", "old")
		ann.holds("/old", "new")
		return
	}
	ann.refused("rename", err, ErrExists)
	ann.holds("/new", "new")
	ann.holds("/old", "old")
}

func fromOffset(s *suite) {
	ann := s.enter(s.Add("ann"))
	content := string(pattern(300_000))
	ann.mustPut("/f", content)
	for _, offset := range []int{1, 4096, 299_999} {
		got, err := ann.getFrom("/f", int64(offset))
		if err != nil || got != content[offset:] {
			s.T.Errorf("from %d: got %s, %v, want the rest", offset, short(got), err)
		}
	}
}

func resume(s *suite) {
	ann := s.enter(s.Add("ann"))
	content := pattern(200_000)
	ann.mustPut("/f", string(content[:70_000]))
	ann.must("resume", ann.PutAt("/f", 70_000, bytes.NewReader(content[70_000:])))
	ann.holds("/f", string(content))
	s.onDisk("/home/ann/f", string(content))
}

func resumeAtomic(s *suite) {
	ann := s.enter(s.Add("ann"))
	ann.mustPut("/f", "first")
	if err := ann.PutAt("/f", 5, strings.NewReader("second")); err == nil {
		s.T.Error("resumed an upload where uploads are atomic")
	}
	ann.holds("/f", "first")
}

func times(s *suite) {
	ann := s.enter(s.Add("ann"))
	ann.mustPut("/f", "content")
	want := time.Date(2003, 4, 5, 6, 7, 8, 0, time.UTC)
	ann.must("set the time", ann.SetModified("/f", want))
	if e, err := ann.stat("/f"); err != nil || !e.Modified.Truncate(time.Second).Equal(want) {
		s.T.Errorf("stat: got %v, %v, want %v", e.Modified, err, want)
	}
	entries, err := ann.List("/")
	ann.must("list", err)
	if len(entries) != 1 || !entries[0].Modified.Truncate(time.Second).Equal(want) || entries[0].Size != 7 {
		s.T.Errorf("list: got %+v, want one file of that time", entries)
	}
}

func largeFile(s *suite) {
	size := 20<<20 + 12345 // more than a node leases of a quota at a time
	if testing.Short() {
		size = 3<<20 + 12345
	}
	content := pattern(size)
	ann := s.enter(s.Add("ann"))
	ann.must("put", s.bounded("put", func() error { return ann.Put("/big", bytes.NewReader(content)) }))
	if got, ok := s.Read("/home/ann/big"); !ok || got != string(content) {
		s.T.Errorf("on disk are %d bytes that differ from the %d sent", len(got), size)
	}
	var got []byte
	ann.must("get", s.bounded("get", func() error {
		r, err := ann.Get("/big", 0)
		if err != nil {
			return err
		}
		defer r.Close()
		got, err = io.ReadAll(r)
		return err
	}))
	if !equal(got, content) {
		s.T.Errorf("came back as %d bytes that differ from the %d sent", len(got), size)
	}
}

func manyWriters(s *suite) {
	const writers, files = 6, 8
	ann := s.Add("ann")
	var wg sync.WaitGroup
	for i := range writers {
		c := s.enter(ann)
		wg.Go(func() {
			for j := range files {
				name := fmt.Sprintf("/%d-%d", i, j)
				if err := c.Put(name, strings.NewReader(strings.Repeat(name, 5000*j))); err != nil {
					s.T.Errorf("put %s: %v", name, err)
				}
			}
		})
	}
	wg.Wait()
	found := s.Files("/home/ann")
	if len(found) != writers*files {
		s.T.Errorf("%d files on disk, want %d", len(found), writers*files)
	}
	for i := range writers {
		for j := range files {
			name := fmt.Sprintf("/%d-%d", i, j)
			if found[name] != strings.Repeat(name, 5000*j) {
				s.T.Errorf("%s holds other bytes than were sent", name)
			}
		}
	}
}

func largeFolder(s *suite) {
	const files = 1500
	ann := s.Add("ann")
	var want []string
	for i := range files {
		name := fmt.Sprintf("file-%04d", i)
		s.Write("/home/ann/d/"+name, "")
		want = append(want, name)
	}
	got, err := s.enter(ann).names("/d")
	if err != nil || !slices.Equal(got, want) {
		s.T.Errorf("listed %d names (%v), want %d", len(got), err, files)
	}
}

func withKey(s *suite) {
	ann := s.enterWith(Login{Person: s.Add("ann"), WithKey: true})
	ann.mustPut("/f", "content")
	ann.holds("/f", "content")
}

func wrongProofs(s *suite) {
	ann, bob := s.Add("ann"), s.Add("bob")
	for name, l := range map[string]Login{
		"a wrong password":     {Person: Person{Name: "ann", Password: "guess"}},
		"another's password":   {Person: Person{Name: "ann", Password: bob.Password}},
		"no password":          {Person: Person{Name: "ann"}},
		"an unknown account":   {Person: Person{Name: "nobody", Password: ann.Password}},
		"another's key":        {Person: Person{Name: "ann", Key: bob.Key}, WithKey: true},
		"a key of nobody":      {Person: Person{Name: "ann", Key: NewKey(s.T)}, WithKey: true},
		"a key for no account": {Person: Person{Name: "nobody", Key: ann.Key}, WithKey: true},
	} {
		if l.WithKey && !s.door.Keys {
			continue
		}
		if c, err := s.dial(l); err == nil {
			_, err = c.List("/")
			_ = c.Close()
			if err == nil {
				s.T.Errorf("%s let somebody in", name)
			}
		}
	}
	s.enter(ann).lists("/")
}
