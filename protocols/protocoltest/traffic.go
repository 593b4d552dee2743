package protocoltest

import (
	"strings"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

var trafficCases = []testCase{
	{name: "traffic/a day's bytes", run: daysBytes},
	{name: "traffic/rates", run: rates},
	{name: "traffic/operations", run: operations},
}

func (s *suite) limit(name string, l policy.Limits) {
	s.T.Helper()
	s.Change(name, func(a *accounts.Account) { a.Limits = l })
}

// daysBytes counts both directions together, over all sessions; what follows a
// raised limit is a session that was open all the while.
func daysBytes(s *suite) {
	p := s.Add("ann")
	s.limit("ann", policy.Limits{BytesPerDay: 100_000})
	ann, other := s.enter(p), s.enter(p)
	content := strings.Repeat("a", 50_000)
	ann.mustPut("/a", content)
	other.holds("/a", content)
	ann.refused("one byte more", ann.put("/b", "b"), ErrDenied, ErrQuota)
	_, err := other.get("/a")
	other.refused("a download", err, ErrDenied, ErrQuota)
	s.limit("ann", policy.Limits{BytesPerDay: 1_000_000})
	s.within(patience, "a raised limit holds", func() bool {
		got, err := other.get("/a")
		return err == nil && got == content
	})
	if s.several() { // the other node may have set aside all that there is
		other.must("leave", other.Close())
		s.within(patience, "it is given back", func() bool { return ann.put("/b", "b") == nil })
		return
	}
	ann.mustPut("/b", "b")
}

// rates hold for what one account does, however many sessions it has.
func rates(s *suite) {
	const rate, size = 1 << 20, 3 << 19
	p := s.Add("ann")
	s.limit("ann", policy.Limits{UploadRate: rate, DownloadRate: rate})
	ann := s.enter(p)
	content := strings.Repeat("x", size)
	s.takes("an upload", time.Second, func() { ann.mustPut("/f", content) })
	s.takes("a download", time.Second, func() { ann.holds("/f", content) })
}

// operations hold on each node.
func operations(s *suite) {
	many := 30
	if s.door.Join != nil {
		many *= len(s.all)
	}
	p := s.Add("ann")
	s.limit("ann", policy.Limits{OpsPerSecond: 10})
	ann := s.enter(p)
	s.takes("thirty operations", time.Second, func() {
		for range many {
			ann.mustPut("/f", "x")
		}
	})
}

// takes asks that something takes at least so long.
func (s *suite) takes(what string, least time.Duration, do func()) {
	s.T.Helper()
	start := time.Now()
	do()
	if took := time.Since(start); took < least {
		s.T.Errorf("%s took %v, want %v at least", what, took, least)
	}
}
