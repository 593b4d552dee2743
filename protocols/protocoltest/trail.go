package protocoltest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gatehouse/auth/session"
	"gatehouse/storage/events"
)

var trailCases = []testCase{
	{name: "trail/one event for each operation", run: oneEvent},
	{name: "trail/refusals", run: refusals},
	{name: "trail/logins", run: logins},
	{name: "trail/sessions are listed and ended", run: sessions},
}

// recorded are an account's events of some kinds, oldest first, as text.
func (s *suite) recorded(account string, kinds ...events.Kind) []string {
	s.T.Helper()
	var found []string
	for _, e := range s.events(events.Query{Account: account, Limit: 1000}) {
		if slices.Contains(kinds, e.Kind) {
			found = append(found, strings.TrimSpace(fmt.Sprintf("%s %s %d %s %s", e.Kind, e.Outcome, e.Bytes, e.Path, e.Target)))
		}
	}
	return found
}

// events are the newest of those that a query selects, in the order in which they
// happened: that in which they are kept is each node's own.
func (s *suite) events(q events.Query) []events.Event {
	s.T.Helper()
	list, _, err := s.Events.List(s.T.Context(), q)
	s.must(err)
	slices.Reverse(list)
	if s.several() {
		slices.SortStableFunc(list, func(a, b events.Event) int { return a.Time.Compare(b.Time) })
	}
	return list
}

func (s *suite) records(account string, want []string, kinds ...events.Kind) {
	s.T.Helper()
	var got []string
	deadline := time.Now().Add(patience)
	for tick := time.NewTicker(10 * time.Millisecond); ; <-tick.C {
		got = s.recorded(account, kinds...)
		if slices.Equal(got, want) || time.Now().After(deadline) {
			tick.Stop()
			break
		}
	}
	if !slices.Equal(got, want) {
		s.T.Errorf("events of %s:\n%s\nwant\n%s", account, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func oneEvent(s *suite) {
	ann := s.enter(s.Add("ann"))
	ann.mustPut("/f", "content")
	ann.holds("/f", "content")
	// The client has all of it before the door has closed the file.
	s.records("ann", []string{"file.upload ok 7 /home/ann/f", "file.download ok 7 /home/ann/f"}, events.Upload, events.Download)
	ann.must("mkdir", ann.Mkdir("/d"))
	ann.must("rename", ann.Rename("/f", "/d/g"))
	ann.mustPut("/d/g", "changed")
	ann.must("remove", ann.Remove("/d/g"))
	ann.must("remove folder", ann.RemoveDir("/d"))
	s.records("ann", []string{
		"file.upload ok 7 /home/ann/f",
		"file.download ok 7 /home/ann/f",
		"file.mkdir ok 0 /home/ann/d",
		"file.rename ok 0 /home/ann/f /home/ann/d/g",
		"file.upload ok 7 /home/ann/d/g",
		"file.delete ok 0 /home/ann/d/g",
		"file.delete ok 0 /home/ann/d",
	}, events.Upload, events.Download, events.Mkdir, events.Rename, events.Delete)
}

func refusals(s *suite) {
	s.Write("/pub/f", "public")
	s.Add("ann")
	s.Grant("ann", "/pub", readRights, "pub")
	ann := s.enter(Person{Name: "ann", Password: "the password of ann"})
	ann.refused("put", ann.put("/pub/new", "x"), ErrDenied)
	ann.refused("remove", ann.Remove("/pub/f"), ErrDenied)
	s.within(patience, "the refusals are recorded", func() bool {
		got := s.recorded("ann", events.Upload, events.Delete)
		return slices.Equal(got, []string{"file.upload refused 0 /pub/new", "file.delete refused 0 /pub/f"})
	})
	if s.T.Failed() {
		s.T.Logf("events: %q", s.recorded("ann", events.Upload, events.Delete))
	}
}

func logins(s *suite) {
	s.Add("ann")
	if c, err := s.dial(Login{Person: Person{Name: "ann", Password: "wrong"}}); err == nil {
		_, _ = c.List("/")
		_ = c.Close()
	}
	list, _, err := s.Events.List(s.T.Context(), events.Query{Kind: events.Refused})
	s.must(err)
	if len(list) == 0 || list[0].Account != "ann" || list[0].Door != string(s.door.Door) || list[0].Reference == "" || list[0].Rule == "" {
		s.T.Errorf("refusals: %+v, want one of ann by this door, with reference and rule", list)
	}
	ann := s.enter(Person{Name: "ann", Password: "the password of ann"})
	ann.lists("/")
	ann.lists("/")
	list, _, err = s.Events.List(s.T.Context(), events.Query{Kind: events.Login})
	s.must(err)
	for len(list) > 1 && list[1].Session == list[0].Session { // each node tells of the session that it has of the same requests
		list = list[1:]
	}
	if len(list) != 1 || list[0].Account != "ann" || list[0].Session == "" || !list[0].Address.IsLoopback() {
		s.T.Errorf("logins: %+v, want one of ann", list)
	}
}

// of are the sessions of an account.
func (s *suite) of(account string) []session.Description {
	var found []session.Description
	for _, d := range s.sessions() {
		if d.Account == account {
			found = append(found, d)
		}
	}
	return found
}

func sessions(s *suite) {
	ann, bob := s.enter(s.Add("ann")), s.enter(s.Add("bob"))
	ann.mustPut("/f", "content")
	bob.lists("/")
	list := s.of("ann")
	if len(list) != 1 || list[0].Door != s.door.Door || !list[0].Address.IsLoopback() || list[0].ID == "" {
		s.T.Fatalf("sessions of ann: %+v, want one of this door", list)
	}
	s.Disable("bob") // so that nobody comes in anew
	if !s.end(list[0].ID) {
		s.T.Error("the session could not be ended")
	}
	s.within(patience, "the session is gone", func() bool { return len(s.of("bob")) == 0 })
	gone := func() bool {
		return !slices.ContainsFunc(s.of("ann"), func(d session.Description) bool { return d.ID == list[0].ID })
	}
	if s.several() { // one may have come while it ended
		s.within(patience, "it is ended on all nodes", gone)
	} else if !gone() {
		s.T.Error("the ended session is still listed")
	}
	if s.end("none") {
		s.T.Error("a session that is not there was ended")
	}
}
