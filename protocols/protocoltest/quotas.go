package protocoltest

import (
	"fmt"
	"strings"
	"sync"

	"gatehouse/policy/path"
	"gatehouse/storage/quota"
)

var quotaCases = []testCase{
	{name: "quota/to the byte", run: toTheByte},
	{name: "quota/to the byte, atomic", run: toTheByte, arrange: atomicUploads},
	{name: "quota/files", run: fileQuota},
	{name: "quota/the old content stays", run: oldStays, arrange: atomicUploads},
	{name: "quota/many writers", run: manyWritersQuota},
	{name: "quota/charged to whoever's folder it is", run: foreignQuota},
	{name: "quota/resume", run: resumeQuota, needs: func(d Door) bool { return d.Resumes }},
}

func (s *suite) stored(folder string) (bytes int64) {
	for _, content := range s.Files(folder) {
		bytes += int64(len(content))
	}
	return bytes
}

// used asks what the ledger has booked, which it does within a second.
func (s *suite) used(folder string, bytes, files int64) {
	s.T.Helper()
	want := quota.Amount{Bytes: bytes, Files: files}
	var last quota.Usage
	s.within(patience, fmt.Sprintf("%s uses %+v", folder, want), func() bool {
		u, ok, err := s.Quotas.Get(s.T.Context(), path.MustParse(folder))
		if err != nil || !ok {
			s.T.Errorf("the quota of %s: %v, %v", folder, ok, err)
		}
		last = u
		return u.Used == want
	})
	if last.Used != want {
		s.T.Logf("%s uses %+v", folder, last.Used)
	}
}

func toTheByte(s *suite) {
	ann := s.enter(s.Add("ann"))
	s.SetQuota("/home/ann", 100_000, -1)
	ann.mustPut("/a", strings.Repeat("a", 60_000))
	ann.mustPut("/b", strings.Repeat("b", 40_000))
	s.used("/home/ann", 100_000, 2)
	ann.refused("one byte more", ann.put("/c", "c"), ErrQuota)
	if got := s.stored("/home/ann"); got != 100_000 {
		s.T.Errorf("%d bytes are stored, want 100000", got)
	}
	_ = ann.Remove("/c") // in place an empty file may be left
	ann.must("remove", ann.Remove("/b"))
	s.used("/home/ann", 60_000, 1)
	ann.mustPut("/b", strings.Repeat("B", 40_000))
	ann.mustPut("/a", strings.Repeat("A", 10))
	s.used("/home/ann", 40_010, 2)
	ann.refused("far too much", ann.put("/big", strings.Repeat("x", 1<<20)), ErrQuota)
	if got := s.stored("/home/ann"); got > 100_000 {
		s.T.Errorf("%d bytes are stored, limit 100000", got)
	}
	_ = ann.Remove("/big")
	ann.holds("/a", strings.Repeat("A", 10))
	s.used("/home/ann", 40_010, 2)
	if len(s.Staged()) > 0 {
		s.T.Errorf("staged: %d files, want none", len(s.Staged()))
	}
}

func fileQuota(s *suite) {
	ann := s.enter(s.Add("ann"))
	s.SetQuota("/home/ann", -1, 3)
	for i := range 3 {
		ann.mustPut(fmt.Sprintf("/%d", i), "x")
	}
	ann.refused("one file more", ann.put("/more", "x"), ErrQuota)
	ann.refused("an empty one", ann.put("/empty", ""), ErrQuota)
	ann.mustPut("/0", "replaced")
	ann.must("remove", ann.Remove("/1"))
	ann.mustPut("/more", "x")
	s.used("/home/ann", 10, 3)
}

func oldStays(s *suite) {
	ann := s.enter(s.Add("ann"))
	s.SetQuota("/home/ann", 1000, -1)
	old := strings.Repeat("o", 900)
	ann.mustPut("/f", old)
	ann.refused("replace by too much", ann.put("/f", strings.Repeat("n", 2000)), ErrQuota)
	ann.holds("/f", old)
	s.used("/home/ann", 900, 1)
	if len(s.Staged()) > 0 {
		s.T.Errorf("staged: %d files, want none", len(s.Staged()))
	}
}

func manyWritersQuota(s *suite) {
	const limit, writers, files, size = 200_000, 5, 10, 7_777
	ann := s.Add("ann")
	s.SetQuota("/home/ann", limit, -1)
	var wg sync.WaitGroup
	for i := range writers {
		c := s.enter(ann)
		wg.Go(func() {
			for j := range files {
				_ = c.Put(fmt.Sprintf("/%d-%d", i, j), strings.NewReader(strings.Repeat("x", size)))
				if got := s.stored("/home/ann"); got > limit {
					s.T.Errorf("%d bytes are stored, limit %d", got, limit)
				}
			}
		})
	}
	wg.Wait()
	got := s.stored("/home/ann")
	if got > limit || got < limit-size {
		s.T.Errorf("%d bytes are stored, want the limit of %d nearly reached", got, limit)
	}
	s.used("/home/ann", got, int64(len(s.Files("/home/ann"))))
}

func foreignQuota(s *suite) {
	s.Mkdir("/projects/x")
	s.Add("ann")
	s.SetQuota("/projects/x", 1000, -1)
	s.SetQuota("/home/ann", 5000, -1)
	s.Grant("ann", "/projects/x", fullRights, "x")
	ann := s.enter(Person{Name: "ann", Password: "the password of ann"})
	ann.mustPut("/x/f", strings.Repeat("x", 1000))
	ann.refused("one byte more", ann.put("/x/g", "x"), ErrQuota)
	_ = ann.Remove("/x/g")
	ann.mustPut("/own", strings.Repeat("x", 4000))
	if err := ann.Rename("/own", "/x/own"); err == nil {
		s.T.Error("moved more into a folder than its quota allows")
	}
	ann.must("move out", ann.Rename("/x/f", "/f"))
	s.used("/projects/x", 0, 0)
	s.used("/home/ann", 5000, 2)
	ann.refused("one byte more at home", ann.put("/g", "x"), ErrQuota)
}

func resumeQuota(s *suite) {
	ann := s.enter(s.Add("ann"))
	s.SetQuota("/home/ann", 1000, -1)
	ann.mustPut("/f", strings.Repeat("a", 600))
	ann.refused("resume with too much", ann.PutAt("/f", 600, strings.NewReader(strings.Repeat("b", 401))), ErrQuota)
	got := s.stored("/home/ann")
	if got > 1000 || got < 600 {
		s.T.Errorf("%d bytes are stored, want between 600 and 1000", got)
	}
	ann.must("resume to the end", ann.PutAt("/f", got, strings.NewReader(strings.Repeat("b", int(1000-got)))))
	s.used("/home/ann", 1000, 1)
	s.onDisk("/home/ann/f", strings.Repeat("a", 600)+strings.Repeat("b", 400))
}
