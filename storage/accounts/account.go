package accounts

import (
	"context"
	"fmt"
	"math"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/accounts/index"
	"gatehouse/storage/accounts/names"
	"gatehouse/storage/accounts/record"
	"gatehouse/storage/state"
	"gatehouse/storage/state/typed"
)

// Local is the authentication of accounts whose credentials are kept here.
const Local = "local"

// Account returns the account of this name; ErrNotFound. It is one cached read.
func (s *Store) Account(_ context.Context, name string) (Account, error) {
	e, err := s.find(name)
	if err != nil {
		return Account{}, err
	}
	return e.Account.Clone(), nil
}

// ByID returns the account with this id.
func (s *Store) ByID(_ context.Context, id string) (Account, error) {
	e, ok := s.index.ByID(id)
	if !ok {
		return Account{}, ErrNotFound
	}
	return e.Account.Clone(), nil
}

// LimitsAddresses reports whether anybody's limits bound the sessions of an address,
// so that all of them count.
func (s *Store) LimitsAddresses() bool { return s.index.LimitsAddresses() }

// PasswordSchemes returns the parameters of the password hashes there are.
func (s *Store) PasswordSchemes() []string { return s.index.Schemes() }

// All returns the ids of all accounts, in no order.
func (s *Store) All() []string {
	entries := s.index.All()
	ids := make([]string, len(entries))
	for i, e := range entries {
		ids[i] = e.Account.ID
	}
	return ids
}

func (s *Store) find(name string) (*index.Entry, error) {
	folded, err := names.Canonical(name)
	if err != nil {
		// What cannot be a name is nobody's.
		return nil, ErrNotFound
	}
	e, ok := s.index.ByName(folded)
	if !ok {
		return nil, ErrNotFound
	}
	return e, nil
}

// Prepare fills in what Create would, and validates, without writing anything.
func (s *Store) Prepare(_ context.Context, a Account) (Account, error) {
	folded, err := names.Canonical(a.Name)
	if err != nil {
		return Account{}, err
	}
	if _, taken := s.index.ByName(folded); taken {
		return Account{}, ErrExists
	}
	if names.Reserved(folded) {
		return Account{}, &InvalidError{Field: "username", Why: "is what events call the gateway itself"}
	}
	a = a.Clone()
	if a.ID == "" {
		a.ID = typed.NewID()
	}
	if s.index.IDTaken(a.ID) {
		return Account{}, &InvalidError{Field: "id", Why: "is or was another account's"}
	}
	if a.Created.IsZero() {
		a.Created = time.Now().UTC().Truncate(time.Millisecond)
	}
	if a.Authentication == "" {
		a.Authentication = Local
	}
	if a.Role == "" {
		a.Role = policy.RoleUser
	}
	if a.Home.IsRoot() {
		if a.Home, err = record.HomeOf(folded); err != nil {
			return Account{}, err
		}
	}
	if err := s.validate(&a, nil); err != nil {
		return Account{}, err
	}
	return a, nil
}

// Create makes an account. ID, Created and Authentication are filled in, and Home
// where it is the root path.
func (s *Store) Create(ctx context.Context, a Account) (Account, error) {
	var made Account
	err := typed.Retry(func() (err error) {
		if made, err = s.Prepare(ctx, a); err != nil {
			return err
		}
		return s.insert(ctx, &made)
	})
	return made, err
}

// never is a revision that no record has: what is checked for it conflicts, and
// is prepared anew.
const never = math.MaxUint64

// groupChecks demands of groups that an account joins that they still are there.
func (s *Store) groupChecks(now, before []string) []state.Check {
	var checks []state.Check
	for _, id := range without(now, before) {
		check := state.Check{Name: record.GroupPrefix + id, Revision: never}
		if g, ok := s.index.GroupByID(id); ok {
			check.Revision = g.Revision
		}
		checks = append(checks, check)
	}
	return checks
}

// Update changes an account through change, which may be called more than once.
// revision 0 takes the present one, any other must match (state.ErrConflict).
// It refuses with ErrLastAdmin to leave no admin able to log in, unless the
// change is forced (the local socket). A change of nothing writes nothing.
func (s *Store) Update(ctx context.Context, name string, revision uint64, change func(*Account) error, o Option) (Account, error) {
	find := func() (*Account, error) {
		e, err := s.find(name)
		if err != nil {
			return nil, err
		}
		return e.Account, nil
	}
	return edit(find, revision, change, func(cur, next *Account) error { return s.replace(ctx, cur, next, o) })
}

// replace writes next in the place of cur.
func (s *Store) replace(ctx context.Context, cur, next *Account, o Option) error {
	if err := s.validate(next, cur); err != nil {
		return err
	}
	b, err := replacement(cur, next)
	if err != nil || b == nil {
		return err
	}
	b.Checks = append(b.Checks, s.groupChecks(next.Groups, cur.Groups)...)
	if err := s.guardAccount(ctx, b, cur, next, o); err != nil {
		return err
	}
	next.Revision, err = s.apply(ctx, *b)
	return typed.Again(err)
}

// Delete removes an account's record at once, and with it its credentials, links
// and personal groups: an id never comes typed.Again.
func (s *Store) Delete(ctx context.Context, name string, revision uint64, o Option) (Account, error) {
	return s.remove(ctx, name, revision, nil, o)
}

func (s *Store) remove(ctx context.Context, name string, revision uint64, note func(Account) *Leaving, o Option) (Account, error) {
	var gone Account
	var owned []*Group
	err := typed.Retry(func() error {
		e, err := s.find(name)
		if err != nil {
			return err
		}
		if err := matches(record.AccountPrefix+e.Account.ID, e.Account.Revision, revision); err != nil {
			return err
		}
		gone = e.Account.Clone()
		b := state.Batch{
			Checks:  []state.Check{{Name: record.AccountPrefix + gone.ID, Revision: gone.Revision}},
			Deletes: []string{record.AccountPrefix + gone.ID, namePrefix + e.Folded},
		}
		owned = s.index.Owned(gone.ID)
		if err := removeGroups(&b, owned); err != nil {
			return err
		}
		if note != nil {
			p, err := typed.Put(leavingPrefix+gone.ID, note(gone))
			if err != nil {
				return err
			}
			b.Puts = append(b.Puts, p)
		}
		if err := s.guardAccount(ctx, &b, e.Account, nil, o); err != nil {
			return err
		}
		_, err = s.apply(ctx, b)
		return typed.Again(err)
	})
	if err != nil {
		return Account{}, err
	}
	s.sweep(ctx, gone.ID, owned)
	return gone, nil
}

// sweep removes what a deleted account leaves behind elsewhere. All of it is
// worth nothing without its account, and stays where it cannot be removed now.
// That whoever asked has gone does not cut it short.
func (s *Store) sweep(ctx context.Context, id string, groups []*Group) {
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer done()
	_ = s.activity.Drop(ctx, id)
	_ = s.codes.Drop(ctx, id)
	_ = s.links.Drop(ctx, id)
	for _, g := range groups {
		_ = s.expel(ctx, g.ID)
	}
}

// Disable ends an account's access at once; settings stay. An admin is refused:
// it is demoted first.
func (s *Store) Disable(ctx context.Context, name, by, why string, o Option) (Account, error) {
	return s.Update(ctx, name, 0, func(a *Account) error {
		if a.Status.Disabled {
			return nil
		}
		a.Status = policy.Status{Disabled: true, By: by, At: time.Now().UTC().Truncate(time.Second), Why: why}
		return nil
	}, o)
}

// Enable lets a disabled account in typed.Again.
func (s *Store) Enable(ctx context.Context, name, by string, o Option) (Account, error) {
	return s.Update(ctx, name, 0, func(a *Account) error {
		if !a.Status.Disabled {
			return nil
		}
		a.Status = policy.Status{By: by, At: time.Now().UTC().Truncate(time.Second)}
		return nil
	}, o)
}

// matches refuses a change that was made against another revision.
func matches(name string, present, wanted uint64) error {
	if wanted == 0 || wanted == present {
		return nil
	}
	return fmt.Errorf("change %s: %w", name, &state.ConflictError{Name: name, Revision: present})
}

// without returns the elements of list that are not in other.
func without(list, other []string) []string {
	known := make(map[string]bool, len(other))
	for _, v := range other {
		known[v] = true
	}
	var rest []string
	for _, v := range list {
		if !known[v] {
			rest = append(rest, v)
		}
	}
	return rest
}

// CloneOf returns a draft for a new account that is set up as source is, as
// record.CloneOf does.
func CloneOf(source Account, name string) (Account, error) { return record.CloneOf(source, name) }

// CatchUp makes sure that this node knows of an account what others knew of it at
// a revision.
func (s *Store) CatchUp(ctx context.Context, id string, revision uint64) error {
	if e, ok := s.index.ByID(id); ok && e.Account.Revision >= revision {
		return nil
	}
	return s.pull(ctx, record.AccountPrefix+id)
}
