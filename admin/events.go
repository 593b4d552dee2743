package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/sse"

	"gatehouse/storage/events"
)

func (a *API) registerEvents(api huma.API) {
	huma.Register(api, operation("list-events", http.MethodGet, "/events", "Query events, newest first", rightRead), a.listEvents)
	follow := operation("follow-events", http.MethodGet, "/events/live", "Follow events as server-sent events", rightRead)
	sse.Register(api, follow, map[string]any{"message": events.Event{}}, a.followEvents)
}

type listEventsInput struct {
	Account   string    `query:"account"`
	Session   string    `query:"session"`
	Kind      string    `query:"kind" doc:"a kind, or a prefix that ends in a dot: file."`
	Reference string    `query:"reference"`
	Since     time.Time `query:"since"`
	Until     time.Time `query:"until"`
	Cursor    uint64    `query:"cursor"`
	Limit     int       `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

// EventPage is a piece of the trail; next_cursor is 0 at the end.
type EventPage struct {
	Items []events.Event `json:"items"`
	Next  uint64         `json:"next_cursor"`
}

func (a *API) listEvents(ctx context.Context, in *listEventsInput) (*bodyOf[EventPage], error) {
	found, next, err := a.Events.List(ctx, events.Query{
		Account: in.Account, Session: in.Session, Kind: events.Kind(in.Kind), Reference: in.Reference,
		Since: in.Since, Until: in.Until, After: in.Cursor, Limit: in.Limit,
	})
	if err != nil {
		return nil, a.problem(err)
	}
	if found == nil {
		found = []events.Event{}
	}
	return &bodyOf[EventPage]{EventPage{found, next}}, nil
}

// followEvents ends with the client, and with the caller's right to look.
func (a *API) followEvents(ctx context.Context, _ *nothing, send sse.Sender) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := callerOf(ctx)
	if !c.Socket() {
		defer context.AfterFunc(c.Session.Context(), cancel)()
	}
	for e := range a.Events.Follow(ctx) {
		if !c.Socket() {
			c.Role = c.Session.Role()
		}
		if status, _ := judge(rightRead, &c); status != 0 || send.Data(e) != nil {
			return
		}
	}
}
