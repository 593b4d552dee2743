package admin

import (
	"context"
	"errors"
	"strings"

	"gatehouse/admin/rest"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

type referenceInput struct {
	Reference string `query:"ref" required:"true" maxLength:"64"`
}

func (a *API) explainRef(ctx context.Context, in *referenceInput) (*rest.Body[Answer], error) {
	return a.explainReference(ctx, in.Reference)
}

// explainReference tells of a refusal to those with rights over its account. A
// name that is nobody's is for those who may look at everything. References are
// read aloud: small letters are as good.
func (a *API) explainReference(ctx context.Context, reference string) (*rest.Body[Answer], error) {
	reference = strings.ToUpper(strings.TrimSpace(reference))
	found, _, err := a.Events.List(ctx, events.Query{Reference: reference, Limit: 1})
	if err != nil {
		return nil, a.Problem(err)
	}
	r, err := a.Sight(ctx)
	if err != nil {
		return nil, a.Problem(err)
	}
	if len(found) == 0 || !r.Sees(found[0].AccountID) {
		return nil, a.Problem(rest.Invalid("reference", "no refusal has this reference"))
	}
	e := found[0]
	text := policy.Rule(e.Rule).Text()
	answer := Answer{Decision: "deny", Rule: e.Rule, Because: e.Reason, Setting: text.Setting, Remedy: text.Remedy, Transport: e.Transport, Event: &e}
	answer.Chain = []policy.Step{{Rule: policy.Rule(e.Rule), Because: e.Reason}}
	if answer.Now, err = a.decidedNow(ctx, e); err != nil {
		return nil, a.Problem(err)
	}
	return &rest.Body[Answer]{Body: answer}, nil
}

// decidedNow judges a refused attempt anew, nil where nobody could make it again.
func (a *API) decidedNow(ctx context.Context, e events.Event) (*NowView, error) {
	if e.Kind != events.Refused || e.AccountID == "" {
		return nil, nil
	}
	again, err := a.Explain.Again(ctx, e)
	if errors.Is(err, accounts.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	decided := answerOf(again.Effective.Admit(again.Attempt))
	if decided.Rule == string(policy.RuleAdmitted) && policy.Rule(e.Rule) == policy.RuleCredential {
		decided.Because = "it would be let in with the right one"
	}
	return &NowView{
		Decision: decided.Decision, Rule: decided.Rule, Because: decided.Because, Remedy: decided.Remedy, Until: decided.Until,
		Chain: again.Effective.Chain(again.Attempt),
	}, nil
}
