// Package credential gives and revokes what an account is proved with beside its
// password: for administrators, delegates and the account itself alike.
package credential

import (
	"context"
	"slices"

	"gatehouse/admin/record"
	"gatehouse/admin/rest"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

// A Keeper gives and revokes credentials. Whether the caller may is judged before;
// a revision is what the account must have in the store, 0 for whichever.
type Keeper struct{ *rest.API }

// New makes the keeper of an API's credentials.
func New(a *rest.API) *Keeper { return &Keeper{a} }

// Views shows the account's credentials of a kind, the newest last.
func (k *Keeper) Views(ctx context.Context, x accounts.Account, kind policy.CredentialKind) ([]record.CredentialView, error) {
	activity, err := k.Accounts.Activity(ctx, x.ID)
	if err != nil {
		return nil, k.Problem(err)
	}
	views := []record.CredentialView{}
	for _, c := range x.Credentials {
		if c.Kind == kind {
			views = append(views, record.ViewCredential(c, activity))
		}
	}
	slices.SortStableFunc(views, func(x, y record.CredentialView) int { return x.Added.Compare(y.Added) })
	return views, nil
}

// Make gives an account a credential, and returns its secret, which is
// kept nowhere.
func (k *Keeper) Make(ctx context.Context, x accounts.Account, revision uint64, kind policy.CredentialKind, s record.CredentialSettings) (record.MadeCredential, error) {
	c, err := s.Parse(kind)
	if err != nil {
		return record.MadeCredential{}, k.Problem(err)
	}
	event := credentialEvent(kind, "add")
	if err := k.Intend(ctx, event, x.Name); err != nil {
		return record.MadeCredential{}, err
	}
	made, secret, err := k.Accounts.AddCredential(ctx, x.Name, revision, c, rest.CallerOf(ctx).Option())
	if err != nil {
		return record.MadeCredential{}, k.Problem(err)
	}
	view := record.ViewCredential(made, accounts.Activity{})
	if err := k.Record(ctx, event, x.Name, nil, rest.Map(view)); err != nil {
		return record.MadeCredential{}, err
	}
	return record.MadeCredential{CredentialView: view, Secret: secret, Warnings: k.closed(ctx, x, made)}, nil
}

// closed tells of the doors that a credential is for and that are shut to its
// account: each that it names, and where it names none, all of them or nothing.
func (k *Keeper) closed(ctx context.Context, x accounts.Account, c accounts.Credential) []string {
	effective, err := k.Accounts.Effective(ctx, x)
	if err != nil {
		return nil
	}
	var list []string
	doors := c.OpenDoors()
	for _, d := range doors {
		if why := shut(effective, policy.Attempt{Door: d, Credential: policy.Credential{Kind: c.Kind}}); why != "" {
			list = append(list, "it does not open "+string(d)+": "+why)
		}
	}
	if len(list) < len(doors) && c.Doors == nil {
		return nil
	}
	if len(list) == len(doors) {
		list = append(list, "it opens no door at all as things stand")
	}
	return list
}

// shut says why an account's settings refuse an attempt for its door and kind
// alone, "" where they do not.
func shut(e policy.Effective, a policy.Attempt) string {
	for _, step := range e.Chain(a) {
		switch step.Rule {
		case policy.RuleDoorSite, policy.RuleDoorAccount, policy.RuleDesktop:
			if !step.Allowed {
				return step.Because
			}
		}
	}
	return ""
}

// Drop revokes an account's credential of a kind, with every session
// that it proved.
func (k *Keeper) Drop(ctx context.Context, x accounts.Account, revision uint64, kind policy.CredentialKind, id string) error {
	c, ok := x.Credential(id)
	if !ok || c.Kind != kind {
		return k.Problem(accounts.ErrNotFound)
	}
	event := credentialEvent(kind, "remove")
	if err := k.Intend(ctx, event, x.Name); err != nil {
		return err
	}
	if _, err := k.Accounts.RemoveCredential(ctx, x.Name, revision, id, rest.CallerOf(ctx).Option()); err != nil {
		return k.Problem(err)
	}
	return k.Record(ctx, event, x.Name, rest.Map(record.ViewCredential(c, accounts.Activity{})), nil)
}

// credentialEvent is account.app-password.add, account.token.remove, and so on.
func credentialEvent(kind policy.CredentialKind, what string) events.Kind {
	return events.Kind("account." + string(kind) + "." + what)
}
