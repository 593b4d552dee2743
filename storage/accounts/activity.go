package accounts

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/state"
)

// uses holds every account's activity in memory, and which of it is not written yet.
type uses struct {
	mu    sync.Mutex // guards what follows
	all   map[string]*Activity
	dirty map[string]bool
}

// Activity returns what changes often, as this node knows it.
func (s *Store) Activity(_ context.Context, id string) (Activity, error) {
	return s.uses.get(id), nil
}

// Touch notes a login or use of a credential in memory; it is written within a
// minute, or at Close.
func (s *Store) Touch(id, credential string, at time.Time, address string, door policy.Door) {
	used := Activity{LastLogin: at.UTC(), LastAddress: address, LastDoor: door}
	if credential != "" {
		used.LastUsed = map[string]Use{credential: {At: at.UTC(), Address: address, Door: door}}
	}
	s.uses.learn(id, used)
	s.uses.mark(id)
}

// merge keeps the later of each.
func (a *Activity) merge(other Activity) {
	if other.LastLogin.After(a.LastLogin) {
		a.LastLogin, a.LastAddress, a.LastDoor = other.LastLogin, other.LastAddress, other.LastDoor
	}
	for id, use := range other.LastUsed {
		if a.LastUsed == nil {
			a.LastUsed = make(map[string]Use)
		}
		if use.At.After(a.LastUsed[id].At) {
			a.LastUsed[id] = use
		}
	}
}

// certificateMemory is how long the use of a certificate is remembered, which the
// account does not list.
const certificateMemory = 90 * 24 * time.Hour

// forget drops the uses of credentials that the account has no more.
func (a *Activity) forget(account *Account, now time.Time) {
	known := account.credentialIDs()
	maps.DeleteFunc(a.LastUsed, func(id string, use Use) bool {
		if strings.HasPrefix(id, "SHA256:") {
			return now.Sub(use.At) > certificateMemory
		}
		return !known[id]
	})
}

// credentialIDs returns the ids of all that proves the account, and of syncs.
func (a *Account) credentialIDs() map[string]bool {
	ids := make(map[string]bool)
	if a.Password != nil {
		ids[a.Password.ID] = true
	}
	for i := range a.Keys {
		ids[a.Keys[i].ID] = true
	}
	for i := range a.Credentials {
		c := &a.Credentials[i]
		ids[c.ID] = true
		if c.Device == nil {
			continue
		}
		for _, y := range c.Device.Syncs {
			ids[syncKey(c.ID, y.ID)] = true
		}
	}
	return ids
}

// Flush writes the activity that is only in memory.
func (s *Store) Flush(ctx context.Context) error {
	var all []error
	for _, id := range s.uses.take() {
		if err := s.writeActivity(ctx, id); err != nil {
			s.uses.mark(id)
			all = append(all, err)
		}
	}
	return errors.Join(all...)
}

// flushEvery flushes until ctx ends. What cannot be written now is tried again.
func (s *Store) flushEvery(ctx context.Context, period time.Duration) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_ = s.Flush(ctx)
		}
	}
}

// writeActivity joins an account's activity with what other nodes wrote.
func (s *Store) writeActivity(ctx context.Context, id string) error {
	e, ok := s.index.byID(id)
	if !ok {
		s.uses.drop(id)
		return nil
	}
	return retry(func() error {
		r, err := s.state.Get(ctx, activityScope, id)
		if err != nil && !errors.Is(err, state.ErrNotFound) {
			return err
		}
		a := s.uses.get(id)
		if r.Revision != 0 {
			var stored Activity
			if err := decode(r, &stored); err != nil {
				return err
			}
			a.merge(stored)
		}
		a.forget(e.account, time.Now())
		p, err := put(id, a)
		if err != nil {
			return err
		}
		_, err = s.state.Apply(ctx, state.Batch{
			Scope: activityScope, ID: state.NewOperationID(),
			Checks: []state.Check{{Name: id, Revision: r.Revision}}, Puts: []state.Put{p},
		})
		return again(err)
	})
}

// loadActivity joins everything that is written with what is known.
func (s *Store) loadActivity(ctx context.Context) (uint64, error) {
	revision, err := s.state.Revision(ctx, activityScope)
	if err != nil {
		return 0, err
	}
	for after, more := "", true; more; {
		page, err := s.state.List(ctx, activityScope, "", after, 500)
		if err != nil {
			return 0, err
		}
		for _, r := range page.Records {
			if err := s.learnActivity(r); err != nil {
				return 0, err
			}
			after = r.Name
		}
		more = page.More && len(page.Records) > 0
	}
	return revision, nil
}

// used takes in what another node has written.
func (s *Store) used(ctx context.Context, c state.Change) error {
	r, err := s.state.Get(ctx, activityScope, c.Name)
	if errors.Is(err, state.ErrNotFound) {
		s.uses.drop(c.Name)
		return nil
	}
	if err != nil {
		return err
	}
	return s.learnActivity(r)
}

func (s *Store) learnActivity(r state.Record) error {
	var a Activity
	if err := decode(r, &a); err != nil {
		return err
	}
	s.uses.learn(r.Name, a)
	return nil
}

// dropActivity removes what a deleted account leaves behind.
func (s *Store) dropActivity(ctx context.Context, id string) {
	s.uses.drop(id)
	_, _ = s.state.Apply(ctx, state.Batch{Scope: activityScope, ID: state.NewOperationID(), Deletes: []string{id}})
}

func (u *uses) get(id string) Activity {
	u.mu.Lock()
	defer u.mu.Unlock()
	a, ok := u.all[id]
	if !ok {
		return Activity{}
	}
	c := *a
	c.LastUsed = maps.Clone(a.LastUsed)
	return c
}

// learn joins what is known of an account with something more.
func (u *uses) learn(id string, more Activity) {
	u.mu.Lock()
	defer u.mu.Unlock()
	a, ok := u.all[id]
	if !ok {
		a = &Activity{}
		u.all[id] = a
	}
	a.merge(more)
}

func (u *uses) lastLogin(id string) time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	if a, ok := u.all[id]; ok {
		return a.LastLogin
	}
	return time.Time{}
}

// take returns what is not written yet, and takes it as written.
func (u *uses) take() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	ids := make([]string, 0, len(u.dirty))
	for id := range u.dirty {
		ids = append(ids, id)
	}
	clear(u.dirty)
	return ids
}

func (u *uses) mark(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.dirty[id] = true
}

func (u *uses) drop(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.all, id)
	delete(u.dirty, id)
}
