package admin

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

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
	huma.Register(api, operation("own-sessions", http.MethodGet, "/me/sessions", "One's own open sessions", rightOwn), a.ownSessions)
	huma.Register(api, operation("end-own-session", http.MethodDelete, "/me/sessions/{id}", "End one of one's own sessions", rightOwn), a.endOwnSession)
	huma.Register(api, operation("own-logins", http.MethodGet, "/me/logins", "One's latest logins and addresses", rightOwn), a.ownLogins)
	huma.Register(api, operation("own-events", http.MethodGet, "/me/events", "One's own history, newest first", rightOwn), a.ownEvents)
}

// OwnSession is one of one's own sessions.
type OwnSession struct {
	session.Description
	Current bool `json:"current" doc:"the one that asks"`
}

func (a *API) ownSessions(ctx context.Context, _ *nothing) (*bodyOf[[]OwnSession], error) {
	c := callerOf(ctx)
	list := []OwnSession{}
	for _, d := range a.Sessions.List() {
		if d.AccountID == c.Session.AccountID() {
			list = append(list, OwnSession{d, d.ID == c.Session.ID()})
		}
	}
	return &bodyOf[[]OwnSession]{list}, nil
}

func (a *API) endOwnSession(ctx context.Context, in *ownItemInput) (*nothing, error) {
	c := callerOf(ctx)
	mine := func(d session.Description) bool { return d.ID == in.ID && d.AccountID == c.Session.AccountID() }
	if !slices.ContainsFunc(a.Sessions.List(), mine) {
		return nil, huma.NewError(http.StatusNotFound, "no such session")
	}
	if err := a.intend(ctx, "session.end", c.Name); err != nil {
		return nil, err
	}
	if !a.Sessions.End(in.ID, "ended by "+c.actor()) {
		return nil, huma.NewError(http.StatusNotFound, "no such session")
	}
	return nil, a.problem(a.record(ctx, "session.end", c.Name, map[string]any{"session": in.ID}, nil))
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

func (a *API) ownLogins(ctx context.Context, _ *nothing) (*bodyOf[OwnLogins], error) {
	found, _, err := a.Events.List(ctx, events.Query{
		AccountID: callerOf(ctx).Session.AccountID(), Kind: events.Login, Since: time.Now().Add(-loginsSince), Limit: latestLogins,
	})
	if err != nil {
		return nil, a.problem(err)
	}
	refused, _, err := a.Events.List(ctx, events.Query{
		AccountID: callerOf(ctx).Session.AccountID(), Kind: events.Refused, Since: time.Now().Add(-loginsSince), Limit: latestLogins,
	})
	if err != nil {
		return nil, a.problem(err)
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
	return &bodyOf[OwnLogins]{v}, nil
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
	Kind   string    `query:"kind" doc:"a kind, or a prefix that ends in a dot: file."`
	Since  time.Time `query:"since"`
	Until  time.Time `query:"until"`
	Cursor uint64    `query:"cursor"`
	Limit  int       `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

// ownEvents leaves out what administrators note about the account.
func (a *API) ownEvents(ctx context.Context, in *ownEventsInput) (*bodyOf[EventPage], error) {
	found, next, err := a.Events.List(ctx, events.Query{
		AccountID: callerOf(ctx).Session.AccountID(), Kind: events.Kind(in.Kind),
		Since: in.Since, Until: in.Until, After: in.Cursor, Limit: in.Limit,
	})
	if err != nil {
		return nil, a.problem(err)
	}
	if found == nil {
		found = []events.Event{}
	}
	if !callerOf(ctx).administers() {
		for i := range found {
			delete(found[i].Before, "notes")
			delete(found[i].After, "notes")
		}
	}
	return &bodyOf[EventPage]{EventPage{found, next}}, nil
}

// OwnGroup is a group that one is in or manages.
type OwnGroup struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"`
	Member  bool   `json:"member"`
	Manager bool   `json:"manager"`
	Owner   bool   `json:"owner"`
}

func (a *API) ownGroups(ctx context.Context, _ *nothing) (*bodyOf[[]OwnGroup], error) {
	x, _, err := a.own(ctx)
	if err != nil {
		return nil, err
	}
	all, err := a.Accounts.Groups(ctx)
	if err != nil {
		return nil, a.problem(err)
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
	return &bodyOf[[]OwnGroup]{list}, nil
}

// OwnGuest is a guest that one manages.
type OwnGuest struct {
	Username    string     `json:"username"`
	DisplayName string     `json:"display_name,omitempty"`
	Email       string     `json:"email,omitempty"`
	Status      StatusView `json:"status"`
	ExpiresAt   *time.Time `json:"expires_at,omitempty"`
}

func (a *API) ownGuests(ctx context.Context, _ *nothing) (*bodyOf[[]OwnGuest], error) {
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
		list = append(list, ownGuest(guest))
	}
	slices.SortFunc(list, func(x, y OwnGuest) int { return strings.Compare(x.Username, y.Username) })
	return &bodyOf[[]OwnGuest]{list}, nil
}

func ownGuest(x accounts.Account) OwnGuest {
	v := OwnGuest{Username: x.Name, DisplayName: x.DisplayName, Email: x.Email, Status: statusOf(x, time.Now())}
	if x.Expires != nil {
		v.ExpiresAt = &x.Expires.Instant
	}
	return v
}
