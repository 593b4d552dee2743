package subsystem

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// noted is a post that counts what it asks for.
func noted() (p *post, relieved, overdue *atomic.Int64) {
	relieved, overdue = &atomic.Int64{}, &atomic.Int64{}
	return newPost(func() { relieved.Add(1) }, func() { overdue.Add(1) }), relieved, overdue
}

// Who reads the requests works on those that are quick, and loses the post over one
// that takes long. Answers that were held back leave then.
func TestPostIsLostOverASlowRequest(t *testing.T) {
	tests := map[string]struct {
		takes time.Duration
		kept  bool
	}{
		"none":  {0, true},
		"quick": {patience / 2, true},
		"slow":  {3 * patience, false},
		"stuck": {time.Hour, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, relieved, overdue := noted()
				defer p.stop()
				for range 3 { // quick ones come before
					p.begin()
					if !p.do(func() {}) {
						t.Error("lost over nothing")
					}
					p.end()
				}
				p.begin()
				if kept := p.do(func() { time.Sleep(test.takes) }); kept != test.kept {
					t.Errorf("kept: %v", kept)
				}
				synctest.Wait()
				if relieved.Load() == 1 == test.kept || overdue.Load() > 0 == test.kept {
					t.Errorf("relieved %d times, overdue %d times", relieved.Load(), overdue.Load())
				}
			})
		})
	}
}

// Requests that follow one another without end are not one slow request. But what was
// answered does not wait for their end.
func TestPostIsKeptOverManyRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, relieved, overdue := noted()
		defer p.stop()
		for range 100 {
			p.begin()
			if !p.do(func() { time.Sleep(patience / 3) }) {
				t.Fatal("lost")
			}
			p.end()
		}
		if relieved.Load() > 0 || overdue.Load() < 10 {
			t.Errorf("relieved %d times, overdue %d times", relieved.Load(), overdue.Load())
		}
	})
}

// What only the reader of requests can do loses it nothing, however long it takes;
// but what was answered before does not wait for it.
func TestPostIsKeptOverWhatNobodyElseCanDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, relieved, overdue := noted()
		defer p.stop()
		p.begin()
		time.Sleep(time.Hour)
		if !p.do(func() {}) || relieved.Load() > 0 || overdue.Load() == 0 {
			t.Errorf("relieved %d times, overdue %d times", relieved.Load(), overdue.Load())
		}
		p.end()
		before := overdue.Load()
		time.Sleep(time.Hour)
		if overdue.Load() != before {
			t.Error("waiting for requests is overdue")
		}
	})
}

// A request that had to wait for what only the reader of requests can wait for loses
// it the post all the same where it takes long then.
func TestPostIsLostAfterAWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, relieved, _ := noted()
		defer p.stop()
		p.begin()
		time.Sleep(time.Minute)
		if p.do(func() { time.Sleep(time.Hour) }) || relieved.Load() != 1 {
			t.Errorf("relieved %d times", relieved.Load())
		}
	})
}

// A file system that takes its time with each request is asked for many at a time,
// as long as it does.
func TestSlowRequestsAreWorkedOnSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _, _ := noted()
		defer p.stop()
		s := &server{post: p, crew: newCrew()}
		defer s.crew.disband()
		took := func(requests int, each time.Duration) time.Duration {
			begun := time.Now()
			for range requests {
				p.begin()
				if err := s.work(func() { time.Sleep(each) }); err != nil {
					t.Fatal(err)
				}
				p.end()
			}
			return time.Since(begun)
		}
		for round, want := range []time.Duration{few * 2 * quick, 2 * quick, 2 * quick} {
			if got := took(int(want/(2*quick))+many, 2*quick); got != want {
				t.Errorf("round %d: %d requests were read in %v, want %v", round, many, got, want)
			}
		}
		if got := took(10, quick); got != 10*quick {
			t.Errorf("quick ones were read in %v", got)
		}
		if got := took(few-1, 2*quick); got != (few-1)*2*quick {
			t.Errorf("some slow ones were read in %v", got)
		}
	})
}
