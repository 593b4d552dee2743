package provision

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts"
	"gatehouse/storage/backend"
	"gatehouse/storage/events"
	"gatehouse/storage/nodes"
)

// kept is where the homes of deleted accounts go that are kept.
const kept = policy.Kept

// homesWork is the work on homes of deleted accounts, which one node does at a time.
const homesWork = "homes"

// finishBelow sees to homes of deleted accounts that stand where a new one is
// to be.
func (p *Provisioner) finishBelow(ctx context.Context, home path.Path) error {
	list, err := p.accounts.Leavings(ctx)
	if err != nil {
		return fmt.Errorf("look for homes of deleted accounts: %w", err)
	}
	for _, l := range list {
		if l.Home.Contains(home) || home.Contains(l.Home) {
			if err := p.finish(ctx, l); err != nil {
				return err
			}
		}
	}
	return nil
}

// finish does with a deleted account's home what was asked for. It can be cut
// short at any point and begun again.
func (p *Provisioner) finish(ctx context.Context, l accounts.Leaving) error {
	p.order.work.Lock()
	defer p.order.work.Unlock()
	return p.nodes.Exclusively(ctx, homesWork, func(ctx context.Context) error { return p.finishAlone(ctx, l) })
}

// tryFinish is finish, but nodes.ErrBusy where another node works on homes.
func (p *Provisioner) tryFinish(ctx context.Context, l accounts.Leaving) error {
	p.order.work.Lock()
	defer p.order.work.Unlock()
	return p.nodes.TryExclusively(ctx, homesWork, func(ctx context.Context) error { return p.finishAlone(ctx, l) })
}

// finishAlone is finish while nobody else works on homes, here or on another node.
func (p *Provisioner) finishAlone(ctx context.Context, l accounts.Leaving) error {
	// Who was here first may have finished it, and a new home may be there by now.
	if _, err := p.accounts.Leaving(ctx, l.ID); err != nil {
		if errors.Is(err, accounts.ErrNotFound) {
			return nil
		}
		return fmt.Errorf("look for the home of %s, which is deleted: %w", l.Name, err)
	}
	if !l.Home.IsRoot() {
		if err := p.clear(ctx, l); err != nil {
			return fmt.Errorf("see to the home of %s, which is deleted: %w", l.Name, err)
		}
	}
	if p.traffic != nil {
		if err := p.traffic.Drop(ctx, l.ID); err != nil {
			return err
		}
	}
	return p.accounts.Left(ctx, l.ID)
}

// revokeBelow takes away what others were granted in a deleted account's home.
func (p *Provisioner) revokeBelow(ctx context.Context, l accounts.Leaving) error {
	list, err := p.accounts.RevokeBelow(ctx, l.Home)
	for _, r := range list {
		e := events.Event{
			Time: time.Now(), Kind: "account.grant.remove", Outcome: events.OK, Account: r.Account, Group: r.Group,
			Actor: actor, Reason: "the home of " + l.Name + ", who was deleted, is gone",
			Before: map[string]any{"grants": r.Grants},
		}
		if r.Group != "" {
			e.Kind = "group.grant.remove"
		}
		err = errors.Join(err, p.events.Record(ctx, e))
	}
	if err != nil {
		return fmt.Errorf("take away what was granted in it: %w", err)
	}
	return nil
}

func (p *Provisioner) clear(ctx context.Context, l accounts.Leaving) error {
	if p.nodes != nil {
		// Another node may have given the home to somebody a moment ago.
		if err := p.accounts.CatchUpAll(ctx); err != nil {
			return err
		}
	}
	if other := p.accounts.HomeIn(l.Home, l.ID); other != "" {
		p.log.Warn("the home of a deleted account is another's by now, and stays", "account", l.Name, "other", other)
		return nil
	}
	if p.quotas != nil {
		if err := p.quotas.Drop(ctx, l.Home); err != nil {
			return err
		}
	}
	if err := p.revokeBelow(ctx, l); err != nil {
		return err
	}
	there, err := p.homeThere(ctx, l.Home)
	if err != nil || !there {
		return err
	}
	if l.Files == accounts.DeleteFiles {
		return p.system().RemoveAll(ctx, l.Home)
	}
	return p.keep(ctx, l)
}

// keep moves a home to /.kept/NAME-ID; on another mount to the same below the
// first folder on the way to the home that is on the home's own.
func (p *Provisioner) keep(ctx context.Context, l accounts.Leaving) error {
	var above []path.Path
	for folder := range l.Home.Dir().Above() {
		above = append([]path.Path{folder}, above...)
	}
	var err error
	for _, top := range above {
		if err = p.moveTo(ctx, top, l); !errors.Is(err, backend.ErrCrossMount) {
			return err
		}
	}
	return err
}

func (p *Provisioner) moveTo(ctx context.Context, top path.Path, l accounts.Leaving) error {
	folder, err := top.Join(kept)
	if err != nil {
		return err
	}
	target, err := folder.Join(l.Name + "-" + l.ID)
	if err != nil {
		return err
	}
	if err := p.mkdirs(ctx, folder); err != nil {
		return err
	}
	return p.system().Rename(ctx, l.Home, target, guard.KeepTarget)
}

// keepHomes keeps the quotas that accounts and groups ask for, and goes on with
// the homes of deleted accounts, until the changes end.
func (p *Provisioner) keepHomes(changes <-chan accounts.Change) {
	p.finishAll()
	p.keepQuotas()
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case c, ok := <-changes:
			if !ok {
				return
			}
			p.quotasChanged(c)
		case <-tick.C:
			p.finishAll()
		}
	}
}

func (p *Provisioner) finishAll() {
	list, err := p.accounts.Leavings(p.ctx)
	if err != nil {
		p.log.Warn("homes of deleted accounts could not be looked for", "error", err)
		return
	}
	for _, l := range list {
		if err := p.tryFinish(p.ctx, l); err != nil && !errors.Is(err, nodes.ErrBusy) {
			p.log.Warn("the home of a deleted account is still there", "account", l.Name, "error", err)
		}
	}
}
