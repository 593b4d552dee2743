package accounts

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/accounts/activity"
	"gatehouse/storage/accounts/codes"
	"gatehouse/storage/accounts/index"
	"gatehouse/storage/accounts/links"
	"gatehouse/storage/accounts/record"
	"gatehouse/storage/state"
	"gatehouse/storage/state/follow"
)

// A Store reads and writes the records. Names are compared by PRECIS
// UsernameCaseMapped (RFC 8265). Reads come from an index in memory that
// follows the state, and know at once what was written through the same Store.
// Safe for concurrent use.
type Store struct {
	state state.Store
	index *index.Index
	// feed orders reading a record from the state and indexing it against
	// indexing what was just written.
	feed      sync.Mutex
	watchers  watchers
	followers *follow.Followers
	stop      context.CancelFunc
	shared    atomic.Bool // other nodes write as well
	progress  progress

	activity *activity.Store
	codes    *codes.Store
	links    *links.Store
}

// maxRecent is how many accounts keep what was resolved for them: those that log
// in and make requests, however many there are.
const maxRecent = 4096

// Open reads the index and follows the state's changes until ctx ends or Close.
func Open(ctx context.Context, st state.Store) (*Store, error) {
	return openWith(ctx, st, index.New(maxRecent))
}

func openWith(ctx context.Context, st state.Store, x *index.Index) (*Store, error) {
	s := &Store{state: st, index: x, followers: follow.New(st), codes: codes.New(st)}
	s.links = links.New(st, invited{s})
	ctx, s.stop = context.WithCancel(ctx)
	if err := s.follow(ctx); err != nil {
		s.stop()
		s.followers.Wait()
		return nil, fmt.Errorf("read the accounts: %w", err)
	}
	return s, nil
}

func (s *Store) follow(ctx context.Context) error {
	err := s.followers.Start(ctx, follow.Scope{
		Name: record.Scope, Load: s.load, One: s.changed,
		All: func() { s.watchers.publish(Change{Kind: KindAll}) },
	})
	if err != nil {
		return err
	}
	s.activity, err = activity.Open(ctx, s.state, s.credentialsOf)
	return err
}

// Err says why what this node knows may be old: it cannot follow the changes.
// nil while it can.
func (s *Store) Err() error { return cmp.Or(s.followers.Err(), s.activity.Err()) }

// Close stops following and writes the activity that is still in memory.
func (s *Store) Close(ctx context.Context) error {
	s.stop()
	s.followers.Wait()
	return s.activity.Close(ctx)
}

// Links returns the links that set accounts' passwords or invite to accounts.
func (s *Store) Links() *links.Store { return s.links }

// Activity returns what changes often, as this node knows it.
func (s *Store) Activity(_ context.Context, id string) (Activity, error) {
	return s.activity.Of(id), nil
}

// Touch notes a login or use of a credential in memory; it is written within a
// minute, or at Close.
func (s *Store) Touch(id, credential string, at time.Time, address string, door policy.Door) {
	use := Use{At: at, Address: address, Door: door}
	s.activity.Touch(id, credential, use)
	if e, ok := s.index.ByID(id); ok && e.Account.IsClient(credential) {
		s.activity.Seen(id, credential, use)
	}
}

// Synced notes in memory, as Touch does, that a client's folder was brought in step.
func (s *Store) Synced(id, client, sync string, at time.Time, address string, door policy.Door) {
	s.activity.Synced(id, client, sync, Use{At: at, Address: address, Door: door})
}

// Flush writes the activity that is only in memory.
func (s *Store) Flush(ctx context.Context) error { return s.activity.Flush(ctx) }

func (s *Store) credentialsOf(id string) (map[string]bool, bool) {
	e, ok := s.index.ByID(id)
	if !ok {
		return nil, false
	}
	return e.Account.CredentialIDs(), true
}

// UseCode uses up the code of a time step of RFC 6238 for the enrolment with
// this id. Of several tries at once, on whichever nodes, one gets nil; a step
// that is not later than the latest used one is codes.ErrUsed.
func (s *Store) UseCode(ctx context.Context, accountID, totpID string, step int64) error {
	return s.codes.Use(ctx, accountID, totpID, step)
}
