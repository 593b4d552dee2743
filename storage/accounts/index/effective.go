package index

import (
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

// Resolve works out what holds for an account now, or would hold for one that is
// not in the index like that. It keeps nothing: it is for who asks once, or for all.
func (x *Index) Resolve(a *policy.Account) policy.Effective {
	return x.scene(a).resolve(time.Now()).effective
}

// Effective returns what holds for an account now, and keeps it for
// those that were asked for of late, as long as the account, its groups, the site and
// those around it stay as they are.
func (x *Index) Effective(e *Entry) policy.Effective {
	if r := e.resolved.Load(); r.holds(x.generation.Load()) {
		if !r.asked.Load() { // a write each time would slow others down
			r.asked.Store(true)
		}
		return r.effective
	}
	r := x.scene(&e.Account.Account).resolve(time.Now())
	x.recent.keep(e, r)
	return r.effective
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
func (x *Index) scene(a *policy.Account) *scene {
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
func (x *Index) actor(a *policy.Account, sc *scene) actor {
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
func (x *Index) owner(id string, sc *scene) {
	e, ok := x.accounts[id]
	if _, there := sc.owners[id]; there || !ok {
		return
	}
	act := actor{account: &e.Account.Account}
	for _, g := range e.Account.Groups {
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
