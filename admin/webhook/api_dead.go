package webhook

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/rest"
	"gatehouse/admin/webhooks"
	"gatehouse/storage/events"
)

// A Letter is a message that the other side refused to the last.
type Letter struct {
	Position uint64      `json:"position" doc:"of its event in the trail"`
	Kind     events.Kind `json:"kind"`
	First    time.Time   `json:"first_try"`
	Next     time.Time   `json:"next_try,omitzero"` // a dead one has none
	Tries    int         `json:"tries"`
	Last     string      `json:"last" doc:"how the last try ended"`
}

type deadInput struct {
	IDInput
	rest.PageInput
}

func (a *API) dead(ctx context.Context, in *deadInput) (*rest.ListOutput[Letter], error) {
	list, err := a.service.Dead(ctx, in.ID)
	if err != nil {
		return nil, a.problem(err)
	}
	found := rest.Piece(in.PageInput, list, func(l webhooks.Letter) string { return fmt.Sprintf("%020d", l.Position) })
	out := &rest.ListOutput[Letter]{Next: found.Next, Body: make([]Letter, 0, len(found.Body))}
	for _, l := range found.Body {
		out.Body = append(out.Body, Letter(l))
	}
	return out, nil
}

// LetterCount is how many dead letters something was done to.
type LetterCount struct {
	Letters int `json:"letters"`
}

type dropInput struct {
	IDInput
	Position uint64 `query:"position" doc:"of one; absent: all of them"`
}

func (a *API) drop(ctx context.Context, in *dropInput) (*rest.Body[LetterCount], error) {
	return a.letters(ctx, "webhook.drop", in.ID, in.Position, a.service.DropDead)
}

type retryInput struct {
	IDInput
	Body struct {
		Position uint64 `json:"position,omitempty" doc:"of one; absent: all of them"`
	}
}

func (a *API) retry(ctx context.Context, in *retryInput) (*rest.Body[LetterCount], error) {
	return a.letters(ctx, "webhook.retry", in.ID, in.Body.Position, a.service.Revive)
}

// letters does something to the dead letters of a webhook, or to one, and records
// it where there were any.
func (a *API) letters(ctx context.Context, kind events.Kind, id string, position uint64, do func(context.Context, string, uint64) (int, error)) (*rest.Body[LetterCount], error) {
	list, err := a.service.Dead(ctx, id)
	if err != nil {
		return nil, a.problem(err)
	}
	found := func(l webhooks.Letter) bool { return l.Position == position }
	if position != 0 && !slices.ContainsFunc(list, found) {
		return nil, huma.NewError(http.StatusNotFound, fmt.Sprintf("there is no dead letter at position %d", position))
	}
	if len(list) == 0 {
		return &rest.Body[LetterCount]{}, nil
	}
	if err := a.Intend(ctx, kind, ""); err != nil {
		return nil, err
	}
	n, err := do(ctx, id, position)
	if err != nil {
		return nil, a.problem(err)
	}
	after := map[string]any{"id": id, "letters": n}
	if position != 0 {
		after["position"] = position
	}
	if err := a.Record(ctx, kind, "", nil, after); err != nil {
		return nil, err
	}
	return &rest.Body[LetterCount]{Body: LetterCount{n}}, nil
}
