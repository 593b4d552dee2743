package protocoltest

import (
	"io"
	"strings"
	"syscall"

	"gatehouse/policy"
)

const smallDisk = 2 << 20

var faultCases = []testCase{
	{name: "faults/full disk", run: fullDisk, ground: ground{small: smallDisk}, needs: isRoot},
	{name: "faults/full disk, atomic", run: fullDisk, arrange: atomicUploads, ground: ground{small: smallDisk}, needs: isRoot},
	{name: "faults/disk", run: diskFails, ground: ground{unsteady: true}},
	{name: "faults/disk, atomic", run: diskFails, arrange: atomicUploads, ground: ground{unsteady: true}},
	{name: "faults/store", run: storeFails, ground: ground{unsteady: true}},
	{name: "faults/store, atomic", run: storeFails, arrange: atomicUploads, ground: ground{unsteady: true}},
}

const faultQuota = 100 << 20

// fullDisk: what does not fit is refused with its reason, leaves nothing that is
// not under a name, and is charged as it lies there.
func fullDisk(s *suite) {
	ann := s.enter(s.Add("ann"))
	s.SetQuota("/home/ann", faultQuota, -1)
	old, large := strings.Repeat("o", smallDisk/4), strings.Repeat("n", 2*smallDisk)
	ann.mustPut("/old", old)
	ann.refused("replace by more than the disk has", ann.put("/old", large), ErrNoSpace)
	s.kept(ann, "/old", old)
	s.settled()
	_ = ann.Remove("/old") // in place a part of it lies there
	ann.refused("make what is more than the disk has", ann.put("/new", large), ErrNoSpace)
	s.settled()
	_ = ann.Remove("/new")
	s.goesOn(ann)
}

// diskFails in the middle of an upload, and as it is put in its place.
func diskFails(s *suite) {
	ann := s.enter(s.Add("ann"))
	s.SetQuota("/home/ann", faultQuota, -1)
	old := strings.Repeat("o", 300_000)
	ann.mustPut("/old", old)
	const size = 2 << 20
	after := []int{size / 2}
	if s.atomic() {
		after = append(after, size)
	}
	for _, at := range after {
		for _, name := range []string{"/old", "/new"} {
			if err := ann.Put(name, s.breaking(&s.disk, at, size)); err == nil {
				s.T.Errorf("the upload of %s went well, on a disk that broke after %d bytes", name, at)
			}
			s.disk.end()
			s.kept(ann, "/old", old)
			s.settled()
		}
		_ = ann.Remove("/new")
	}
	s.goesOn(ann)
}

// storeFails before an upload begins, and after it has begun: an upload for which
// all room is taken by then may go well.
func storeFails(s *suite) {
	ann := s.enter(s.Add("ann"))
	s.SetQuota("/home/ann", faultQuota, -1)
	const much = 20 << 20 // more than a node leases at a time
	old := strings.Repeat("o", 300_000)
	ann.mustPut("/old", old)
	err := ann.Put("/new", s.breaking(&s.store, 1<<20, much))
	s.store.end()
	if size := int64(len(s.Files("/home/ann")["/new"])); err == nil && size != much {
		s.T.Errorf("%d bytes are there of an upload that was confirmed", size)
	}
	s.settled()
	_ = ann.Remove("/new")
	s.used("/home/ann", 300_000, 1)
	s.SetQuota("/home/ann", 400_000, -1) // what is leased is given back with it
	ann.refused("an upload while the store is away", ann.Put("/old", s.breaking(&s.store, 0, 350_000)), ErrAway)
	s.store.end()
	s.kept(ann, "/old", old)
	s.settled()
	s.SetQuota("/home/ann", faultQuota, -1)
	s.goesOn(ann)
}

// breaking is an upload of so much, after a part of which something breaks.
func (s *suite) breaking(f *fault, after, size int) io.Reader {
	begin := &onRead{func() { f.begin(syscall.EIO) }}
	content := string(pattern(size))
	return io.MultiReader(strings.NewReader(content[:after]), begin, strings.NewReader(content[after:]))
}

// onRead does something when it is read, and is empty.
type onRead struct{ do func() }

func (r *onRead) Read([]byte) (int, error) {
	r.do()
	return 0, io.EOF
}

// kept asks for the old content where an upload is atomic.
func (s *suite) kept(v *visitor, name, old string) {
	s.T.Helper()
	if s.atomic() {
		v.holds(name, old)
	}
}

// atomic reports whether uploads appear whole or not at all.
func (s *suite) atomic() bool {
	s.T.Helper()
	site, err := s.Accounts.Site(s.T.Context())
	s.must(err)
	return s.door.AlwaysAtomic || site.Uploads == policy.Atomic
}

// settled asks that nothing is staged, and that what is charged is what is
// stored.
func (s *suite) settled() {
	s.T.Helper()
	s.within(patience, "nothing is staged", s.nothingStaged)
	s.used("/home/ann", s.stored("/home/ann"), int64(len(s.Files("/home/ann"))))
}

// goesOn asks that all is as it was before, over the connection that has seen
// the fault and over a new one.
func (s *suite) goesOn(v *visitor) {
	s.T.Helper()
	content := strings.Repeat("c", smallDisk/4)
	again := s.enter(Person{Name: "ann", Password: "the password of ann"})
	for name, one := range map[string]*visitor{"/again": v, "/again2": again} {
		var err error
		s.within(patience, "uploads go on", func() bool { err = one.put(name, content); return err == nil })
		if err != nil {
			s.T.Fatalf("after the fault: %v", err)
		}
		one.holds(name, content)
	}
	s.settled()
}
