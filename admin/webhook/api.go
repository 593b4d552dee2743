// Package webhook is the API for webhooks: administrators make them, auditors see
// how they fare.
package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/rest"
	"gatehouse/admin/rights"
	"gatehouse/admin/webhooks"
	"gatehouse/admin/webhooks/message"
	"gatehouse/storage/events"
)

// An API answers administrators for webhooks.
type API struct {
	*rights.Judge
	service *webhooks.Service
}

// NewAPI makes the API over a service.
func NewAPI(j *rights.Judge, s *webhooks.Service) *API { return &API{Judge: j, service: s} }

// Register adds the operations to the API.
func (a *API) Register(api huma.API) {
	huma.Register(api, rest.Operation("list-webhooks", http.MethodGet, "/webhooks", "List webhooks and how they fare", rest.Read), a.list)
	huma.Register(api, rest.Created(rest.Operation("create-webhook", http.MethodPost, "/webhooks", "Make a webhook; its secret is shown this once", rest.Admin)), a.create)
	huma.Register(api, rest.Operation("get-webhook", http.MethodGet, "/webhooks/{id}", "Show a webhook and how it fares", rest.Read), a.get)
	huma.Register(api, rest.Operation("change-webhook", http.MethodPatch, "/webhooks/{id}", "Change what the body names; null resets", rest.Admin), a.change)
	huma.Register(api, rest.Operation("delete-webhook", http.MethodDelete, "/webhooks/{id}", "Remove a webhook and what waits for it", rest.Admin), a.remove)
	huma.Register(api, rest.Operation("rotate-webhook", http.MethodPost, "/webhooks/{id}/rotate", "Give it a new secret, shown this once; the one before signs beside it for a day", rest.Admin), a.rotate)
	huma.Register(api, rest.Operation("test-webhook", http.MethodPost, "/webhooks/{id}/test", "Send a message of type webhook.test now", rest.Admin), a.test)
	huma.Register(api, rest.Operation("list-dead-letters", http.MethodGet, "/webhooks/{id}/dead", "List messages that were refused to the last", rest.Read), a.dead)
	huma.Register(api, rest.Operation("drop-dead-letters", http.MethodDelete, "/webhooks/{id}/dead", "Forget dead letters", rest.Admin), a.drop)
	huma.Register(api, rest.Operation("retry-dead-letters", http.MethodPost, "/webhooks/{id}/dead/retry", "Try dead letters again", rest.Admin), a.retry)
}

// problem is the translation of the service's errors.
func (a *API) problem(err error) error {
	switch {
	case errors.Is(err, webhooks.ErrNotFound):
		return huma.NewError(http.StatusNotFound, webhooks.ErrNotFound.Error())
	case errors.Is(err, webhooks.ErrTooMany):
		return huma.NewError(http.StatusConflict, fmt.Sprintf("%v (%d)", webhooks.ErrTooMany, webhooks.MaxWebhooks))
	}
	if invalid, ok := errors.AsType[*webhooks.InvalidError](err); ok {
		return a.Problem(rest.Invalid(invalid.Field, invalid.Why+guessKind(invalid.Kind)))
	}
	return a.Problem(err)
}

// guessKind asks whether another kind of event was meant, where one was asked for
// that is none.
func guessKind(k events.Kind) string {
	guess := rest.NewGuess(string(k))
	for _, known := range events.Kinds() {
		guess.Offer(string(known.Kind))
	}
	return guess.Hint()
}

// proved asks a browser for a proof of the last minutes: what is set here tells a
// stranger everything that happens.
func proved(ctx context.Context) error {
	if c := rest.CallerOf(ctx); !c.Bearer {
		return c.Fresh()
	}
	return nil
}

// IDInput names the webhook that a request is about.
type IDInput struct {
	ID string `path:"id" maxLength:"100"`
}

// MatchedInput names a webhook, as it was read.
type MatchedInput struct {
	IDInput
	rest.MatchInput
}

type output struct {
	ETag string `header:"ETag"`
	Body WebhookView
}

type madeOutput struct {
	ETag string `header:"ETag"`
	Body MadeWebhook
}

func (a *API) answer(ctx context.Context, w webhooks.Webhook) (*output, error) {
	v, err := a.view(ctx, w)
	if err != nil {
		return nil, a.problem(err)
	}
	return &output{rest.ETag(w.Revision), v}, nil
}

func (a *API) list(ctx context.Context, in *rest.PageInput) (*rest.ListOutput[WebhookView], error) {
	all, err := a.service.List(ctx)
	if err != nil {
		return nil, a.problem(err)
	}
	found := rest.Piece(*in, all, func(w webhooks.Webhook) string { return w.ID })
	out := &rest.ListOutput[WebhookView]{Next: found.Next, Body: make([]WebhookView, 0, len(found.Body))}
	for _, w := range found.Body {
		v, err := a.view(ctx, w)
		if err != nil {
			return nil, a.problem(err)
		}
		out.Body = append(out.Body, v)
	}
	return out, nil
}

func (a *API) get(ctx context.Context, in *IDInput) (*output, error) {
	w, err := a.service.Get(ctx, in.ID)
	if err != nil {
		return nil, a.problem(err)
	}
	return a.answer(ctx, w)
}

func (a *API) create(ctx context.Context, in *rest.Body[WebhookSettings]) (*madeOutput, error) {
	if err := proved(ctx); err != nil {
		return nil, err
	}
	w := webhooks.Webhook{By: rest.CallerOf(ctx).Actor()}
	err := in.Body.write(&w)
	if err == nil {
		err = a.service.Check(w)
	}
	if err != nil {
		return nil, a.problem(err)
	}
	if err := a.Intend(ctx, "webhook.create", ""); err != nil {
		return nil, err
	}
	w, secret, err := a.service.Add(ctx, w)
	if err != nil {
		return nil, a.problem(err)
	}
	return a.made(ctx, "webhook.create", nil, w, secret)
}

// made records a webhook that has got a new secret, and shows that this once.
func (a *API) made(ctx context.Context, kind events.Kind, before *webhooks.Webhook, w webhooks.Webhook, secret []byte) (*madeOutput, error) {
	if err := a.record(ctx, kind, before, &w); err != nil {
		return nil, err
	}
	out, err := a.answer(ctx, w)
	if err != nil {
		return nil, err
	}
	out.Body.Warnings = a.warnings(ctx, w)
	return &madeOutput{out.ETag, MadeWebhook{out.Body, message.SecretText(secret)}}, nil
}

// record makes a change durable as an event: what differs, and whose it is.
func (a *API) record(ctx context.Context, kind events.Kind, before, after *webhooks.Webhook) error {
	var was, is map[string]any
	switch {
	case before == nil:
		is = mapped(*after)
	case after == nil:
		was = mapped(*before)
	default:
		was, is = rest.Difference(mapped(*before), mapped(*after))
		is["id"] = after.ID
	}
	return a.Record(ctx, kind, "", was, is)
}

type changeInput struct {
	MatchedInput
	Body rest.Patch[WebhookSettings]
}

func (a *API) change(ctx context.Context, in *changeInput) (*output, error) {
	if err := proved(ctx); err != nil {
		return nil, err
	}
	before, revision, err := a.expected(ctx, in.MatchedInput)
	if err != nil {
		return nil, err
	}
	change := func(w *webhooks.Webhook) error {
		merged, err := rest.Merge(settingsOf(*w), WebhookSettings{URL: w.URL}, in.Body)
		if err == nil {
			err = merged.write(w)
		}
		if err != nil {
			return err
		}
		return a.service.Check(*w)
	}
	if tried := before; change(&tried) != nil { // what is refused is not announced
		return nil, a.problem(change(&tried))
	}
	if err := a.Intend(ctx, webhooks.Changed, ""); err != nil {
		return nil, err
	}
	before, after, err := a.service.Change(ctx, in.ID, revision, change)
	if err != nil {
		return nil, a.problem(err)
	}
	if err := a.record(ctx, webhooks.Changed, &before, &after); err != nil {
		return nil, err
	}
	out, err := a.answer(ctx, after)
	if err == nil {
		out.Body.Warnings = a.warnings(ctx, after)
	}
	return out, err
}

// expected returns a webhook, and the revision that it must still have when it is
// changed.
func (a *API) expected(ctx context.Context, in MatchedInput) (webhooks.Webhook, uint64, error) {
	w, err := a.service.Get(ctx, in.ID)
	if err != nil {
		return w, 0, a.problem(err)
	}
	revision, err := rest.Expected(in.IfMatch, w.Revision)
	if err != nil {
		return w, 0, a.Problem(err)
	}
	return w, revision, nil
}

func (a *API) remove(ctx context.Context, in *MatchedInput) (*rest.Nothing, error) {
	if err := proved(ctx); err != nil {
		return nil, err
	}
	_, revision, err := a.expected(ctx, *in)
	if err != nil {
		return nil, err
	}
	if err := a.Intend(ctx, "webhook.delete", ""); err != nil {
		return nil, err
	}
	w, err := a.service.Remove(ctx, in.ID, revision)
	if err != nil {
		return nil, a.problem(err)
	}
	return nil, a.record(ctx, "webhook.delete", &w, nil)
}

type rotateInput struct {
	MatchedInput
	AtOnce bool `query:"at_once" doc:"the secret before signs no more from now on"`
}

func (a *API) rotate(ctx context.Context, in *rotateInput) (*madeOutput, error) {
	if err := proved(ctx); err != nil {
		return nil, err
	}
	_, revision, err := a.expected(ctx, in.MatchedInput)
	if err != nil {
		return nil, err
	}
	if err := a.Intend(ctx, "webhook.rotate", ""); err != nil {
		return nil, err
	}
	until := time.Now().UTC()
	if !in.AtOnce {
		until = until.Add(webhooks.Overlap)
	}
	before, w, secret, err := a.service.Rotate(ctx, in.ID, revision, until)
	if err != nil {
		return nil, a.problem(err)
	}
	return a.made(ctx, "webhook.rotate", &before, w, secret)
}

// WebhookTest is how a message of type webhook.test fared.
type WebhookTest struct {
	Taken   bool   `json:"taken"`
	Status  int    `json:"status,omitempty" doc:"of an answer that did not take it"`
	Outcome string `json:"outcome"`
}

func (a *API) test(ctx context.Context, in *IDInput) (*rest.Body[WebhookTest], error) {
	trial, err := a.service.Test(ctx, in.ID)
	if err != nil {
		return nil, a.problem(err)
	}
	return &rest.Body[WebhookTest]{Body: WebhookTest(trial)}, nil
}
