package accounts

import (
	"bytes"

	"gatehouse/storage/state"
	"gatehouse/storage/state/typed"
)

// editable is an account, a group or the site, changed in place.
type editable[T any] interface {
	*T
	RecordName() string
	Written() *uint64
	Clone() T
}

// edit changes what find returns through change, and writes it, for as often as
// others are faster. revision 0 takes the present one, any other must match.
func edit[T any, R editable[T]](find func() (R, error), revision uint64, change func(R) error, write func(cur, next R) error) (T, error) {
	var next T
	err := typed.Retry(func() error {
		cur, err := find()
		if err != nil {
			return err
		}
		if err := matches(cur.RecordName(), *cur.Written(), revision); err != nil {
			return err
		}
		next = cur.Clone()
		if err := change(&next); err != nil {
			return err
		}
		return write(cur, &next)
	})
	if err != nil {
		var none T
		return none, err
	}
	return R(&next).Clone(), nil
}

// replacement begins a batch that puts next in the place of cur. It returns none
// where nothing has changed.
func replacement[T any, R editable[T]](cur, next R) (*state.Batch, error) {
	p, err := typed.Put(cur.RecordName(), next)
	if err != nil {
		return nil, err
	}
	was, err := typed.Encode(cur)
	if err != nil {
		return nil, err
	}
	if bytes.Equal(was, p.Value) {
		*next.Written() = *cur.Written()
		return nil, nil
	}
	return &state.Batch{
		Checks: []state.Check{{Name: p.Name, Revision: *cur.Written()}},
		Puts:   []state.Put{p},
	}, nil
}
