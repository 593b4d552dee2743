// Package index holds every account, group and the site in memory: it finds them,
// knows who has to do with whom, and resolves what holds for an account with those
// around it.
package index

import (
	"slices"
	"sync"
	"sync/atomic"

	"gatehouse/policy"
	"gatehouse/storage/accounts/names"
	"gatehouse/storage/accounts/record"
	"gatehouse/storage/state"
)

// An Index holds every record in memory. Records in it are never changed in
// place; who hands one out clones it. Safe for concurrent use.
type Index struct {
	mu         sync.RWMutex // guards what follows
	accounts   map[string]*Entry
	names      map[string]string // canonical name -> account id
	groups     map[string]*record.Group
	groupNames map[string]string // canonical name -> group id
	site       *record.Site
	// generation grows with every change of a group or the site. It is written
	// under mu, and read without.
	generation atomic.Uint64
	schemes    map[string]int // parameters of password hashes -> accounts that have them
	addressed  int            // accounts and groups that limit the sessions of an address
	relations  relations
	gone       tombstones
	recent     recent
}

// An Entry is an account with what was resolved for it.
type Entry struct {
	Account  *record.Account
	Folded   string                   // its canonical name
	resolved atomic.Pointer[resolved] // written by recent alone
}

// New returns an index of nothing, that keeps what holds for at most so many accounts.
func New(most int) *Index {
	return &Index{
		accounts:   make(map[string]*Entry),
		names:      make(map[string]string),
		groups:     make(map[string]*record.Group),
		groupNames: make(map[string]string),
		site:       &record.Site{Site: policy.DefaultSite()},
		schemes:    make(map[string]int),
		relations:  newRelations(),
		gone:       tombstones{names: make(map[string]bool)},
		recent:     recent{most: most},
	}
}

// Put takes a record in, unless what is there is as new or newer, or it is
// known to be gone. It returns what has changed.
func (x *Index) Put(r state.Record) ([]Change, error) { return x.put(r, newer) }

// Read takes a record in as the state has it now, unless it is known: a state that
// has lost changes has older ones, and brings back what was gone. It returns what
// has changed.
func (x *Index) Read(r state.Record) ([]Change, error) {
	x.revive(r.Name)
	return x.put(r, other)
}

// Load is Read of all, which takes in also what has a revision that is known:
// where changes were lost, others have theirs. KeepOnly follows it.
func (x *Index) Load(r state.Record) error {
	x.revive(r.Name)
	_, err := x.put(r, always)
	return err
}

// A takes says by their revisions whether a record takes the place of one that is
// known.
type takes func(known, found uint64) bool

func newer(known, found uint64) bool { return known < found }
func other(known, found uint64) bool { return known != found }
func always(uint64, uint64) bool     { return true }

func (x *Index) revive(name string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.gone.drop(name)
}

func (x *Index) put(r state.Record, instead takes) ([]Change, error) {
	switch kind, id := record.Split(r.Name); kind {
	case record.AccountPrefix:
		a, err := record.DecodeAccount(r)
		if err != nil {
			return nil, err
		}
		return x.putAccount(id, a, instead)
	case record.GroupPrefix:
		g, err := record.DecodeGroup(r)
		if err != nil {
			return nil, err
		}
		return x.putGroup(id, g, instead)
	case record.SiteName:
		site, err := record.DecodeSite(r)
		if err != nil {
			return nil, err
		}
		return x.putSite(site, instead), nil
	}
	return nil, nil
}

func (x *Index) putAccount(id string, a *record.Account, instead takes) ([]Change, error) {
	folded, err := names.Canonical(a.Name)
	if err != nil {
		return nil, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	old := x.accounts[id]
	if x.gone.names[record.AccountPrefix+id] || old != nil && !instead(old.Account.Revision, a.Revision) {
		return nil, nil
	}
	var was *record.Account
	if old != nil {
		was = old.Account
		x.count(was, -1)
	}
	touched := x.touch(id, was, a, func() {
		if was != nil {
			x.relations.dropAccount(was)
		}
		x.relations.addAccount(a)
		x.accounts[id] = &Entry{Account: a, Folded: folded}
	})
	x.names[folded] = id
	x.count(a, 1)
	return append([]Change{{Kind: KindAccount, ID: id, Name: folded}}, touched...), nil
}

func (x *Index) putGroup(id string, g *record.Group, instead takes) ([]Change, error) {
	folded, err := names.Canonical(g.Name)
	if err != nil {
		return nil, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	old := x.groups[id]
	if x.gone.names[record.GroupPrefix+id] || old != nil && !instead(old.Revision, g.Revision) {
		return nil, nil
	}
	if old != nil {
		x.countLimits(old.Limits, -1)
		x.forgetGroupName(old)
		x.relations.dropGroup(old)
	}
	x.countLimits(g.Limits, 1)
	x.relations.addGroup(g)
	x.groups[id] = g
	x.groupNames[folded] = id
	x.generation.Add(1)
	return []Change{{Kind: KindGroup, ID: id, Name: folded}}, nil
}

func (x *Index) putSite(site *record.Site, instead takes) []Change {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !instead(x.site.Revision, site.Revision) {
		return nil
	}
	x.site = site
	x.generation.Add(1)
	return []Change{{Kind: KindSite}}
}

// Remove forgets a record that is gone from the state. Ids never come again.
func (x *Index) Remove(name string) []Change {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.removeLocked(name)
}

func (x *Index) removeLocked(name string) []Change {
	kind, id := record.Split(name)
	switch {
	case kind == record.AccountPrefix:
		x.gone.add(name)
		e, ok := x.accounts[id]
		if !ok {
			return nil
		}
		x.count(e.Account, -1)
		touched := x.touch(id, e.Account, nil, func() {
			x.relations.dropAccount(e.Account)
			delete(x.accounts, id)
		})
		if x.names[e.Folded] == id {
			delete(x.names, e.Folded)
		}
		return append([]Change{{Kind: KindAccount, ID: id, Name: e.Folded}}, touched...)
	case kind == record.GroupPrefix:
		x.gone.add(name)
		g, ok := x.groups[id]
		if !ok {
			return nil
		}
		delete(x.groups, id)
		x.countLimits(g.Limits, -1)
		x.relations.dropGroup(g)
		x.generation.Add(1)
		return []Change{{Kind: KindGroup, ID: id, Name: x.forgetGroupName(g)}}
	}
	return nil
}

func (x *Index) forgetGroupName(g *record.Group) string {
	folded, err := names.Canonical(g.Name)
	if err == nil && x.groupNames[folded] == g.ID {
		delete(x.groupNames, folded)
	}
	return folded
}

// KeepOnly drops what a full reading has not seen, whatever its revision: a state
// may have lost it. Nothing was put while it was read.
func (x *Index) KeepOnly(seen map[string]bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for id := range x.accounts {
		if !seen[record.AccountPrefix+id] {
			x.removeLocked(record.AccountPrefix + id)
		}
	}
	for id := range x.groups {
		if !seen[record.GroupPrefix+id] {
			x.removeLocked(record.GroupPrefix + id)
		}
	}
	if !seen[record.SiteName] {
		x.site = &record.Site{Site: policy.DefaultSite()}
		x.generation.Add(1)
	}
}

// Behind reports whether the index may not know of a change yet.
func (x *Index) Behind(c state.Change) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	switch kind, id := record.Split(c.Name); kind {
	case record.AccountPrefix:
		e, ok := x.accounts[id]
		if c.Deleted {
			return ok
		}
		return !ok && !x.gone.names[c.Name] || ok && e.Account.Revision < c.Revision
	case record.GroupPrefix:
		g, ok := x.groups[id]
		if c.Deleted {
			return ok
		}
		return !ok && !x.gone.names[c.Name] || ok && g.Revision < c.Revision
	case record.SiteName:
		return x.site.Revision < c.Revision
	}
	return false
}

func (x *Index) count(a *record.Account, by int) {
	x.countLimits(a.Limits, by)
	scheme := a.Scheme()
	if scheme == "" {
		return
	}
	if x.schemes[scheme] += by; x.schemes[scheme] <= 0 {
		delete(x.schemes, scheme)
	}
}

func (x *Index) countLimits(l policy.Limits, by int) {
	if l.AddressSession > 0 {
		x.addressed += by
	}
}

// LimitsAddresses reports whether anybody's limits bound the sessions of an address.
func (x *Index) LimitsAddresses() bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.addressed > 0 || x.site.Limits.AddressSession > 0
}

// tombstones remembers the latest records that were removed, so that a slower
// writer's result does not bring one back.
type tombstones struct {
	names map[string]bool
	order []string
}

func (t *tombstones) add(name string) {
	if t.names[name] {
		return
	}
	t.names[name] = true
	if t.order = append(t.order, name); len(t.order) > 10_000 {
		delete(t.names, t.order[0])
		t.order = t.order[1:]
	}
}

func (t *tombstones) drop(name string) {
	if t.names[name] {
		delete(t.names, name)
		t.order = slices.DeleteFunc(t.order, func(n string) bool { return n == name })
	}
}
