package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
func (m *Manager) keepQuotas() {
	if m.quotas == nil {
		return
	}
	owners := m.homes.standing(m.quotas)
	for _, id := range m.accounts.All() {
		owners[accountOwner(id)] = true
	}
	m.eachGroup(func(g accounts.Group) { owners[groupQuota+g.ID] = true })
	var all errgroup.Group
	all.SetLimit(quotasAtOnce)
	for owner := range owners {
		all.Go(func() error {
			m.keepQuota(owner)
			return nil
		})
	}
	_ = all.Wait() // each tells for itself
}

// standing are those whose quotas stand, and notes where. What has moved
// meanwhile is found when its owner's turn comes.
func (h *homes) standing(l *quota.Ledger) map[string]bool {
	found := make(map[string]bool)
	for _, q := range l.Limits(path.Root) {
		if q.Owner != "" {
			found[q.Owner] = true
			h.stand(q.Owner, q.Folder)
		}
	}
	return found
}

// stand notes where the quota of an owner is.
func (h *homes) stand(owner string, folder path.Path) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stands == nil {
		h.stands = make(map[string][]path.Path)
	}
	if !slices.Contains(h.stands[owner], folder) {
		h.stands[owner] = append(h.stands[owner], folder)
	}
}

// unstand notes that an owner has no quota on a folder.
func (h *homes) unstand(owner string, folder path.Path) {
	h.mu.Lock()
	defer h.mu.Unlock()
	left := slices.DeleteFunc(h.stands[owner], func(p path.Path) bool { return p == folder })
	if h.stands[owner] = left; len(left) == 0 {
		delete(h.stands, owner)
	}
}

func (h *homes) standsAt(owner string) []path.Path {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.stands[owner])
}

func (m *Manager) eachGroup(do func(accounts.Group)) {
	groups, err := m.accounts.Groups(m.ctx)
	if err != nil {
		m.log.Warn("groups could not be looked at for their quotas", "error", err)
		return
	}
	for _, g := range groups {
		do(g)
	}
}

func (m *Manager) quotasChanged(c accounts.Change) {
	switch c.Kind {
	case accounts.KindAccount:
		m.keepQuota(accountOwner(c.ID))
	case accounts.KindGroup, accounts.KindAll:
		m.keepQuotas()
	}
}

func (m *Manager) keepQuota(owner string) {
	if err := m.followQuota(m.ctx, owner); err != nil {
		m.log.Warn("a quota could not be set", "owner", owner, "error", err)
	}
}

// followQuota puts the quota of an owner where it is to stand, and takes it from
// where it stood. It looks and sets in one step: a change in between would get
// the quota back on a folder that its owner has left.
func (m *Manager) followQuota(ctx context.Context, owner string) error {
	if m.quotas == nil {
		return nil
	}
	unlock, err := m.homes.owners.Lock(ctx, owner)
	if err != nil {
		return err
	}
	defer unlock()
	limit, err := m.wanted(ctx, owner)
	if err != nil {
		return err
	}
	for _, before := range m.homes.standsAt(owner) {
		if isLimited(limit) && before == limit.Folder {
			continue
		}
		if err := m.takeQuota(ctx, before, owner); err != nil {
			return err
		}
	}
	if !isLimited(limit) {
		return nil
	}
	return m.putQuota(ctx, limit)
}

// wanted is the quota that an owner is to have: unlimited where that is none, or
// where the owner is gone.
func (m *Manager) wanted(ctx context.Context, owner string) (quota.Limit, error) {
	none := quota.Limit{Amount: quota.Amount{Bytes: quota.Unlimited, Files: quota.Unlimited}}
	if id, ok := strings.CutPrefix(owner, accountQuota); ok {
		account, err := m.accounts.ByID(ctx, id)
		if errors.Is(err, accounts.ErrNotFound) {
			return none, nil
		}
		if err != nil {
			return none, fmt.Errorf("look for the owner of a quota: %w", err)
		}
		// All accounts are asked, so nothing of it is kept.
		effective, err := m.accounts.Effective(ctx, account)
		if err != nil {
			return none, fmt.Errorf("look for the owner of a quota: %w", err)
		}
		return limitOf(account.Home, owner, effective.HomeQuota()), nil
	}
	group, err := m.accounts.GroupByID(ctx, strings.TrimPrefix(owner, groupQuota))
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
func (m *Manager) prepareQuota(ctx context.Context, a accounts.Account, e policy.Effective) error {
	limit := limitOf(a.Home, accountOwner(a.ID), e.HomeQuota())
	if m.quotas == nil || !isLimited(limit) {
		return nil
	}
	unlock, err := m.homes.owners.Lock(ctx, limit.Owner)
	if err != nil {
		return err
	}
	defer unlock()
	return m.putQuota(ctx, limit)
}

// takeQuota takes a quota away that is still its owner's, who is held.
func (m *Manager) takeQuota(ctx context.Context, folder path.Path, owner string) error {
	unlock, err := m.homes.folders.Lock(ctx, folder)
	if err != nil {
		return err
	}
	defer unlock()
	if now, ok := m.quotas.On(folder); ok && now.Owner == owner {
		none := quota.Limit{Folder: folder, Amount: quota.Amount{Bytes: quota.Unlimited, Files: quota.Unlimited}}
		if err := m.quotas.Set(ctx, none); err != nil {
			return fmt.Errorf("take the quota off %s: %w", folder, err)
		}
	}
	m.homes.unstand(owner, folder)
	return nil
}

// putQuota puts a quota on a folder, where it is another than the present one.
// One that another owner is to have there stays. Its owner is held.
func (m *Manager) putQuota(ctx context.Context, limit quota.Limit) error {
	unlock, err := m.homes.folders.Lock(ctx, limit.Folder)
	if err != nil {
		return err
	}
	defer unlock()
	now, ok := m.quotas.On(limit.Folder)
	if ok && now.Owner != "" && now.Owner != limit.Owner {
		other, err := m.wanted(ctx, now.Owner)
		if err != nil {
			return err
		}
		if isLimited(other) && other.Folder == limit.Folder {
			m.log.Warn("the folder has the quota of another already", "folder", limit.Folder.String(), "owner", now.Owner, "wanted_by", limit.Owner)
			return nil
		}
	}
	if !ok || now != limit {
		if err := m.quotas.Set(ctx, limit); err != nil {
			return fmt.Errorf("set the quota on %s: %w", limit.Folder, err)
		}
	}
	m.homes.stand(limit.Owner, limit.Folder)
	return nil
}

func isLimited(l quota.Limit) bool { return l.Bytes >= 0 || l.Files >= 0 }
