package session

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

// sweep is how often accounts are looked through that nobody uses.
const sweep = time.Hour

// sweepInactive disables the accounts that nobody has used for as long as the
// site says, now and every hour, until ctx ends.
func (m *Manager) sweepInactive(ctx context.Context) {
	tick := time.NewTicker(sweep)
	defer tick.Stop()
	for {
		if err := m.disableInactive(ctx); err != nil && ctx.Err() == nil {
			m.log.Error("inactive accounts were not disabled", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (m *Manager) disableInactive(ctx context.Context) error {
	site, err := m.accounts.Site(ctx)
	if err != nil || site.Inactive <= 0 {
		return err
	}
	now := time.Now()
	open, err := m.Everywhere(ctx, "")
	if err != nil {
		return err
	}
	for _, d := range open {
		// Who is in uses the account, however long ago the login was, and on whichever node.
		_, id, _ := strings.Cut(d.Credential, ":")
		m.accounts.Touch(d.AccountID, id, now, d.Address.String(), d.Door)
	}
	list, err := m.accounts.DisableInactive(ctx, now)
	for _, a := range list {
		if e := m.events.Record(ctx, m.disabled(a)); e != nil {
			err = errors.Join(err, fmt.Errorf("record that %s was disabled: %w", a.Name, e))
		}
	}
	return err
}

func (m *Manager) disabled(a accounts.Account) events.Event {
	return events.Event{
		Time: time.Now(), Kind: kindDisabled, Outcome: events.OK, Account: a.Name, AccountID: a.ID,
		Actor: a.Status.By, Reason: a.Status.Why, Node: m.node,
	}
}

// kindDisabled is an account that was disabled since nobody used it.
const kindDisabled events.Kind = "account.disable"
