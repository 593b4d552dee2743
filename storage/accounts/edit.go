package accounts

import (
	"bytes"

	"gatehouse/storage/state"
)

// A record is an account, a group or the site, changed in place.
type record[T any] interface {
	*T
	recordName() string
	revision() *uint64
	clone() T
}

func (a *Account) recordName() string { return accountPrefix + a.ID }
func (a *Account) revision() *uint64  { return &a.Revision }
func (g *Group) recordName() string   { return groupPrefix + g.ID }
func (g *Group) revision() *uint64    { return &g.Revision }
func (s *Site) recordName() string    { return siteName }
func (s *Site) revision() *uint64     { return &s.Revision }

// edit changes what find returns through change, and writes it, for as often as
// others are faster. revision 0 takes the present one, any other must match.
func edit[T any, R record[T]](find func() (R, error), revision uint64, change func(R) error, write func(cur, next R) error) (T, error) {
	var next T
	err := retry(func() error {
		cur, err := find()
		if err != nil {
			return err
		}
		if err := matches(cur.recordName(), *cur.revision(), revision); err != nil {
			return err
		}
		next = cur.clone()
		if err := change(&next); err != nil {
			return err
		}
		return write(cur, &next)
	})
	if err != nil {
		var none T
		return none, err
	}
	return R(&next).clone(), nil
}

// replacement begins a batch that puts next in the place of cur. It returns none
// where nothing has changed.
func replacement[T any, R record[T]](cur, next R) (*state.Batch, error) {
	p, err := put(cur.recordName(), next)
	if err != nil {
		return nil, err
	}
	was, err := encode(cur)
	if err != nil {
		return nil, err
	}
	if bytes.Equal(was, p.Value) {
		*next.revision() = *cur.revision()
		return nil, nil
	}
	return &state.Batch{
		Checks: []state.Check{{Name: p.Name, Revision: *cur.revision()}},
		Puts:   []state.Put{p},
	}, nil
}
