package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// A person is what an administrator has settled about an account.
type person struct {
	Display  string
	Quota    int64 // 0: none
	Disabled bool
	Grants   []string // the names under which they appear
	Groups   []string
	Files    []int64 // the sizes of what was put into its home
}

func (p person) with(change func(*person)) person {
	p.Grants, p.Groups, p.Files = slices.Clone(p.Grants), slices.Clone(p.Groups), slices.Clone(p.Files)
	change(&p)
	slices.Sort(p.Grants)
	slices.Sort(p.Groups)
	return p
}

// A staff is the accounts and groups of one administrator, and a setting of the
// site where it is its to change.
type staff struct {
	People map[string]person
	Groups map[string]bool
	Kept   map[string][]int64 // homes of deleted accounts, until they are looked at
	Days   int                // audit.keep_days, where it is its to change
}

func (s staff) copyOf() staff {
	s.People, s.Groups, s.Kept = maps.Clone(s.People), maps.Clone(s.Groups), maps.Clone(s.Kept)
	return s
}

// Kinds of changes, by the event that each leaves.
const (
	created   = "account.create"
	changed   = "account.change"
	granted   = "account.grant.add"
	revoked   = "account.grant.remove"
	disabled  = "account.disable"
	enabled   = "account.enable"
	joined    = "group.member.add"
	left      = "group.member.remove"
	deleted   = "account.delete"
	formed    = "group.create"
	dissolved = "group.delete"
	settled   = "site.change"
	filled    = "" // a file in a home: no change of the account
)

// A change is one thing that an administrator does. n is a figure that it sets.
type change struct {
	kind  string
	who   string // an account, or a group that is formed or dissolved
	other string // a grant, group, or what becomes of the files
	n     int64
}

func (c change) String() string { return fmt.Sprintf("%s %s %s %d", c.kind, c.who, c.other, c.n) }

// after is the staff once the change is acknowledged.
func (s staff) after(c change) staff {
	s = s.copyOf()
	alter := func(do func(*person)) { s.People[c.who] = s.People[c.who].with(do) }
	switch c.kind {
	case created:
		s.People[c.who] = newPerson(c)
	case changed:
		alter(func(p *person) { p.Display, p.Quota = c.other, c.n })
	case granted:
		alter(func(p *person) { p.Grants = append(p.Grants, c.other) })
	case revoked:
		alter(func(p *person) { p.Grants = without(p.Grants, c.other) })
	case disabled, enabled:
		alter(func(p *person) { p.Disabled = c.kind == disabled })
	case joined:
		alter(func(p *person) { p.Groups = append(p.Groups, c.other) })
	case left:
		alter(func(p *person) { p.Groups = without(p.Groups, c.other) })
	case filled:
		alter(func(p *person) { p.Files = append(p.Files, c.n) })
	case deleted:
		if c.other == "keep" {
			s.Kept[c.who] = s.People[c.who].Files
		}
		delete(s.People, c.who)
	case formed:
		s.Groups[c.who] = true
	case dissolved:
		delete(s.Groups, c.who)
		for name, p := range s.People {
			s.People[name] = p.with(func(p *person) { p.Groups = without(p.Groups, c.who) })
		}
	case settled:
		s.Days = int(c.n)
	}
	return s
}

func newPerson(c change) person {
	p := person{Display: c.who, Quota: c.n}
	if c.other != "" {
		p.Groups = []string{c.other}
	}
	return p
}

func without(list []string, one string) []string {
	return slices.DeleteFunc(list, func(x string) bool { return x == one })
}

// A planner makes up changes that can be made of a staff.
type planner struct {
	random *rand.Rand
	prefix string // of all its names
	site   bool   // may change the site
	count  int
}

func (p *planner) next(s staff) change {
	for {
		if c, ok := p.make(s); ok {
			return c
		}
	}
}

var kinds = []string{
	created, created, created, changed, changed, changed, granted, granted, revoked, disabled, enabled,
	joined, joined, left, deleted, deleted, formed, dissolved, filled, filled, filled, settled,
}

func (p *planner) make(s staff) (c change, ok bool) {
	c = change{kind: kinds[p.random.IntN(len(kinds))]}
	if len(s.People) > 25 {
		c.kind = deleted
	}
	c.who, ok = p.one(slices.Sorted(maps.Keys(s.People)))
	x := s.People[c.who]
	group, some := p.one(slices.Sorted(maps.Keys(s.Groups)))
	switch c.kind {
	case created:
		c.who, c.n, ok = p.fresh(), p.quota(), true
		if p.random.IntN(2) == 0 {
			c.other = group
		}
	case changed:
		c.other, c.n = p.fresh(), p.quota()
	case granted:
		c.other = p.fresh()
		ok = ok && len(x.Grants) < 5
	case revoked:
		if ok {
			c.other, ok = p.one(x.Grants)
		}
	case disabled, enabled:
		ok = ok && x.Disabled == (c.kind == enabled)
	case joined:
		c.other = group
		ok = ok && some && !slices.Contains(x.Groups, group)
	case left:
		if ok {
			c.other, ok = p.one(x.Groups)
		}
	case filled:
		c.n = p.random.Int64N(30_000)
		ok = ok && len(x.Files) < 10
	case deleted:
		c.other = []string{"keep", "delete"}[p.random.IntN(2)]
	case formed:
		c.who, ok = p.fresh(), len(s.Groups) < 5
	case dissolved:
		c.who, ok = group, some
	case settled:
		c.who, c.n, ok = "", int64(s.Days+1), p.site
	}
	return c, ok
}

// quota is a limit on a home, or none.
func (p *planner) quota() int64 {
	if p.random.IntN(3) == 0 {
		return 0
	}
	return 100_000 + p.random.Int64N(1_000_000)
}

func (p *planner) fresh() string {
	p.count++
	return fmt.Sprintf("%s%04d", p.prefix, p.count)
}

func (p *planner) one(list []string) (string, bool) {
	if len(list) == 0 {
		return "", false
	}
	return list[p.random.IntN(len(list))], true
}

// mine reports whether a name is of this planner's making.
func (p *planner) mine(name string) bool { return strings.HasPrefix(name, p.prefix) }
