// Package trail shows the trail of events: searched, followed, verified.
package trail

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/rest"
	"gatehouse/admin/rights"
	"gatehouse/storage/events"
)

// An API shows the trail.
type API struct {
	*rights.Judge
	followers *followers
}

// New makes the API.
func New(j *rights.Judge) *API { return &API{j, newFollowers()} }

// Register adds the operations to the API.
func (a *API) Register(api huma.API) {
	huma.Register(api, rest.Operation("list-events", http.MethodGet, "/events", "Query events, newest first; a delegate sees those of accounts that it manages", rest.Look), a.listEvents)
	live := rest.Operation("follow-events", http.MethodGet, "/events/live", "Follow events as server-sent events, from now on or after Last-Event-ID", rest.Look)
	live.Responses = map[string]*huma.Response{"200": {
		Description: "A message for each event, its id the position; `gap` tells of events that were dropped meanwhile",
		Content:     map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}}},
	}}
	huma.Register(api, live, a.followEvents)
	verify := rest.Operation("verify-events", http.MethodPost, "/events/verify", "Verify that the trail is as it was written", rest.Read)
	verify.Metadata["reads"] = true
	huma.Register(api, verify, a.verifyEvents)
	huma.Register(api, rest.Operation("list-event-kinds", http.MethodGet, "/event-kinds", "Every kind of event, and what it tells of", rest.Look), a.listKinds)
	describeKinds(api.OpenAPI().Paths["/events"].Get, api.OpenAPI().Paths["/events/live"].Get)
}

// describeKinds names every kind where one is asked for.
func describeKinds(operations ...*huma.Operation) {
	for _, op := range operations {
		for _, p := range op.Parameters {
			if p.Name == "kind" {
				p.Description += ". There are " + kindNames()
			}
		}
	}
}

func (a *API) listKinds(context.Context, *rest.Nothing) (*rest.Body[[]events.KindText], error) {
	return &rest.Body[[]events.KindText]{Body: events.Kinds()}, nil
}

type listEventsInput struct {
	EventQuery
	Oldest bool   `query:"oldest" doc:"oldest first"`
	Cursor uint64 `query:"cursor"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

// EventPage is a piece of the trail; next_cursor is 0 at the end. A page may be
// short with more after it: a search looks at a bounded number of events.
type EventPage struct {
	Items []events.Event `json:"items"`
	Next  uint64         `json:"next_cursor"`
}

func (a *API) listEvents(ctx context.Context, in *listEventsInput) (*rest.Body[EventPage], error) {
	q, err := a.query(ctx, in.EventQuery)
	if err != nil {
		return nil, a.Problem(err)
	}
	q.After, q.Limit, q.Oldest = in.Cursor, in.Limit, in.Oldest
	found, next, err := a.Events.List(ctx, q)
	if err != nil {
		return nil, a.Problem(err)
	}
	if found == nil {
		found = []events.Event{}
	}
	return &rest.Body[EventPage]{Body: EventPage{found, next}}, nil
}

// visibleEvents tells what the caller may see of the trail: a delegate only what
// is about accounts that it manages.
func (a *API) visibleEvents(ctx context.Context) (func(events.Event) bool, error) {
	r, err := a.Sight(ctx)
	if err != nil {
		return nil, err
	}
	return visibleTo(r), nil
}

func visibleTo(r rights.Sight) func(events.Event) bool {
	return func(e events.Event) bool { return r.Sees(e.AccountID) }
}

type verifyInput struct {
	Body struct {
		Against []string `json:"against,omitempty" maxItems:"1000" doc:"checkpoints, as they stand in the log, that the trail must hold"`
	}
}

// verifyEvents may take long: the whole trail is read.
func (a *API) verifyEvents(ctx context.Context, in *verifyInput) (*rest.Body[events.Report], error) {
	report, err := a.Events.Verify(ctx, in.Body.Against)
	if errors.Is(err, events.ErrVerifying) {
		return nil, huma.NewError(http.StatusConflict, err.Error())
	}
	if err != nil {
		return nil, a.Problem(err)
	}
	return &rest.Body[events.Report]{Body: report}, nil
}
