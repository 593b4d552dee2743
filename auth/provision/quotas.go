package provision

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts"
	"gatehouse/storage/quota"
)

// The owners of quotas that follow a setting: of an account's home, of a group's
// folder. The ledger keeps them with the quota, so that after a kill at any point
// the next start knows what is nobody's any more. What was set by hand has no
// owner, and is left alone.
const (
	accountQuota = "account/"
	groupQuota   = "group/"
)

// quotasAtOnce is how many quotas are followed at the same time where all are:
// they share the waits for the disk.
const quotasAtOnce = 16

func accountOwner(id string) string { return accountQuota + id }

// keepQuotas brings all quotas with an owner in line with accounts and groups.
func (p *Provisioner) keepQuotas() {
	if p.quotas == nil {
		return
	}
	owners := p.order.standing(p.quotas)
	for _, id := range p.accounts.All() {
		owners[accountOwner(id)] = true
	}
	p.eachGroup(func(g accounts.Group) { owners[groupQuota+g.ID] = true })
	var all errgroup.Group
	all.SetLimit(quotasAtOnce)
	for owner := range owners {
		all.Go(func() error {
			p.keepQuota(owner)
			return nil
		})
	}
	_ = all.Wait() // each tells for itself
}

func (p *Provisioner) eachGroup(do func(accounts.Group)) {
	groups, err := p.accounts.Groups(p.ctx)
	if err != nil {
		p.log.Warn("groups could not be looked at for their quotas", "error", err)
		return
	}
	for _, g := range groups {
		do(g)
	}
}

func (p *Provisioner) quotasChanged(c accounts.Change) {
	switch c.Kind {
	case accounts.KindAccount:
		p.keepQuota(accountOwner(c.ID))
	case accounts.KindGroup, accounts.KindAll:
		p.keepQuotas()
	}
}

func (p *Provisioner) keepQuota(owner string) {
	if err := p.followQuota(p.ctx, owner); err != nil {
		p.log.Warn("a quota could not be set", "owner", owner, "error", err)
	}
}

// followQuota puts the quota of an owner where it is to stand, and takes it from
// where it stood. It looks and sets in one step: a change in between would get
// the quota back on a folder that its owner has left.
func (p *Provisioner) followQuota(ctx context.Context, owner string) error {
	if p.quotas == nil {
		return nil
	}
	unlock, err := p.order.owners.Lock(ctx, owner)
	if err != nil {
		return err
	}
	defer unlock()
	limit, err := p.wanted(ctx, owner)
	if err != nil {
		return err
	}
	for _, before := range p.order.standsAt(owner) {
		if isLimited(limit) && before == limit.Folder {
			continue
		}
		if err := p.takeQuota(ctx, before, owner); err != nil {
			return err
		}
	}
	if !isLimited(limit) {
		return nil
	}
	return p.putQuota(ctx, limit)
}

// wanted is the quota that an owner is to have: unlimited where that is none, or
// where the owner is gone.
func (p *Provisioner) wanted(ctx context.Context, owner string) (quota.Limit, error) {
	none := quota.Limit{Amount: quota.Amount{Bytes: quota.Unlimited, Files: quota.Unlimited}}
	if id, ok := strings.CutPrefix(owner, accountQuota); ok {
		account, err := p.accounts.ByID(ctx, id)
		if errors.Is(err, accounts.ErrNotFound) {
			return none, nil
		}
		if err != nil {
			return none, fmt.Errorf("look for the owner of a quota: %w", err)
		}
		// All accounts are asked, so nothing of it is kept.
		effective, err := p.accounts.Effective(ctx, account)
		if err != nil {
			return none, fmt.Errorf("look for the owner of a quota: %w", err)
		}
		return limitOf(account.Home, owner, effective.HomeQuota()), nil
	}
	group, err := p.accounts.GroupByID(ctx, strings.TrimPrefix(owner, groupQuota))
	if errors.Is(err, accounts.ErrNotFound) || err == nil && group.Folder == nil {
		return none, nil
	}
	if err != nil {
		return none, fmt.Errorf("look for the owner of a quota: %w", err)
	}
	return limitOf(*group.Folder, owner, group.FolderQuota), nil
}

func limitOf(folder path.Path, owner string, q policy.Quota) quota.Limit {
	return quota.Limit{Folder: folder, Owner: owner, Amount: quota.Amount{Bytes: orUnlimited(q.Bytes), Files: orUnlimited(q.Files)}}
}

func orUnlimited(n *int64) int64 {
	if n == nil {
		return quota.Unlimited
	}
	return *n
}

// prepareQuota puts the quota on the home of an account that is about to be made.
func (p *Provisioner) prepareQuota(ctx context.Context, a accounts.Account, e policy.Effective) error {
	limit := limitOf(a.Home, accountOwner(a.ID), e.HomeQuota())
	if p.quotas == nil || !isLimited(limit) {
		return nil
	}
	unlock, err := p.order.owners.Lock(ctx, limit.Owner)
	if err != nil {
		return err
	}
	defer unlock()
	return p.putQuota(ctx, limit)
}

// takeQuota takes a quota away that is still its owner's, who is held.
func (p *Provisioner) takeQuota(ctx context.Context, folder path.Path, owner string) error {
	unlock, err := p.order.folders.Lock(ctx, folder)
	if err != nil {
		return err
	}
	defer unlock()
	if now, ok := p.quotas.On(folder); ok && now.Owner == owner {
		none := quota.Limit{Folder: folder, Amount: quota.Amount{Bytes: quota.Unlimited, Files: quota.Unlimited}}
		if err := p.quotas.Set(ctx, none); err != nil {
			return fmt.Errorf("take the quota off %s: %w", folder, err)
		}
	}
	p.order.unstand(owner, folder)
	return nil
}

// putQuota puts a quota on a folder, where it is another than the present one.
// One that another owner is to have there stays. Its owner is held.
func (p *Provisioner) putQuota(ctx context.Context, limit quota.Limit) error {
	unlock, err := p.order.folders.Lock(ctx, limit.Folder)
	if err != nil {
		return err
	}
	defer unlock()
	now, ok := p.quotas.On(limit.Folder)
	if ok && now.Owner != "" && now.Owner != limit.Owner {
		other, err := p.wanted(ctx, now.Owner)
		if err != nil {
			return err
		}
		if isLimited(other) && other.Folder == limit.Folder {
			p.log.Warn("the folder has the quota of another already", "folder", limit.Folder.String(), "owner", now.Owner, "wanted_by", limit.Owner)
			return nil
		}
	}
	if !ok || now != limit {
		if err := p.quotas.Set(ctx, limit); err != nil {
			return fmt.Errorf("set the quota on %s: %w", limit.Folder, err)
		}
	}
	p.order.stand(limit.Owner, limit.Folder)
	return nil
}

func isLimited(l quota.Limit) bool { return l.Bytes >= 0 || l.Files >= 0 }
