package accounts

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"gatehouse/policy"
	"gatehouse/storage/state"
)

// An index holds every record in memory. Records in it are never changed in
// place; who hands one out clones it.
type index struct {
	mu         sync.RWMutex // guards what follows
	accounts   map[string]*entry
	names      map[string]string // canonical name -> account id
	groups     map[string]*Group
	groupNames map[string]string // canonical name -> group id
	site       *Site
	// generation grows with every change of a group or the site. It is written
	// under mu, and read without.
	generation atomic.Uint64
	schemes    map[string]int // parameters of password hashes -> accounts that have them
	relations  relations
	gone       tombstones
}

// An entry is an account with what was resolved for it.
type entry struct {
	account  *Account
	folded   string
	resolved atomic.Pointer[resolved] // written by recent alone
}

func newIndex() *index {
	return &index{
		accounts:   make(map[string]*entry),
		names:      make(map[string]string),
		groups:     make(map[string]*Group),
		groupNames: make(map[string]string),
		site:       &Site{Site: policy.DefaultSite()},
		schemes:    make(map[string]int),
		relations:  newRelations(),
		gone:       tombstones{names: make(map[string]bool)},
	}
}

// put takes a record in, unless what is there is as new or newer, or it is
// known to be gone. It returns what has changed.
func (x *index) put(r state.Record) ([]Change, error) {
	switch kind, id := split(r.Name); kind {
	case accountPrefix:
		a, err := decodeAccount(r)
		if err != nil {
			return nil, err
		}
		return x.putAccount(id, a)
	case groupPrefix:
		g, err := decodeGroup(r)
		if err != nil {
			return nil, err
		}
		return x.putGroup(id, g)
	case siteName:
		site, err := decodeSite(r)
		if err != nil {
			return nil, err
		}
		return x.putSite(site), nil
	}
	return nil, nil
}

func (x *index) putAccount(id string, a *Account) ([]Change, error) {
	folded, err := Canonical(a.Name)
	if err != nil {
		return nil, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	old := x.accounts[id]
	if x.gone.names[accountPrefix+id] || old != nil && old.account.Revision >= a.Revision {
		return nil, nil
	}
	var was *Account
	if old != nil {
		was = old.account
		x.count(was, -1)
	}
	touched := x.touch(id, was, a, func() {
		if was != nil {
			x.relations.dropAccount(was)
		}
		x.relations.addAccount(a)
		x.accounts[id] = &entry{account: a, folded: folded}
	})
	x.names[folded] = id
	x.count(a, 1)
	return append([]Change{{Kind: KindAccount, ID: id, Name: folded}}, touched...), nil
}

func (x *index) putGroup(id string, g *Group) ([]Change, error) {
	folded, err := Canonical(g.Name)
	if err != nil {
		return nil, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	old := x.groups[id]
	if x.gone.names[groupPrefix+id] || old != nil && old.Revision >= g.Revision {
		return nil, nil
	}
	if old != nil {
		x.forgetGroupName(old)
		x.relations.dropGroup(old)
	}
	x.relations.addGroup(g)
	x.groups[id] = g
	x.groupNames[folded] = id
	x.generation.Add(1)
	return []Change{{Kind: KindGroup, ID: id, Name: folded}}, nil
}

func (x *index) putSite(site *Site) []Change {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.site.Revision >= site.Revision {
		return nil
	}
	x.site = site
	x.generation.Add(1)
	return []Change{{Kind: KindSite}}
}

// remove forgets a record that is gone from the state. Ids never come again.
func (x *index) remove(name string) []Change {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.removeLocked(name)
}

func (x *index) removeLocked(name string) []Change {
	kind, id := split(name)
	switch {
	case kind == accountPrefix:
		x.gone.add(name)
		e, ok := x.accounts[id]
		if !ok {
			return nil
		}
		x.count(e.account, -1)
		touched := x.touch(id, e.account, nil, func() {
			x.relations.dropAccount(e.account)
			delete(x.accounts, id)
		})
		if x.names[e.folded] == id {
			delete(x.names, e.folded)
		}
		return append([]Change{{Kind: KindAccount, ID: id, Name: e.folded}}, touched...)
	case kind == groupPrefix:
		x.gone.add(name)
		g, ok := x.groups[id]
		if !ok {
			return nil
		}
		delete(x.groups, id)
		x.relations.dropGroup(g)
		x.generation.Add(1)
		return []Change{{Kind: KindGroup, ID: id, Name: x.forgetGroupName(g)}}
	}
	return nil
}

func (x *index) forgetGroupName(g *Group) string {
	folded, err := Canonical(g.Name)
	if err == nil && x.groupNames[folded] == g.ID {
		delete(x.groupNames, folded)
	}
	return folded
}

// keepOnly drops what a full reading, begun at revision, has not seen.
func (x *index) keepOnly(seen map[string]bool, revision uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for id, e := range x.accounts {
		if !seen[accountPrefix+id] && e.account.Revision <= revision {
			x.removeLocked(accountPrefix + id)
		}
	}
	for id, g := range x.groups {
		if !seen[groupPrefix+id] && g.Revision <= revision {
			x.removeLocked(groupPrefix + id)
		}
	}
}

// behind reports whether the index may not know of a change yet.
func (x *index) behind(c state.Change) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	switch kind, id := split(c.Name); kind {
	case accountPrefix:
		e, ok := x.accounts[id]
		if c.Deleted {
			return ok
		}
		return !ok && !x.gone.names[c.Name] || ok && e.account.Revision < c.Revision
	case groupPrefix:
		g, ok := x.groups[id]
		if c.Deleted {
			return ok
		}
		return !ok && !x.gone.names[c.Name] || ok && g.Revision < c.Revision
	case siteName:
		return x.site.Revision < c.Revision
	}
	return false
}

// byName returns the entry of a canonical name.
func (x *index) byName(folded string) (*entry, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	e, ok := x.accounts[x.names[folded]]
	return e, ok
}

func (x *index) byID(id string) (*entry, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	e, ok := x.accounts[id]
	return e, ok
}

// idTaken reports whether an account has this id, or had it lately.
func (x *index) idTaken(id string) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	_, ok := x.accounts[id]
	return ok || x.gone.names[accountPrefix+id]
}

// byCredential returns the entry that has the credential with this id.
func (x *index) byCredential(id string) (*entry, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	e, ok := x.accounts[x.relations.credentials[id]]
	return e, ok
}

// credentialTaken reports whether an account other than this one has a credential
// with this id.
func (x *index) credentialTaken(id, account string) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	holder, ok := x.relations.credentials[id]
	return ok && holder != account
}

// all returns every entry, in no order.
func (x *index) all() []*entry {
	x.mu.RLock()
	defer x.mu.RUnlock()
	list := make([]*entry, 0, len(x.accounts))
	for _, e := range x.accounts {
		list = append(list, e)
	}
	return list
}

func (x *index) groupByName(folded string) (*Group, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	g, ok := x.groups[x.groupNames[folded]]
	return g, ok
}

func (x *index) groupByID(id string) (*Group, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	g, ok := x.groups[id]
	return g, ok
}

func (x *index) allGroups() []*Group {
	x.mu.RLock()
	defer x.mu.RUnlock()
	list := make([]*Group, 0, len(x.groups))
	for _, g := range x.groups {
		list = append(list, g)
	}
	return list
}

func (x *index) present() *Site {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.site
}

// rules returns the site and the named groups that exist, as of one moment.
func (x *index) rules(groups []string) (policy.Site, []policy.Group) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var found []policy.Group
	for _, id := range groups {
		if g, ok := x.groups[id]; ok {
			found = append(found, g.Group)
		}
	}
	return x.site.Site, found
}

func (x *index) count(a *Account, by int) {
	scheme := a.scheme()
	if scheme == "" {
		return
	}
	if x.schemes[scheme] += by; x.schemes[scheme] <= 0 {
		delete(x.schemes, scheme)
	}
}

func (x *index) allSchemes() []string {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return slices.Collect(maps.Keys(x.schemes))
}

// split takes a record's name apart; a name without a slash is a kind of its own.
func split(name string) (kind, id string) {
	i := strings.IndexByte(name, '/')
	if i < 0 {
		return name, ""
	}
	return name[:i+1], name[i+1:]
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
