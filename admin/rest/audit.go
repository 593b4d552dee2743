package rest

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/events"
	"gatehouse/storage/state"
)

// Intent is the event of a change that is about to be made; After has the kind
// of the change, whose own event follows. One without that says that the change
// was refused, or that the gateway was ended in the middle of it.
const Intent events.Kind = "change.intent"

// recording is how long the event of a change that is made already may take.
const recording = 30 * time.Second

// Intend makes durable that a change is about to be made, where the site refuses
// what cannot be recorded (audit.on_failure): a log that takes nothing then
// stops the change, which nobody could trace, before it is made. Every change
// calls it once it has judged what was asked, and record when it is done.
func (a *API) Intend(ctx context.Context, kind events.Kind, account string) error {
	site, err := a.Accounts.Site(ctx)
	if err != nil {
		return a.Problem(err)
	}
	if site.Audit.OnFailure == policy.AuditContinue {
		return nil
	}
	e := a.Changed(ctx, Intent, account)
	e.After = map[string]any{"change": string(kind)}
	if err := a.Events.Record(ctx, e); err != nil {
		a.Log.Error("a change was refused, since it could not be recorded", "kind", string(kind), "error", err)
		if errors.Is(err, state.ErrFull) {
			return Later("nothing was changed: " + Away(err))
		}
		if errors.Is(err, state.ErrAway) || errors.Is(err, state.ErrUnknown) {
			return Later("nothing was changed: the gateway's store does not answer now, or takes no changes: try again in a moment")
		}
		return Later("nothing was changed: the audit log takes no events now (site audit.on_failure is refuse)")
	}
	return nil
}

// Record makes a change durable as an event before the answer goes out, as far
// as the site insists on it. It goes on when the client has gone: the change is
// made.
func (a *API) Record(ctx context.Context, kind events.Kind, account string, before, after map[string]any) error {
	e := a.Changed(ctx, kind, account)
	e.Before, e.After = before, after
	return a.RecordEvent(ctx, e)
}

// RecordAt is Record for a change of what stands at a tree path, by which it is
// found.
func (a *API) RecordAt(ctx context.Context, kind events.Kind, at path.Path, account string, before, after map[string]any) error {
	e := a.Changed(ctx, kind, account)
	e.Path, e.Before, e.After = at.String(), before, after
	return a.RecordEvent(ctx, e)
}

// RecordGroup is Record for a change of a group, and of who is in it.
func (a *API) RecordGroup(ctx context.Context, kind events.Kind, group, account string, before, after map[string]any) error {
	e := a.Changed(ctx, kind, account)
	e.Group, e.Before, e.After = group, before, after
	return a.RecordEvent(ctx, e)
}

// RecordEvent is Record for an event that the caller made itself.
func (a *API) RecordEvent(ctx context.Context, e events.Event) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recording)
	defer cancel()
	err := a.Events.Record(ctx, e)
	if err == nil {
		return nil
	}
	a.Log.Error("an event was not recorded", "kind", string(e.Kind), "account", e.Account, "error", err)
	site, unread := a.Accounts.Site(ctx)
	if unread == nil && site.Audit.OnFailure == policy.AuditContinue {
		return nil
	}
	const why = "this is done, but what it did could not be recorded; that it was to be done is in the audit log"
	if Away(err) != "" {
		return Later(why)
	}
	return huma.NewError(http.StatusInternalServerError, why)
}

// Changed is the event of a change by the caller.
func (a *API) Changed(ctx context.Context, kind events.Kind, account string) events.Event {
	c := CallerOf(ctx)
	e := events.Event{
		Kind: kind, Outcome: events.OK, Account: account, Actor: c.Actor(), Door: string(c.Door), Address: c.Address,
	}
	if x, err := a.Accounts.Account(ctx, account); account != "" && err == nil {
		e.AccountID = x.ID
	}
	if c.Session != nil {
		e.Session, e.Credential = c.Session.ID(), c.Session.CredentialName()
	}
	return e
}
