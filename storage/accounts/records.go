package accounts

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"gatehouse/policy"
	"gatehouse/storage/state"
)

// The scopes and names under which the records stand. Accounts, groups, names
// and site share a scope, so that a change of several is one batch.
const (
	scope         = "accounts"
	activityScope = "activity"

	accountPrefix  = "account/"
	namePrefix     = "name/"
	groupPrefix    = "group/"
	groupNameIndex = "groupname/"
	makingPrefix   = "making/"
	leavingPrefix  = "leaving/"
	siteName       = "site"
	// adminsName is bumped by every change that could leave fewer admins able to
	// log in: of two such changes at once, one meets a conflict and looks again.
	adminsName = "admins"
)

// format is the version of the records that this program writes.
const format = 1

// An envelope is a record as it is stored.
type envelope struct {
	Format int             `json:"format"`
	Data   json.RawMessage `json:"data"`
}

func encode(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode a record: %w", err)
	}
	return json.Marshal(envelope{Format: format, Data: data})
}

func decode(r state.Record, v any) error {
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

func decodeAccount(r state.Record) (*Account, error) {
	a := new(Account)
	if err := decode(r, a); err != nil {
		return nil, err
	}
	a.Revision = r.Revision
	return a, nil
}

func decodeGroup(r state.Record) (*Group, error) {
	g := new(Group)
	if err := decode(r, g); err != nil {
		return nil, err
	}
	g.Revision = r.Revision
	return g, nil
}

func decodeSite(r state.Record) (*Site, error) {
	// Keys that are newer than the record keep their defaults.
	s := &Site{Site: policy.DefaultSite()}
	if err := decode(r, s); err != nil {
		return nil, err
	}
	s.Revision = r.Revision
	return s, nil
}

// put makes a Put of a value.
func put(name string, v any) (state.Put, error) {
	b, err := encode(v)
	return state.Put{Name: name, Value: b}, err
}

// newID makes an opaque identity: 130 random bits as text.
func newID() string { return strings.ToLower(rand.Text()) }

// retry runs try until it meets no conflict. Conflicts come from writers that
// got on, so the bound is only met where something is wrong.
func retry(try func() error) error {
	var err error
	for range 100 {
		if err = try(); !errors.Is(err, errAgain) {
			return err
		}
	}
	return fmt.Errorf("gave up after many conflicts: %w", err)
}

// errAgain asks retry for another round.
var errAgain = errors.New("another writer was faster")

// again turns a conflict into errAgain.
func again(err error) error {
	if errors.Is(err, state.ErrConflict) {
		return fmt.Errorf("%w: %w", errAgain, err)
	}
	return err
}
