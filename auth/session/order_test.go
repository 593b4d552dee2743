package session

import (
	"errors"
	"sync"
	"testing"

	"gatehouse/auth"
	"gatehouse/auth/authtest"
	"gatehouse/storage/events"
)

// A session of requests has the id of the one before it. In the trail each begins
// before it ends, and ends before the next one begins, however soon a client comes
// back and whoever ends it meanwhile.
func TestSessionsFollowOneAnotherInTheTrail(t *testing.T) {
	w := newWorld(t)
	w.Add("alice", nil)
	ended := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		for {
			for _, s := range w.List() {
				w.End(s.ID, "told to")
			}
			select {
			case <-ended:
				return
			default:
			}
		}
	})
	var clients sync.WaitGroup
	for range 2 {
		clients.Go(func() {
			for range 100 {
				_, done, err := w.Request(t.Context(), authtest.WebDAV("alice"))
				if err == nil {
					done()
				} else if _, refused := errors.AsType[*auth.RefusedError](err); !refused {
					t.Error(err)
				}
			}
		})
	}
	clients.Wait()
	close(ended)
	all.Wait()
	for _, s := range w.table.all() {
		s.Close()
	}
	list, _, err := w.Events.List(t.Context(), events.Query{Oldest: true, Limit: 1000})
	w.Must(err)
	in := make(map[string]bool)
	for _, e := range list {
		began := e.Kind == events.Login
		if !began && e.Kind != events.Cut && e.Kind != events.Logout {
			continue
		}
		if in[e.Session] == began {
			t.Fatalf("%s of %s at %d follows another", e.Kind, e.Session, e.Position)
		}
		in[e.Session] = began
	}
}
