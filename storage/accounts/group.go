package accounts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gatehouse/storage/state"
)

// Kinds of groups.
const (
	UserGroup     = "user"
	PersonalGroup = "personal"
)

// Group returns the group of this name; ErrNotFound.
func (s *Store) Group(_ context.Context, name string) (Group, error) {
	g, err := s.findGroup(name)
	if err != nil {
		return Group{}, err
	}
	return g.clone(), nil
}

// GroupByID returns the group with this id; ErrNotFound.
func (s *Store) GroupByID(_ context.Context, id string) (Group, error) {
	g, ok := s.index.groupByID(id)
	if !ok {
		return Group{}, ErrNotFound
	}
	return g.clone(), nil
}

func (s *Store) findGroup(name string) (*Group, error) {
	folded, err := Canonical(name)
	if err != nil {
		return nil, ErrNotFound
	}
	g, ok := s.index.groupByName(folded)
	if !ok {
		return nil, ErrNotFound
	}
	return g, nil
}

// Groups returns all groups by name.
func (s *Store) Groups(context.Context) ([]Group, error) {
	all := s.index.allGroups()
	list := make([]Group, len(all))
	for i, g := range all {
		list[i] = g.clone()
	}
	sortGroups(list)
	return list, nil
}

func sortGroups(list []Group) {
	slices.SortFunc(list, func(a, b Group) int { return cmp.Compare(a.Name, b.Name) })
}

// Members returns the accounts in the group with this id, by username.
func (s *Store) Members(_ context.Context, id string) ([]Account, error) {
	var list []Account
	for _, e := range s.index.membersOf(id) {
		list = append(list, e.account.clone())
	}
	slices.SortFunc(list, func(a, b Account) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

// CreateGroup makes a group. ID, Created and Kind are filled in.
func (s *Store) CreateGroup(ctx context.Context, g Group) (Group, error) {
	var made Group
	err := retry(func() (err error) {
		if made, err = s.prepareGroup(g); err != nil {
			return err
		}
		return s.insertGroup(ctx, &made)
	})
	if err != nil {
		return Group{}, err
	}
	return made, nil
}

func (s *Store) prepareGroup(g Group) (Group, error) {
	g = g.clone()
	folded, err := canonicalGroup(g.Name)
	if err != nil {
		return Group{}, err
	}
	if _, taken := s.index.groupByName(folded); taken {
		return Group{}, ErrExists
	}
	g.ID = newID()
	g.Created = time.Now().UTC().Truncate(time.Millisecond)
	g.Kind = cmp.Or(g.Kind, UserGroup)
	return g, s.validateGroup(&g, nil)
}

func (s *Store) insertGroup(ctx context.Context, g *Group) error {
	folded, err := canonicalGroup(g.Name)
	if err != nil {
		return err
	}
	record, err := put(groupPrefix+g.ID, g)
	if err != nil {
		return err
	}
	name, err := put(groupNameIndex+folded, g.ID)
	if err != nil {
		return err
	}
	b := state.Batch{
		Checks: []state.Check{{Name: groupPrefix + g.ID}, {Name: groupNameIndex + folded}},
		Puts:   []state.Put{record, name},
	}
	if g.Owner != "" {
		// An owner that is deleted at this moment leaves no group behind.
		b.Checks = append(b.Checks, s.accountCheck(g.Owner))
	}
	g.Revision, err = s.apply(ctx, b)
	var conflict *state.ConflictError
	if errors.As(err, &conflict) && conflict.Name == groupNameIndex+folded {
		return ErrExists
	}
	return again(err)
}

// accountCheck demands of an account that it is as it is known.
func (s *Store) accountCheck(id string) state.Check {
	check := state.Check{Name: accountPrefix + id, Revision: never}
	if e, ok := s.index.byID(id); ok {
		check.Revision = e.account.Revision
	}
	return check
}

// UpdateGroup changes a group as Update does an account, its name included.
func (s *Store) UpdateGroup(ctx context.Context, name string, revision uint64, change func(*Group) error, o Option) (Group, error) {
	find := func() (*Group, error) { return s.findGroup(name) }
	return edit(find, revision, change, func(cur, next *Group) error { return s.replaceGroup(ctx, cur, next, o) })
}

func (s *Store) replaceGroup(ctx context.Context, cur, next *Group, o Option) error {
	if err := s.validateGroup(next, cur); err != nil {
		return err
	}
	b, err := replacement(cur, next)
	if err != nil || b == nil {
		return err
	}
	taken, err := renameGroup(b, cur, next)
	if err != nil {
		return err
	}
	if err := s.guardRules(ctx, b, rules{group: next}, o); err != nil {
		return err
	}
	next.Revision, err = s.apply(ctx, *b)
	var conflict *state.ConflictError
	if errors.As(err, &conflict) && taken != "" && conflict.Name == taken {
		return ErrExists
	}
	return again(err)
}

// renameGroup adds to b what a changed name asks for, and returns the name's
// record that must not be there.
func renameGroup(b *state.Batch, cur, next *Group) (string, error) {
	was, err := canonicalGroup(cur.Name)
	if err != nil {
		return "", err
	}
	is, err := canonicalGroup(next.Name)
	if err != nil || was == is {
		return "", err
	}
	p, err := put(groupNameIndex+is, cur.ID)
	if err != nil {
		return "", err
	}
	b.Checks = append(b.Checks, state.Check{Name: p.Name})
	b.Puts = append(b.Puts, p)
	b.Deletes = append(b.Deletes, groupNameIndex+was)
	return p.Name, nil
}

// DeleteGroup removes a group and every membership of it. Memberships stop to
// count at once, with the group's record; they are taken out of the accounts
// after it, and where that is cut short, with each account's next change.
func (s *Store) DeleteGroup(ctx context.Context, name string, revision uint64, o Option) error {
	var gone *Group
	err := retry(func() error {
		cur, err := s.findGroup(name)
		if err != nil {
			return err
		}
		if err := matches(groupPrefix+cur.ID, cur.Revision, revision); err != nil {
			return err
		}
		var b state.Batch
		if err := removeGroups(&b, []*Group{cur}); err != nil {
			return err
		}
		if err := s.guardRules(ctx, &b, rules{without: cur.ID}, o); err != nil {
			return err
		}
		gone = cur
		_, err = s.apply(ctx, b)
		return again(err)
	})
	if err != nil {
		return err
	}
	return s.expel(ctx, gone.ID)
}

// removeGroups adds to b what removing groups asks for.
func removeGroups(b *state.Batch, groups []*Group) error {
	for _, g := range groups {
		folded, err := canonicalGroup(g.Name)
		if err != nil {
			return err
		}
		b.Checks = append(b.Checks, state.Check{Name: groupPrefix + g.ID, Revision: g.Revision})
		b.Deletes = append(b.Deletes, groupPrefix+g.ID, groupNameIndex+folded)
	}
	return nil
}

// expel takes a group that is gone out of every account, many in one batch: they
// lose nothing by it that they had not lost with the group.
func (s *Store) expel(ctx context.Context, group string) error {
	for {
		members := s.index.membersOf(group)
		if len(members) == 0 {
			return nil
		}
		if err := s.expelSome(ctx, group, members[:min(len(members), manyAtOnce)]); err != nil {
			return fmt.Errorf("take members out of a group: %w", err)
		}
	}
}

func (s *Store) expelSome(ctx context.Context, group string, members []*entry) error {
	var b state.Batch
	for _, e := range members {
		next := e.account.clone()
		next.Groups = slices.DeleteFunc(next.Groups, func(id string) bool { return id == group })
		p, err := put(accountPrefix+next.ID, &next)
		if err != nil {
			return err
		}
		b.Checks = append(b.Checks, state.Check{Name: p.Name, Revision: e.account.Revision})
		b.Puts = append(b.Puts, p)
	}
	_, err := s.apply(ctx, b)
	if errors.Is(err, state.ErrConflict) {
		// Who was faster is known now; whoever is still a member is so anew.
		return ctx.Err()
	}
	return err
}

// AddMember puts an account into a group.
func (s *Store) AddMember(ctx context.Context, group, account string, o Option) (Account, error) {
	g, err := s.findGroup(group)
	if err != nil {
		return Account{}, err
	}
	return s.Update(ctx, account, 0, func(a *Account) error {
		if !slices.Contains(a.Groups, g.ID) {
			a.Groups = append(a.Groups, g.ID)
		}
		return nil
	}, o)
}

// RemoveMember takes an account out of a group.
func (s *Store) RemoveMember(ctx context.Context, group, account string, o Option) (Account, error) {
	g, err := s.findGroup(group)
	if err != nil {
		return Account{}, err
	}
	return s.Update(ctx, account, 0, func(a *Account) error {
		a.Groups = slices.DeleteFunc(a.Groups, func(id string) bool { return id == g.ID })
		return nil
	}, o)
}

// canonicalGroup is Canonical for the names of groups.
func canonicalGroup(name string) (string, error) {
	folded, err := Canonical(name)
	var invalid *InvalidError
	if errors.As(err, &invalid) {
		return "", &InvalidError{Field: "name", Why: invalid.Why}
	}
	return folded, err
}
