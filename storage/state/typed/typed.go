// Package typed keeps Go values as records of a state: JSON under a version, so
// that a record of a newer program is refused and not misread. It makes a batch
// again where its outcome is not known or where another writer was faster.
package typed

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"gatehouse/storage/state"
)

// format is the version of the records that this program writes.
const format = 1

// An envelope is a record as it is stored.
type envelope struct {
	Format int             `json:"format"`
	Data   json.RawMessage `json:"data"`
}

// Encode returns a value as it is stored.
func Encode(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode a record: %w", err)
	}
	return json.Marshal(envelope{Format: format, Data: data})
}

// Decode reads a record into v; state.ErrNewer where a newer program wrote it.
func Decode(r state.Record, v any) error {
	// Read in one pass: with very many records a start is nothing but this.
	e := struct {
		Format int `json:"format"`
		Data   any `json:"data"`
	}{Data: v}
	err := json.Unmarshal(r.Value, &e)
	if e.Format > format {
		return fmt.Errorf("record %q: %w", r.Name, state.ErrNewer)
	}
	if err != nil {
		return fmt.Errorf("decode record %q: %w", r.Name, err)
	}
	return nil
}

// Put makes a Put of a value.
func Put(name string, v any) (state.Put, error) {
	b, err := Encode(v)
	return state.Put{Name: name, Value: b}, err
}

// NewID makes an opaque identity: 130 random bits as text.
func NewID() string { return strings.ToLower(rand.Text()) }

// Settle makes a batch under a new operation id, and makes it again where the
// outcome is not known.
func Settle(ctx context.Context, st state.Store, b state.Batch) (state.Result, error) {
	b.ID = state.NewOperationID()
	for try := 0; ; try++ {
		r, err := st.Apply(ctx, b)
		if !errors.Is(err, state.ErrUnknown) || try == 3 || ctx.Err() != nil {
			return r, err
		}
	}
}

// Retry runs try until it meets no conflict, which it says with Again. Conflicts
// come from writers that got on, so the bound is only met where something is wrong.
func Retry(try func() error) error {
	var err error
	for range 100 {
		if err = try(); !errors.Is(err, errAgain) {
			return err
		}
	}
	return fmt.Errorf("gave up after many conflicts: %w", err)
}

// errAgain asks Retry for another round.
var errAgain = errors.New("another writer was faster")

// Again turns a conflict into what asks Retry for another round.
func Again(err error) error {
	if errors.Is(err, state.ErrConflict) {
		return fmt.Errorf("%w: %w", errAgain, err)
	}
	return err
}

// All yields the records of a scope whose names begin with prefix to each, page
// by page, in order of name.
func All(ctx context.Context, st state.Store, scope, prefix string, each func(state.Record) error) error {
	for after, more := "", true; more; {
		page, err := st.List(ctx, scope, prefix, after, 500)
		if err != nil {
			return err
		}
		for _, r := range page.Records {
			if err := each(r); err != nil {
				return err
			}
			after = r.Name
		}
		more = page.More && len(page.Records) > 0
	}
	return nil
}
