package accounts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gatehouse/storage/accounts/index"
	"gatehouse/storage/accounts/names"
	"gatehouse/storage/accounts/record"
	"gatehouse/storage/state"
	"gatehouse/storage/state/typed"
)

// Group returns the group of this name; ErrNotFound.
func (s *Store) Group(_ context.Context, name string) (Group, error) {
	g, err := s.findGroup(name)
	if err != nil {
		return Group{}, err
	}
	return g.Clone(), nil
}

// GroupByID returns the group with this id; ErrNotFound.
func (s *Store) GroupByID(_ context.Context, id string) (Group, error) {
	g, ok := s.index.GroupByID(id)
	if !ok {
		return Group{}, ErrNotFound
	}
	return g.Clone(), nil
}

func (s *Store) findGroup(name string) (*Group, error) {
	folded, err := names.Canonical(name)
	if err != nil {
		return nil, ErrNotFound
	}
	g, ok := s.index.GroupByName(folded)
	if !ok {
		return nil, ErrNotFound
	}
	return g, nil
}

// Groups returns all groups by name.
func (s *Store) Groups(context.Context) ([]Group, error) {
	all := s.index.Groups()
	list := make([]Group, len(all))
	for i, g := range all {
		list[i] = g.Clone()
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
	for _, e := range s.index.Members(id) {
		list = append(list, e.Account.Clone())
	}
	slices.SortFunc(list, func(a, b Account) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

// CreateGroup makes a group. ID, Created and Kind are filled in.
func (s *Store) CreateGroup(ctx context.Context, g Group) (Group, error) {
	var made Group
	err := typed.Retry(func() (err error) {
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
	g = g.Clone()
	folded, err := canonicalGroup(g.Name)
	if err != nil {
		return Group{}, err
	}
	if _, taken := s.index.GroupByName(folded); taken {
		return Group{}, ErrExists
	}
	g.ID = typed.NewID()
	g.Created = time.Now().UTC().Truncate(time.Millisecond)
	g.Kind = cmp.Or(g.Kind, UserGroup)
	return g, s.validateGroup(&g, nil)
}

func (s *Store) insertGroup(ctx context.Context, g *Group) error {
	folded, err := canonicalGroup(g.Name)
	if err != nil {
		return err
	}
	group, err := typed.Put(record.GroupPrefix+g.ID, g)
	if err != nil {
		return err
	}
	name, err := typed.Put(groupNameIndex+folded, g.ID)
	if err != nil {
		return err
	}
	b := state.Batch{
		Checks: []state.Check{{Name: record.GroupPrefix + g.ID}, {Name: groupNameIndex + folded}},
		Puts:   []state.Put{group, name},
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
	return typed.Again(err)
}

// accountCheck demands of an account that it is as it is known.
func (s *Store) accountCheck(id string) state.Check {
	check := state.Check{Name: record.AccountPrefix + id, Revision: never}
	if e, ok := s.index.ByID(id); ok {
		check.Revision = e.Account.Revision
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
	return typed.Again(err)
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
	p, err := typed.Put(groupNameIndex+is, cur.ID)
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
	err := typed.Retry(func() error {
		cur, err := s.findGroup(name)
		if err != nil {
			return err
		}
		if err := matches(record.GroupPrefix+cur.ID, cur.Revision, revision); err != nil {
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
		return typed.Again(err)
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
		b.Checks = append(b.Checks, state.Check{Name: record.GroupPrefix + g.ID, Revision: g.Revision})
		b.Deletes = append(b.Deletes, record.GroupPrefix+g.ID, groupNameIndex+folded)
	}
	return nil
}

// expel takes a group that is gone out of every account, many in one batch: they
// lose nothing by it that they had not lost with the group.
func (s *Store) expel(ctx context.Context, group string) error {
	for {
		members := s.index.Members(group)
		if len(members) == 0 {
			return nil
		}
		if err := s.expelSome(ctx, group, members[:min(len(members), manyAtOnce)]); err != nil {
			return fmt.Errorf("take members out of a group: %w", err)
		}
	}
}

func (s *Store) expelSome(ctx context.Context, group string, members []*index.Entry) error {
	var b state.Batch
	for _, e := range members {
		next := e.Account.Clone()
		next.Groups = slices.DeleteFunc(next.Groups, func(id string) bool { return id == group })
		p, err := typed.Put(record.AccountPrefix+next.ID, &next)
		if err != nil {
			return err
		}
		b.Checks = append(b.Checks, state.Check{Name: p.Name, Revision: e.Account.Revision})
		b.Puts = append(b.Puts, p)
	}
	_, err := s.apply(ctx, b)
	if errors.Is(err, state.ErrConflict) {
		// Who was faster is known now; whoever is still a member is so anew.
		return ctx.Err()
	}
	return err
}

// canonicalGroup is names.Canonical for the names of groups.
func canonicalGroup(name string) (string, error) {
	folded, err := names.Canonical(name)
	var invalid *InvalidError
	if errors.As(err, &invalid) {
		return "", &InvalidError{Field: "name", Why: invalid.Why}
	}
	return folded, err
}
