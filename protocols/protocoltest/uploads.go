package protocoltest

import (
	"slices"
	"strings"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

// An uploadEnd is a way in which an upload ends before it is whole.
type uploadEnd struct {
	name   string
	ground ground
	needs  func(Door) bool
	// breaks uploads content under a name, and ends it.
	breaks   func(s *suite, v *visitor, name, content string)
	outcomes []string // of the event
}

var uploadEnds = []uploadEnd{
	{name: "the client goes", breaks: clientGoes, outcomes: []string{events.Aborted, events.WasCut}},
	{name: "policy cuts it", breaks: policyCuts, outcomes: []string{events.WasCut}},
	{name: "a quota is reached", breaks: quotaEnds, outcomes: []string{events.Denied}},
	{name: "the disk errs", breaks: diskErrs, outcomes: []string{events.Failed}, ground: ground{unsteady: true}},
	{name: "the disk is full", breaks: diskEnds, outcomes: []string{events.Failed}, ground: ground{small: smallDisk}, needs: isRoot},
}

// uploadCases are every end, in place and atomic, of a new file and of one that
// is there.
func uploadCases() []testCase {
	var cases []testCase
	for _, e := range uploadEnds {
		c := testCase{name: "uploads/" + e.name, run: e.run, ground: e.ground, needs: e.needs}
		cases = append(cases, c)
		c.name, c.arrange = c.name+", atomic", atomicUploads
		cases = append(cases, c)
	}
	return cases
}

// brokenSize is of an upload that is not to be whole.
const brokenSize = 2 * smallDisk

func (e uploadEnd) run(s *suite) {
	p := s.Add("ann")
	s.SetQuota("/home/ann", faultQuota, -1)
	old, content := strings.Repeat("o", 50_000), string(pattern(brokenSize))
	s.enter(p).mustPut("/old", old)
	for _, name := range []string{"/new", "/old"} {
		e.breaks(s, s.enter(p), name, content)
		s.within(patience, "nothing is staged", s.nothingStaged)
		s.within(patience, "it is let go", func() bool { return len(s.open()) == 0 })
		s.leaves(name, old, content)
		s.settled()
		e.told(s, name)
		s.SetQuota("/home/ann", faultQuota, -1)
		again := s.enter(p)
		again.mustPut(name, "whole")
		again.holds(name, "whole")
		again.must("remove", again.Remove(name))
		again.mustPut("/old", old)
		s.used("/home/ann", int64(len(old)), 1)
	}
}

// leaves asks what stands under the name of an upload that was not whole: what
// stood there where it is atomic, else what has arrived, from the first byte on.
func (s *suite) leaves(name, old, content string) {
	s.T.Helper()
	is, there := s.Files("/home/ann")[name]
	switch {
	case s.atomic() && name == "/old" && is != old:
		s.T.Errorf("%s is %s, want the old content", name, short(is))
	case s.atomic() && name != "/old" && there:
		s.T.Errorf("%s is there, with %d bytes", name, len(is))
	case !s.atomic() && (is == "" || len(is) == len(content) || !strings.HasPrefix(content, is)):
		s.T.Errorf("%s is %s, want what has arrived", name, short(is))
	}
}

// told asks for the event of the upload that was broken.
func (e uploadEnd) told(s *suite, name string) {
	s.T.Helper()
	var last events.Event
	s.within(patience, "the event says how "+name+" ended", func() bool {
		if list := s.events(events.Query{Account: "ann", Kind: events.Upload, Limit: 20}); len(list) > 0 {
			last = list[len(list)-1]
		}
		return last.Path == "/home/ann"+name && slices.Contains(e.outcomes, last.Outcome)
	})
	if is := s.Files("/home/ann")[name]; !s.atomic() && last.Bytes != int64(len(is)) {
		s.T.Errorf("the event is %+v, and %d bytes have arrived", last, len(is))
	}
}

// arriving is an upload of which some has arrived.
func (v *visitor) arriving(name, content string) *transfer {
	v.s.T.Helper()
	up := v.upload(name, []byte(content))
	v.s.within(patience, "some of it arrives", func() bool {
		for _, staged := range v.s.Staged() {
			if staged != "" {
				return true
			}
		}
		is := v.s.Files("/home/ann")[name]
		return is != "" && strings.HasPrefix(content, is)
	})
	return up
}

func clientGoes(s *suite, v *visitor, name, content string) {
	up := v.arriving(name, content)
	if err := v.Close(); err != nil {
		s.T.Logf("close: %v", err)
	}
	s.within(patience, "the upload is let go", func() bool { return len(s.open()) == 0 })
	up.wasCut()
}

func policyCuts(s *suite, v *visitor, name, content string) {
	up := v.arriving(name, content)
	s.Disable(v.name)
	s.within(patience, "the upload is let go", func() bool { return len(s.open()) == 0 })
	up.wasCut()
	s.Change(v.name, func(a *accounts.Account) { a.Status = policy.Status{} })
}

func quotaEnds(s *suite, v *visitor, name, content string) {
	s.SetQuota("/home/ann", brokenSize/2, -1)
	v.refused("an upload beyond the quota", v.put(name, content), ErrQuota)
	if got := s.stored("/home/ann"); got > brokenSize/2 {
		s.T.Errorf("%d bytes are stored, limit %d", got, brokenSize/2)
	}
}

func diskEnds(_ *suite, v *visitor, name, content string) {
	v.refused("an upload beyond the disk", v.put(name, content), ErrNoSpace)
}

func diskErrs(s *suite, v *visitor, name, content string) {
	err := s.bounded("put "+name, func() error { return v.Put(name, s.breaking(&s.disk, len(content)/2, len(content))) })
	s.disk.end()
	if err == nil {
		s.T.Errorf("the upload of %s went well, on a disk that broke", name)
	}
}
