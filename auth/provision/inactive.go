package provision

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
	"gatehouse/storage/pause"
)

// sweep is how often accounts are looked through that nobody uses.
const sweep = time.Hour

// sweepInactive disables the accounts that nobody has used for as long as the
// site says, now and every hour, until ctx ends.
func (p *Provisioner) sweepInactive(ctx context.Context) {
	now := func() {
		if err := p.disableInactive(ctx); err != nil && ctx.Err() == nil {
			p.log.Error("inactive accounts were not disabled", "error", err)
		}
	}
	now()
	pause.Every(ctx, sweep, now)
}

func (p *Provisioner) disableInactive(ctx context.Context) error {
	site, err := p.accounts.Site(ctx)
	if err != nil || site.Inactive <= 0 {
		return err
	}
	now := time.Now()
	open, err := p.sessions.Everywhere(ctx, "")
	if err != nil {
		return err
	}
	for _, d := range open {
		// Who is in uses the account, however long ago the login was, and on whichever node.
		_, id, _ := strings.Cut(d.Credential, ":")
		p.accounts.Touch(d.AccountID, id, now, d.Address.String(), d.Door)
	}
	list, err := p.accounts.DisableInactive(ctx, now)
	for _, a := range list {
		if e := p.events.Record(ctx, disabled(a)); e != nil {
			err = errors.Join(err, fmt.Errorf("record that %s was disabled: %w", a.Name, e))
		}
	}
	return err
}

func disabled(a accounts.Account) events.Event {
	return events.Event{
		Time: time.Now(), Kind: kindDisabled, Outcome: events.OK, Account: a.Name, AccountID: a.ID,
		Actor: a.Status.By, Reason: a.Status.Why,
	}
}

// kindDisabled is an account that was disabled since nobody used it.
const kindDisabled events.Kind = "account.disable"
