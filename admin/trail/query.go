package trail

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/rest"
	"gatehouse/admin/rights"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

// EventQuery selects events.
type EventQuery struct {
	Account   string    `query:"account" doc:"name of an account that there is, or that events tell of"`
	AccountID string    `query:"account_id" doc:"of one account alone, where the name was given to several in turn"`
	Group     string    `query:"group" doc:"changes of this group, and of who is in it"`
	Actor     string    `query:"actor" doc:"who made the change: an account, or socket for everybody at the local socket"`
	Session   string    `query:"session"`
	Door      string    `query:"door" doc:"sftp, ftp, webdav, web, api or account (the pages)"`
	Address   string    `query:"address" doc:"address of the client"`
	Kind      string    `query:"kind" doc:"a kind and those below it: login is login, login.refused and login.code"`
	Outcome   string    `query:"outcome" enum:"ok,refused,failed,cut,aborted"`
	Rule      string    `query:"rule" doc:"a rule of GET /rules"`
	Reference string    `query:"reference"`
	Path      string    `query:"path" doc:"this tree path and all below it, as the source or the target"`
	Since     time.Time `query:"since"`
	Until     time.Time `query:"until"`
}

// query makes a query of the trail, of what the caller may see. What nothing can
// ever be found by is refused: an empty list would read as if nothing had happened.
func (a *API) query(ctx context.Context, q EventQuery) (events.Query, error) {
	sight, err := a.Sight(ctx)
	if err != nil {
		return events.Query{}, err
	}
	asked := events.Query{
		AccountID: q.AccountID, Group: q.Group, Session: q.Session, Door: q.Door, Outcome: q.Outcome, Rule: q.Rule, Reference: q.Reference,
		Path: q.Path, Since: q.Since, Until: q.Until, Visible: visibleTo(sight),
	}
	if asked.Under, err = AskedKind(q.Kind); err != nil {
		return asked, err
	}
	for _, check := range []func() error{
		func() error { asked.Address, err = askedAddress(q.Address); return err },
		func() error { return askedDoor(q.Door) },
		func() error { return askedRule(q.Rule) },
		func() error {
			asked.Account, err = a.askedName(ctx, sight, asked.Visible, "account", q.Account)
			return err
		},
		func() error { asked.Actor, err = a.askedName(ctx, sight, asked.Visible, "actor", q.Actor); return err },
		func() error { return a.askedGroup(ctx, sight, q.Group) },
		func() error { return a.askedID(ctx, sight, asked.Visible, q.AccountID) },
	} {
		if err := check(); err != nil {
			return asked, err
		}
	}
	return asked, nil
}

// wrong names a query parameter by which nothing can be found.
func wrong(parameter, why string) error {
	return huma.NewError(http.StatusUnprocessableEntity, "a value is not valid",
		&huma.ErrorDetail{Location: "query." + parameter, Message: why})
}

// AskedKind reads a kind of event, "" for all.
func AskedKind(text string) (events.Kind, error) {
	kind := events.Kind(text)
	if kind == "" || kind.Asks() {
		return kind, nil
	}
	guess := rest.NewGuess(text)
	for _, k := range events.Kinds() {
		guess.Offer(string(k.Kind))
	}
	return "", wrong("kind", "is no kind of event"+guess.Hint()+" There are "+kindNames())
}

func kindNames() string {
	var names []string
	for _, k := range events.Kinds() {
		names = append(names, string(k.Kind))
	}
	return strings.Join(names, ", ")
}

func askedAddress(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	ip, err := netip.ParseAddr(text)
	if err != nil {
		return "", wrong("address", "is no address")
	}
	return ip.Unmap().String(), nil
}

func askedDoor(text string) error {
	if text == "" || text == string(policy.AccountPages) || slices.Contains(policy.Doors(), policy.Door(text)) {
		return nil
	}
	return wrong("door", "is none of sftp, ftp, webdav, web, api, account")
}

func askedRule(text string) error {
	if text == "" || policy.Rule(text).Text().Rule != "" {
		return nil
	}
	guess := rest.NewGuess(text)
	var names []string
	for _, r := range policy.Rules() {
		guess.Offer(string(r.Rule))
		names = append(names, string(r.Rule))
	}
	return wrong("rule", "is no rule"+guess.Hint()+" There are "+strings.Join(names, ", "))
}

// askedName reads the name of an account as its events have it. One that is gone
// can be asked for as long as the trail tells of it, and so can a name that is
// nobody's, by which somebody has tried to come in.
func (a *API) askedName(ctx context.Context, sight rights.Sight, visible func(events.Event) bool, parameter, name string) (string, error) {
	if name == "" || parameter == "actor" && (name == events.SocketActor || strings.HasPrefix(name, events.SocketActor+" (")) {
		return name, nil
	}
	if x, err := a.Accounts.Account(ctx, name); err == nil && sight.Sees(x.ID) {
		return x.Name, nil
	}
	q := events.Query{Account: name, Visible: visible}
	if parameter == "actor" {
		q = events.Query{Actor: name, Visible: visible}
	}
	if told, err := a.told(ctx, q); told || err != nil {
		return name, err
	}
	guess := rest.NewGuess(name)
	_, _, err := a.Accounts.List(ctx, accounts.Query{Limit: 1, Where: func(x *accounts.Account) bool {
		if sight.Sees(x.ID) {
			guess.Offer(x.Name)
		}
		return false
	}})
	if err != nil {
		return "", err
	}
	return "", wrong(parameter, fmt.Sprintf("there is no account %q, and no event tells of one", name)+guess.Hint())
}

// askedGroup says nothing to who does not see all groups: the answer would tell
// which there are.
func (a *API) askedGroup(ctx context.Context, sight rights.Sight, name string) error {
	if name == "" || !sight.All {
		return nil
	}
	groups, err := a.Accounts.Groups(ctx)
	if err != nil {
		return err
	}
	guess := rest.NewGuess(name)
	for _, g := range groups {
		if g.Name == name {
			return nil
		}
		guess.Offer(g.Name)
	}
	if told, err := a.told(ctx, events.Query{Group: name}); told || err != nil {
		return err
	}
	return wrong("group", "there is no such group, and no event tells of one"+guess.Hint())
}

func (a *API) askedID(ctx context.Context, sight rights.Sight, visible func(events.Event) bool, id string) error {
	if id == "" {
		return nil
	}
	if _, err := a.Accounts.ByID(ctx, id); err == nil && sight.Sees(id) {
		return nil
	}
	if told, err := a.told(ctx, events.Query{AccountID: id, Visible: visible}); told || err != nil {
		return err
	}
	return wrong("account_id", "is the id of no account, and no event tells of one")
}

// told reports whether an event may be found by q; where the trail is too long to
// be searched at once it is taken for so.
func (a *API) told(ctx context.Context, q events.Query) (bool, error) {
	q.Limit = 1
	found, next, err := a.Events.List(ctx, q)
	return len(found) > 0 || next != 0, err
}
