package trail

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/rest"
	"gatehouse/storage/events"
)

const (
	// mostFollowers is how many may follow the events at once.
	mostFollowers = 100
	// mostOfOne is how many of them may be of one account.
	mostOfOne = 10
	// heartbeat is how often a follower hears that it still follows.
	heartbeat = 15 * time.Second
	// lookAgain is how often a follower's right to look is asked for where nothing
	// happens, and how long what it may see is taken for true.
	lookAgain = 500 * time.Millisecond
)

// followers counts who follows, so that nobody keeps others from it.
type followers struct {
	mu  sync.Mutex // guards what follows
	all int
	of  map[string]int // by account; the local socket has what there is
}

func newFollowers() *followers { return &followers{of: map[string]int{}} }

// join counts one more, and returns what counts it out again.
func (f *followers) join(c rest.Caller) (leave func(), err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.all >= mostFollowers {
		return nil, huma.NewError(http.StatusServiceUnavailable, "too many follow the events already")
	}
	id := c.ID()
	if !c.Socket() && f.of[id] >= mostOfOne {
		return nil, huma.NewError(http.StatusTooManyRequests, "this account follows the events too often already")
	}
	f.all++
	f.of[id]++
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.all--
		if f.of[id]--; f.of[id] == 0 {
			delete(f.of, id)
		}
	}, nil
}

type followInput struct {
	EventQuery
	LastEventID uint64 `header:"Last-Event-ID" doc:"position of the last event seen: go on after it"`
	After       uint64 `query:"after" doc:"Last-Event-ID for those who cannot send the header"`
}

// followEvents ends with the client, with its session, and with its right to
// look. A client that reads too slowly for a minute is cut; nothing is kept for
// it, since it goes on with Last-Event-ID.
func (a *API) followEvents(ctx context.Context, in *followInput) (*huma.StreamResponse, error) {
	q, err := a.query(ctx, in.EventQuery)
	if err != nil {
		return nil, a.Problem(err)
	}
	leave, err := a.followers.join(rest.CallerOf(ctx))
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(out huma.Context) {
		defer leave()
		out.SetHeader("Content-Type", "text/event-stream")
		out.SetHeader("Cache-Control", "no-store")
		out.SetHeader("X-Accel-Buffering", "no") // a proxy in between passes each event on at once
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		if c := rest.CallerOf(ctx); c.Session != nil {
			defer context.AfterFunc(c.Session.Context(), cancel)()
		}
		f := &follower{api: a, query: q, out: out.BodyWriter(), at: max(in.LastEventID, in.After)}
		f.run(ctx)
	}}, nil
}

// A follower sends events to one client.
type follower struct {
	api    *API
	query  events.Query
	out    io.Writer
	at     uint64    // the position of the last event passed, 0 before the first
	looked time.Time // when its right was last looked at
}

func (f *follower) run(ctx context.Context) {
	var trail <-chan events.Event
	if f.at > 0 {
		trail = f.api.Events.FollowAfter(ctx, f.at)
	} else {
		trail = f.api.Events.Follow(ctx)
	}
	tick, beat := time.NewTicker(lookAgain), time.NewTicker(heartbeat)
	defer tick.Stop()
	defer beat.Stop()
	if f.write(": following the events\n\n") != nil {
		return
	}
	for {
		var err error
		select {
		case e, open := <-trail:
			if !open || !f.may(ctx) {
				return
			}
			err = f.pass(e)
		case <-tick.C:
			if !f.may(ctx) {
				return
			}
		case <-beat.C:
			err = f.beat()
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// may asks whether the caller may still look and, now and then, at what.
func (f *follower) may(ctx context.Context) bool {
	c := rest.CallerOf(ctx)
	if c.Session != nil {
		c.Role = c.Session.Role()
	}
	if status, _ := rest.Refusal(rest.Look, &c); status != 0 {
		return false
	}
	if time.Since(f.looked) < lookAgain {
		return true
	}
	visible, err := f.api.visibleEvents(rest.WithCaller(ctx, c))
	if err != nil {
		return false
	}
	f.query.Visible, f.looked = visible, time.Now()
	return true
}

func (f *follower) pass(e events.Event) error {
	if f.at > 0 && e.Position > f.at+1 {
		gap := fmt.Sprintf("event: gap\ndata: {\"after\":%d,\"next\":%d}\n\n", f.at, e.Position)
		if err := f.write(gap); err != nil {
			return err
		}
	}
	f.at = e.Position
	if !f.query.Selects(e) {
		return nil
	}
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return f.write(fmt.Sprintf("id: %d\ndata: %s\n\n", e.Position, text))
}

// beat shows both sides that the other is there, and moves the id over events
// that were not for this client.
func (f *follower) beat() error {
	if f.at == 0 {
		return f.write(": still here\n\n")
	}
	return f.write(fmt.Sprintf(": still here\nid: %d\n\n", f.at))
}

func (f *follower) write(text string) error {
	if _, err := io.WriteString(f.out, text); err != nil {
		return err
	}
	if w, ok := f.out.(http.ResponseWriter); ok {
		return http.NewResponseController(w).Flush()
	}
	return nil
}
