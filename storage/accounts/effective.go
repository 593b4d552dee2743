package accounts

import (
	"context"
	"sync/atomic"
	"time"

	"gatehouse/policy"
)

// resolved is what held for an account under a generation, and until when.
type resolved struct {
	generation uint64
	until      time.Time // zero: no moment changes it
	effective  policy.Effective
	// asked is set when it is asked for again.
	asked atomic.Bool
}

func (r *resolved) holds(generation uint64) bool {
	return r != nil && r.generation == generation && (r.until.IsZero() || time.Now().Before(r.until))
}

// Effective resolves what holds for a now, or would hold for an account that is
// not stored like that. It keeps nothing: it is for who asks once, or for all.
func (s *Store) Effective(_ context.Context, a Account) (policy.Effective, error) {
	return s.index.scene(&a.Account).resolve(time.Now()).effective, nil
}

// Look returns the account of this name and what holds for it now, which is kept
// for some thousands that were asked for of late, as long as the account, its
// groups, the site and those around it stay as they are. With ErrNotFound it returns what holds for nobody.
func (s *Store) Look(_ context.Context, name string) (Account, policy.Effective, error) {
	e, err := s.find(name)
	if err != nil {
		return Account{}, policy.Resolve(s.index.present().Site, nil, policy.Account{}), err
	}
	return e.account.clone(), s.resolve(e), nil
}

// LookByID is Look for an id.
func (s *Store) LookByID(_ context.Context, id string) (Account, policy.Effective, error) {
	e, ok := s.index.byID(id)
	if !ok {
		return Account{}, policy.Resolve(s.index.present().Site, nil, policy.Account{}), ErrNotFound
	}
	return e.account.clone(), s.resolve(e), nil
}

// resolve keeps what it finds.
func (s *Store) resolve(e *entry) policy.Effective {
	if r := e.resolved.Load(); r.holds(s.index.generation.Load()) {
		if !r.asked.Load() { // a write each time would slow others down
			r.asked.Store(true)
		}
		return r.effective
	}
	r := s.index.scene(&e.account.Account).resolve(time.Now())
	s.recent.keep(e, r)
	return r.effective
}

// resolveOnce is resolve for lists: it pushes nobody out who is in use.
func (s *Store) resolveOnce(e *entry) policy.Effective {
	if r := e.resolved.Load(); r.holds(s.index.generation.Load()) {
		return r.effective
	}
	return s.index.scene(&e.account.Account).resolve(time.Now()).effective
}

// An actor is an account with its groups.
type actor struct {
	account *policy.Account
	groups  []policy.Group
}

// A scene is all that says what holds for an account, as of one moment: itself,
// the managers of a guest, and the owners of the personal groups of all these.
type scene struct {
	generation uint64
	site       policy.Site
	self       actor
	managers   []actor
	owners     map[string]actor
}

// scene gathers what there is around an account.
func (x *index) scene(a *policy.Account) *scene {
	x.mu.RLock()
	defer x.mu.RUnlock()
	sc := &scene{generation: x.generation.Load(), site: x.site.Site}
	sc.self = x.actor(a, sc)
	if a.Role == policy.RoleGuest {
		for _, m := range x.managersOf(a) {
			sc.managers = append(sc.managers, x.actor(m, sc))
		}
	}
	return sc
}

// actor puts an account on the scene, with the owners of its groups.
func (x *index) actor(a *policy.Account, sc *scene) actor {
	act := actor{account: a}
	for _, id := range a.Groups {
		g, ok := x.groups[id]
		if !ok {
			continue
		}
		act.groups = append(act.groups, g.Group)
		if g.Owner != "" {
			x.owner(g.Owner, sc)
		}
	}
	return act
}

// owner puts an owner on the scene. What it has from other people's personal
// groups it does not pass on, so nobody around it is asked for, and owners that
// are in each other's groups lead nowhere.
func (x *index) owner(id string, sc *scene) {
	e, ok := x.accounts[id]
	if _, there := sc.owners[id]; there || !ok {
		return
	}
	act := actor{account: &e.account.Account}
	for _, g := range e.account.Groups {
		if g, ok := x.groups[g]; ok && g.Owner == "" {
			act.groups = append(act.groups, g.Group)
		}
	}
	if sc.owners == nil {
		sc.owners = make(map[string]actor)
	}
	sc.owners[id] = act
}

// resolve works out what holds.
func (sc *scene) resolve(now time.Time) *resolved {
	around := policy.Around{Time: now}
	for id, owner := range sc.owners {
		if around.Owners == nil {
			around.Owners = make(map[string]policy.Effective, len(sc.owners))
		}
		around.Owners[id] = policy.Resolve(sc.site, owner.groups, *owner.account)
	}
	for _, m := range sc.managers {
		e := policy.ResolveAround(sc.site, m.groups, *m.account, policy.Around{Time: now, Owners: around.Owners})
		around.Managers = append(around.Managers, e)
	}
	e := policy.ResolveAround(sc.site, sc.self.groups, *sc.self.account, around)
	return &resolved{generation: sc.generation, until: e.Until(), effective: e}
}
