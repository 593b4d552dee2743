package self

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/record"
	"gatehouse/admin/rest"
	"gatehouse/admin/trail"
	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

// Bounds of what an account is shown of its logins.
const (
	latestLogins = 25
	loginsSince  = 90 * 24 * time.Hour
)

func (a *API) registerOwnSessions(api huma.API) {
	huma.Register(api, rest.Operation("own-sessions", http.MethodGet, "/me/sessions", "One's own open sessions", rest.Own), a.ownSessions)
	huma.Register(api, rest.Operation("end-own-session", http.MethodDelete, "/me/sessions/{id}", "End one of one's own sessions", rest.Own), a.endOwnSession)
	huma.Register(api, rest.Operation("own-logins", http.MethodGet, "/me/logins", "One's latest logins and addresses", rest.Own), a.ownLogins)
	huma.Register(api, rest.Operation("own-events", http.MethodGet, "/me/events", "One's own history, newest first", rest.Own), a.ownEvents)
}

// OwnSession is one of one's own sessions.
type OwnSession struct {
	session.Description
	Current bool `json:"current" doc:"the one that asks"`
}

func (a *API) ownSessions(ctx context.Context, _ *rest.Nothing) (*rest.Body[[]OwnSession], error) {
	c := rest.CallerOf(ctx)
	own, err := a.Sessions.Everywhere(ctx, c.Session.AccountID())
	if err != nil {
		return nil, a.Problem(err)
	}
	list := []OwnSession{}
	for _, d := range own {
		list = append(list, OwnSession{d, d.ID == c.Session.ID()})
	}
	return &rest.Body[[]OwnSession]{Body: list}, nil
}

type ownSessionInput struct {
	ID string `path:"id" maxLength:"400"`
}

func (a *API) endOwnSession(ctx context.Context, in *ownSessionInput) (*rest.Nothing, error) {
	c := rest.CallerOf(ctx)
	own, err := a.Sessions.Everywhere(ctx, c.Session.AccountID())
	if err != nil {
		return nil, a.Problem(err)
	}
	if !slices.ContainsFunc(own, func(d session.Description) bool { return d.ID == in.ID }) {
		return nil, huma.NewError(http.StatusNotFound, "no such session")
	}
	if err := a.Intend(ctx, "session.end", c.Name); err != nil {
		return nil, err
	}
	switch found, err := a.Sessions.EndAnywhere(ctx, in.ID, "ended by "+c.Actor()); {
	case err != nil:
		return nil, a.Problem(err)
	case !found:
		return nil, huma.NewError(http.StatusNotFound, "no such session")
	}
	return nil, a.Problem(a.Record(ctx, "session.end", c.Name, map[string]any{"session": in.ID}, nil))
}

// OwnLogin is a login, or one that was refused.
type OwnLogin struct {
	Time       time.Time `json:"time"`
	Door       string    `json:"door"`
	Address    string    `json:"address"`
	Credential string    `json:"credential"`
	Outcome    string    `json:"outcome"`
	Reference  string    `json:"reference,omitempty"`
}

// OwnLogins are one's latest logins, and where they came from.
type OwnLogins struct {
	Logins    []OwnLogin   `json:"logins"`
	Addresses []OwnAddress `json:"addresses"`
}

// OwnAddress is where somebody logged in from, and when they did last.
type OwnAddress struct {
	Address string    `json:"address"`
	Latest  time.Time `json:"latest"`
	Logins  int       `json:"logins" doc:"of those that are shown"`
}

func (a *API) ownLogins(ctx context.Context, _ *rest.Nothing) (*rest.Body[OwnLogins], error) {
	found, _, err := a.Events.List(ctx, events.Query{
		AccountID: rest.CallerOf(ctx).Session.AccountID(), Kind: events.Login, Since: time.Now().Add(-loginsSince), Limit: latestLogins,
	})
	if err != nil {
		return nil, a.Problem(err)
	}
	refused, _, err := a.Events.List(ctx, events.Query{
		AccountID: rest.CallerOf(ctx).Session.AccountID(), Kind: events.Refused, Since: time.Now().Add(-loginsSince), Limit: latestLogins,
	})
	if err != nil {
		return nil, a.Problem(err)
	}
	v := OwnLogins{Logins: []OwnLogin{}, Addresses: []OwnAddress{}}
	for _, e := range found {
		v.note(e)
	}
	found = append(found, refused...)
	slices.SortStableFunc(found, func(x, y events.Event) int { return y.Time.Compare(x.Time) })
	for _, e := range found {
		v.Logins = append(v.Logins, OwnLogin{
			Time: e.Time, Door: e.Door, Address: e.Address.String(), Credential: e.Credential, Outcome: string(e.Outcome), Reference: e.Reference,
		})
	}
	return &rest.Body[OwnLogins]{Body: v}, nil
}

// note counts the address of a login; the newest comes first.
func (v *OwnLogins) note(e events.Event) {
	text := e.Address.String()
	for i := range v.Addresses {
		if v.Addresses[i].Address == text {
			v.Addresses[i].Logins++
			return
		}
	}
	v.Addresses = append(v.Addresses, OwnAddress{Address: text, Latest: e.Time, Logins: 1})
}

type ownEventsInput struct {
	Kind   string    `query:"kind" doc:"a kind of GET /event-kinds, and those below it: file"`
	Since  time.Time `query:"since"`
	Until  time.Time `query:"until"`
	Cursor uint64    `query:"cursor"`
	Limit  int       `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

// ownEvents leaves out what administrators note about the account.
func (a *API) ownEvents(ctx context.Context, in *ownEventsInput) (*rest.Body[trail.EventPage], error) {
	kind, err := trail.AskedKind(in.Kind)
	if err != nil {
		return nil, err
	}
	found, next, err := a.Events.List(ctx, events.Query{
		AccountID: rest.CallerOf(ctx).Session.AccountID(), Under: kind,
		Since: in.Since, Until: in.Until, After: in.Cursor, Limit: in.Limit,
	})
	if err != nil {
		return nil, a.Problem(err)
	}
	if found == nil {
		found = []events.Event{}
	}
	if !rest.CallerOf(ctx).Administers() {
		for i := range found {
			delete(found[i].Before, "notes")
			delete(found[i].After, "notes")
		}
	}
	return &rest.Body[trail.EventPage]{Body: trail.EventPage{Items: found, Next: next}}, nil
}

// OwnGroup is a group that one is in or manages.
type OwnGroup struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"`
	Member  bool   `json:"member"`
	Manager bool   `json:"manager"`
	Owner   bool   `json:"owner"`
}

func (a *API) ownGroups(ctx context.Context, _ *rest.Nothing) (*rest.Body[[]OwnGroup], error) {
	x, _, err := a.own(ctx)
	if err != nil {
		return nil, err
	}
	all, err := a.Accounts.Groups(ctx)
	if err != nil {
		return nil, a.Problem(err)
	}
	list := []OwnGroup{}
	for _, g := range all {
		v := OwnGroup{
			Name: g.Name, Kind: g.Kind, Member: slices.Contains(x.Groups, g.ID),
			Manager: slices.Contains(g.Managers, x.ID), Owner: g.Owner == x.ID,
		}
		if v.Member || v.Manager || v.Owner {
			list = append(list, v)
		}
	}
	return &rest.Body[[]OwnGroup]{Body: list}, nil
}

// OwnGuest is a guest that one manages.
type OwnGuest struct {
	Username    string            `json:"username"`
	DisplayName string            `json:"display_name,omitempty"`
	Email       string            `json:"email,omitempty"`
	Status      record.StatusView `json:"status"`
	ExpiresAt   *time.Time        `json:"expires_at,omitempty"`
}

func (a *API) ownGuests(ctx context.Context, _ *rest.Nothing) (*rest.Body[[]OwnGuest], error) {
	x, _, err := a.own(ctx)
	if err != nil {
		return nil, err
	}
	list := []OwnGuest{}
	for _, id := range a.Accounts.Managed(x.ID) {
		guest, err := a.Accounts.ByID(ctx, id)
		if err != nil || guest.Role != policy.RoleGuest {
			continue // one that is gone is nobody's guest
		}
		effective, err := a.Accounts.Effective(ctx, guest)
		if err != nil {
			return nil, a.Problem(err)
		}
		list = append(list, ownGuest(guest, effective))
	}
	slices.SortFunc(list, func(x, y OwnGuest) int { return strings.Compare(x.Username, y.Username) })
	return &rest.Body[[]OwnGuest]{Body: list}, nil
}

func ownGuest(x accounts.Account, e policy.Effective) OwnGuest {
	v := OwnGuest{Username: x.Name, DisplayName: x.DisplayName, Email: x.Email, Status: record.StatusOf(x, e, time.Now())}
	if x.Expires != nil {
		v.ExpiresAt = &x.Expires.Instant
	}
	return v
}
