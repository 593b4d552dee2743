package logins

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"gatehouse/auth"
	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/storage/seal"
	"gatehouse/storage/state"
	"gatehouse/storage/state/typed"
)

// scope holds the logins, and those that wait for a code. The store's clock
// ends them.
const (
	scope         = "logins"
	loginPrefix   = "login/"
	waitingPrefix = "waiting/"
)

// format is the version of the records.
const format = 1

// slack is how much longer a record stands than its login: for one node to see
// it end, and say so.
const slack = time.Minute

// valueSize is how long what a browser has is: rand.Text.
const valueSize = 26

// A login is what is kept of one.
type login struct {
	Format  int                `json:"format"`
	Face    Face               `json:"face"`
	Session session.Resumption `json:"session"`
	// Account is the revision that the account had, which who goes on must know.
	Account uint64 `json:"account"`
	// Status is since when the account was as it was then, enabled.
	Status time.Time `json:"status,omitzero"`
	Began  time.Time `json:"began"`
	Used   time.Time `json:"used"`
	// Enrolment is a second factor that waits for its first code.
	Enrolment *auth.Enrolment `json:"enrolment,omitempty"`

	revision uint64
}

// ends is when a login is over that is not used any more.
func (l login) ends() time.Time {
	used, most := l.Used.Add(idle), l.Began.Add(absolute)
	if used.Before(most) {
		return used
	}
	return most
}

// A waiting is an attempt whose password was right and whose code is to come.
type waiting struct {
	Format    int              `json:"format"`
	Account   string           `json:"account"`
	Door      policy.Door      `json:"door"`
	Address   netip.Addr       `json:"address"`
	Transport policy.Transport `json:"transport"`
	Client    string           `json:"client,omitempty"`
	Proved    *auth.Proved     `json:"proved"`
}

// newValue makes what a browser is to have, and the name of the login's record,
// from which it cannot be found.
func newValue() (value, name string) {
	value = rand.Text()
	name, _ = nameOf(value)
	return value, name
}

// nameOf names the record of a login; false for what no browser was given.
func nameOf(value string) (string, bool) {
	return loginPrefix + hashOf(value), len(value) == valueSize
}

func hashOf(value string) string {
	sum := sha256.Sum256([]byte(value))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// records are sealed, each for its name.
type records struct {
	state  state.Store
	sealer *seal.Sealer
}

func (r *records) sealed(name string, v any, life time.Duration) (state.Put, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return state.Put{}, fmt.Errorf("encode a login: %w", err)
	}
	return state.Put{Name: name, Value: r.sealer.Seal(bound(name), text), TTL: life}, nil
}

// bound names a record among all that is sealed.
func bound(name string) string { return scope + "/" + name }

// opened reads a record into v. What cannot be opened here, or is of a newer
// program, is state.ErrNotFound: nobody's login.
func (r *records) opened(record state.Record, v any, kept *int) error {
	text, err := r.sealer.Open(bound(record.Name), record.Value)
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err == nil && *kept != format {
		err = state.ErrNewer
	}
	if err != nil {
		return fmt.Errorf("%w: a login cannot be read: %w", state.ErrNotFound, err)
	}
	return nil
}

// get reads a login, or takes it from known where that has this revision.
func (r *records) get(ctx context.Context, name string, known func(revision uint64) (login, bool)) (login, error) {
	record, err := r.state.Get(ctx, scope, name)
	if err != nil {
		return login{}, err
	}
	if l, ok := known(record.Revision); ok {
		return l, nil
	}
	l := login{}
	if err := r.opened(record, &l, &l.Format); err != nil {
		return login{}, err
	}
	l.revision = record.Revision
	return l, nil
}

// put writes a login whose record has this revision, 0 for none, and returns the
// new one.
func (r *records) put(ctx context.Context, name string, l login, revision uint64) (uint64, error) {
	return r.write(ctx, name, l, state.Batch{Checks: []state.Check{{Name: name, Revision: revision}}})
}

// replace is put under another name, in the place of the record under the first.
func (r *records) replace(ctx context.Context, from string, revision uint64, to string, l login) (uint64, error) {
	return r.write(ctx, to, l, state.Batch{Checks: []state.Check{{Name: from, Revision: revision}}, Deletes: []string{from}})
}

func (r *records) write(ctx context.Context, name string, l login, b state.Batch) (uint64, error) {
	l.Format = format
	p, err := r.sealed(name, l, max(time.Until(l.ends()), 0)+slack)
	if err != nil {
		return 0, err
	}
	b.Scope, b.Puts = scope, []state.Put{p}
	done, err := typed.Settle(ctx, r.state, b)
	return done.Revision, err
}

// remove takes a login away; false where there was none.
func (r *records) remove(ctx context.Context, name string) (bool, error) {
	var there bool
	err := typed.Retry(func() error {
		record, err := r.state.Get(ctx, scope, name)
		if errors.Is(err, state.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		_, err = typed.Settle(ctx, r.state, state.Batch{
			Scope: scope, Checks: []state.Check{{Name: name, Revision: record.Revision}}, Deletes: []string{name},
		})
		there = err == nil
		return typed.Again(err)
	})
	return there, err
}
