package admin

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/storage/events"
)

func (a *API) registerEvents(api huma.API) {
	huma.Register(api, operation("list-events", http.MethodGet, "/events", "Query events, newest first; a delegate sees those of accounts that it manages", rightLook), a.listEvents)
	live := operation("follow-events", http.MethodGet, "/events/live", "Follow events as server-sent events, from now on or after Last-Event-ID", rightLook)
	live.Responses = map[string]*huma.Response{"200": {
		Description: "A message for each event, its id the position; `gap` tells of events that were dropped meanwhile",
		Content:     map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}}},
	}}
	huma.Register(api, live, a.followEvents)
	verify := operation("verify-events", http.MethodPost, "/events/verify", "Verify that the trail is as it was written", rightRead)
	verify.Metadata["reads"] = true
	huma.Register(api, verify, a.verifyEvents)
}

// EventQuery selects events.
type EventQuery struct {
	Account   string    `query:"account" doc:"name of the account"`
	AccountID string    `query:"account_id" doc:"of one account alone, where the name was given to several in turn"`
	Actor     string    `query:"actor" doc:"who made the change"`
	Session   string    `query:"session"`
	Door      string    `query:"door"`
	Address   string    `query:"address" doc:"address of the client"`
	Kind      string    `query:"kind" doc:"a kind, or a prefix that ends in a dot: file."`
	Outcome   string    `query:"outcome" enum:"ok,refused,failed,cut,aborted"`
	Rule      string    `query:"rule"`
	Reference string    `query:"reference"`
	Path      string    `query:"path" doc:"this tree path and all below it, as the source or the target"`
	Since     time.Time `query:"since"`
	Until     time.Time `query:"until"`
}

func (q *EventQuery) query() (events.Query, error) {
	if q.Address != "" {
		ip, err := netip.ParseAddr(q.Address)
		if err != nil {
			return events.Query{}, huma.NewError(http.StatusUnprocessableEntity, "a value is not valid",
				&huma.ErrorDetail{Location: "query.address", Message: "is no address"})
		}
		q.Address = ip.Unmap().String()
	}
	return events.Query{
		Account: q.Account, AccountID: q.AccountID, Actor: q.Actor, Session: q.Session, Door: q.Door, Address: q.Address,
		Kind: events.Kind(q.Kind), Outcome: q.Outcome, Rule: q.Rule, Reference: q.Reference, Path: q.Path,
		Since: q.Since, Until: q.Until,
	}, nil
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

func (a *API) listEvents(ctx context.Context, in *listEventsInput) (*bodyOf[EventPage], error) {
	q, err := in.query()
	if err != nil {
		return nil, err
	}
	q.After, q.Limit, q.Oldest = in.Cursor, in.Limit, in.Oldest
	if q.Visible, err = a.visibleEvents(ctx); err != nil {
		return nil, a.problem(err)
	}
	found, next, err := a.Events.List(ctx, q)
	if err != nil {
		return nil, a.problem(err)
	}
	if found == nil {
		found = []events.Event{}
	}
	return &bodyOf[EventPage]{EventPage{found, next}}, nil
}

// visibleEvents tells what the caller may see of the trail: a delegate only what
// is about accounts that it manages.
func (a *API) visibleEvents(ctx context.Context) (func(events.Event) bool, error) {
	r, err := a.reachOf(ctx)
	if err != nil {
		return nil, err
	}
	return func(e events.Event) bool { return r.sees(e.AccountID) }, nil
}

type verifyInput struct {
	Body struct {
		Against []string `json:"against,omitempty" maxItems:"1000" doc:"checkpoints, as they stand in the log, that the trail must hold"`
	}
}

// verifyEvents may take long: the whole trail is read.
func (a *API) verifyEvents(ctx context.Context, in *verifyInput) (*bodyOf[events.Report], error) {
	report, err := a.Events.Verify(ctx, in.Body.Against)
	if errors.Is(err, events.ErrVerifying) {
		return nil, huma.NewError(http.StatusConflict, err.Error())
	}
	if err != nil {
		return nil, a.problem(err)
	}
	return &bodyOf[events.Report]{report}, nil
}
