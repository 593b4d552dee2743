package accounts

import (
	"bytes"
	"cmp"
	"context"
	"errors"
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
	slices.SortFunc(list, func(a, b Group) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

// Members returns the accounts in the group with this id, by username.
func (s *Store) Members(_ context.Context, id string) ([]Account, error) {
	var list []Account
	for _, e := range s.index.all() {
		if slices.Contains(e.account.Groups, id) {
			list = append(list, e.account.clone())
		}
	}
	slices.SortFunc(list, func(a, b Account) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

// CreateGroup makes a group. ID, Created and Kind are filled in.
func (s *Store) CreateGroup(ctx context.Context, g Group) (Group, error) {
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
	if err := s.validateGroup(&g, nil); err != nil {
		return Group{}, err
	}
	record, err := put(groupPrefix+g.ID, g)
	if err != nil {
		return Group{}, err
	}
	name, err := put(groupNameIndex+folded, g.ID)
	if err != nil {
		return Group{}, err
	}
	g.Revision, err = s.apply(ctx, state.Batch{
		Checks: []state.Check{{Name: groupPrefix + g.ID}, {Name: groupNameIndex + folded}},
		Puts:   []state.Put{record, name},
	})
	if errors.Is(err, state.ErrConflict) {
		return Group{}, ErrExists
	}
	return g, err
}

// UpdateGroup changes a group as Update does an account, its name included.
func (s *Store) UpdateGroup(ctx context.Context, name string, revision uint64, change func(*Group) error, o Option) (Group, error) {
	var next Group
	err := retry(func() error {
		cur, err := s.findGroup(name)
		if err != nil {
			return err
		}
		if err := matches(groupPrefix+cur.ID, cur.Revision, revision); err != nil {
			return err
		}
		next = cur.clone()
		if err := change(&next); err != nil {
			return err
		}
		return s.replaceGroup(ctx, cur, &next, o)
	})
	if err != nil {
		return Group{}, err
	}
	return next.clone(), nil
}

func (s *Store) replaceGroup(ctx context.Context, cur, next *Group, o Option) error {
	if err := s.validateGroup(next, cur); err != nil {
		return err
	}
	record, err := put(groupPrefix+cur.ID, next)
	if err != nil {
		return err
	}
	if same, err := encode(cur); err != nil || bytes.Equal(same, record.Value) {
		next.Revision = cur.Revision
		return err
	}
	b := state.Batch{
		Checks: []state.Check{{Name: groupPrefix + cur.ID, Revision: cur.Revision}},
		Puts:   []state.Put{record},
	}
	taken, err := renameGroup(&b, cur, next)
	if err != nil {
		return err
	}
	if err := s.guardRules(ctx, &b, rules{group: next}, o); err != nil {
		return err
	}
	next.Revision, err = s.apply(ctx, b)
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
		folded, err := canonicalGroup(cur.Name)
		if err != nil {
			return err
		}
		b := state.Batch{
			Checks:  []state.Check{{Name: groupPrefix + cur.ID, Revision: cur.Revision}},
			Deletes: []string{groupPrefix + cur.ID, groupNameIndex + folded},
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

// expel takes a group out of every account.
func (s *Store) expel(ctx context.Context, group string) error {
	members, err := s.Members(ctx, group)
	if err != nil {
		return err
	}
	for _, m := range members {
		_, err := s.Update(ctx, m.Name, 0, func(a *Account) error {
			a.Groups = slices.DeleteFunc(a.Groups, func(id string) bool { return id == group })
			return nil
		}, Forced)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return nil
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
