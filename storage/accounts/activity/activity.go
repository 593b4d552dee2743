// Package activity is what changes often of an account: when, from where and at
// which door it and each of its credentials was last used. It is kept in memory,
// written at most once a minute, and joined with what other nodes wrote.
package activity

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/accounts/credentials"
	"gatehouse/storage/pause"
	"gatehouse/storage/state"
	"gatehouse/storage/state/follow"
)

// Scope is the scope of the records, which stand under the accounts' ids.
const Scope = "activity"

// Activity is what changes often of one account.
type Activity struct {
	LastLogin   time.Time      `json:"last_login,omitzero"`
	LastAddress string         `json:"last_address,omitempty"`
	LastDoor    policy.Door    `json:"last_door,omitempty"`
	LastUsed    map[string]Use `json:"last_used,omitempty"` // by credential id
	// Latest are where clients came from of late: each address and door once, with
	// its latest use, newest first.
	Latest map[string][]Use `json:"latest,omitempty"` // by client id
}

// Use is when, from where and at which door a credential last proved an account.
type Use struct {
	At      time.Time   `json:"at"`
	Address string      `json:"address,omitempty"`
	Door    policy.Door `json:"door,omitempty"`
}

// LastSync returns when a client's folder was last brought in step.
func (a Activity) LastSync(client, sync string) Use {
	return a.LastUsed[credentials.SyncKey(client, sync)]
}

// merge keeps the later of each.
func (a *Activity) merge(other Activity) {
	if other.LastLogin.After(a.LastLogin) {
		a.LastLogin, a.LastAddress, a.LastDoor = other.LastLogin, other.LastAddress, other.LastDoor
	}
	for id, use := range other.LastUsed {
		a.use(id, use)
	}
	for id, uses := range other.Latest {
		if a.Latest == nil {
			a.Latest = make(map[string][]Use)
		}
		a.Latest[id] = joined(a.Latest[id], uses)
	}
}

// use keeps the later use of a credential.
func (a *Activity) use(id string, u Use) {
	if a.LastUsed == nil {
		a.LastUsed = make(map[string]Use)
	}
	if u.At.After(a.LastUsed[id].At) {
		a.LastUsed[id] = u
	}
}

// maxLatest is how many addresses are remembered of a client.
const maxLatest = 10

// joined returns the latest of two lists as a new one.
func joined(a, b []Use) []Use {
	all := slices.Concat(a, b)
	slices.SortStableFunc(all, func(x, y Use) int { return y.At.Compare(x.At) })
	kept := make([]Use, 0, min(len(all), maxLatest))
	for _, use := range all {
		same := func(k Use) bool { return k.Address == use.Address && k.Door == use.Door }
		if len(kept) < maxLatest && !slices.ContainsFunc(kept, same) {
			kept = append(kept, use)
		}
	}
	return kept
}

// certificateMemory is how long the use of a certificate is remembered, which the
// account does not list.
const certificateMemory = 90 * 24 * time.Hour

// forget drops the uses of credentials that the account has no more.
func (a *Activity) forget(known map[string]bool, now time.Time) {
	maps.DeleteFunc(a.Latest, func(id string, _ []Use) bool { return !known[id] })
	maps.DeleteFunc(a.LastUsed, func(id string, use Use) bool {
		if strings.HasPrefix(id, "SHA256:") {
			return now.Sub(use.At) > certificateMemory
		}
		return !known[id]
	})
}

// Credentials returns the ids of all that proves an account, and of its syncs;
// ok is false where there is no such account.
type Credentials func(accountID string) (ids map[string]bool, ok bool)

// A Store holds every account's activity. Safe for concurrent use.
type Store struct {
	state       state.Store
	credentials Credentials
	followers   *follow.Followers
	running     sync.WaitGroup
	stop        context.CancelFunc

	mu    sync.Mutex // guards what follows
	all   map[string]*Activity
	dirty map[string]bool // what is not written yet
}

// Open reads all activity, follows the state's changes and writes what is noted
// once a minute, until ctx ends or Close.
func Open(ctx context.Context, st state.Store, credentials Credentials) (*Store, error) {
	s := &Store{
		state: st, credentials: credentials, followers: follow.New(st),
		all: make(map[string]*Activity), dirty: make(map[string]bool),
	}
	ctx, s.stop = context.WithCancel(ctx)
	if err := s.followers.Start(ctx, follow.Scope{Name: Scope, Load: s.load, One: s.changed, All: func() {}}); err != nil {
		s.stop()
		s.followers.Wait()
		return nil, fmt.Errorf("read the activity: %w", err)
	}
	s.running.Go(func() {
		pause.Every(ctx, time.Minute, func() { _ = s.Flush(ctx) }) // what cannot be written now is tried again
	})
	return s, nil
}

// Err says why what this node knows may be old; nil while it can follow changes.
func (s *Store) Err() error { return s.followers.Err() }

// Close stops following and writes what is still only in memory.
func (s *Store) Close(ctx context.Context) error {
	s.stop()
	s.followers.Wait()
	s.running.Wait()
	return s.Flush(ctx)
}

// Of returns an account's activity, as this node knows it.
func (s *Store) Of(accountID string) Activity {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.all[accountID]
	if !ok {
		return Activity{}
	}
	c := *a
	c.LastUsed, c.Latest = maps.Clone(a.LastUsed), maps.Clone(a.Latest)
	return c
}

// LastLogin returns when an account last logged in.
func (s *Store) LastLogin(accountID string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, ok := s.all[accountID]; ok {
		return a.LastLogin
	}
	return time.Time{}
}

// Touch notes a login or use of a credential in memory; it is written within a
// minute, or at Close.
func (s *Store) Touch(accountID, credential string, u Use) {
	u.At = u.At.UTC()
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.known(accountID)
	if u.At.After(a.LastLogin) {
		a.LastLogin, a.LastAddress, a.LastDoor = u.At, u.Address, u.Door
	}
	if credential != "" {
		a.use(credential, u)
	}
	s.dirty[accountID] = true
}

// Seen notes, beside what Touch does, where a client came from.
func (s *Store) Seen(accountID, client string, u Use) {
	u.At = u.At.UTC()
	s.learn(accountID, Activity{Latest: map[string][]Use{client: {u}}})
	s.mark(accountID)
}

// Synced notes, as Touch does, that a client's folder was brought in step.
func (s *Store) Synced(accountID, client, sync string, u Use) {
	u.At = u.At.UTC()
	s.learn(accountID, Activity{LastUsed: map[string]Use{credentials.SyncKey(client, sync): u}})
	s.mark(accountID)
}

// learn joins what is known of an account with something more.
func (s *Store) learn(accountID string, more Activity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known(accountID).merge(more)
}

// known returns what is known of an account. The caller holds s.mu.
func (s *Store) known(accountID string) *Activity {
	a, ok := s.all[accountID]
	if !ok {
		a = &Activity{}
		s.all[accountID] = a
	}
	return a
}

// take returns what is not written yet, and takes it as written.
func (s *Store) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make([]string, 0, len(s.dirty))
	for id := range s.dirty {
		ids = append(ids, id)
	}
	clear(s.dirty)
	return ids
}

func (s *Store) mark(accountID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dirty[accountID] = true
}

func (s *Store) forget(accountID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, accountID)
	delete(s.dirty, accountID)
}
