package accounts

import (
	"maps"
	"slices"
)

// clone returns a copy that shares nothing with a.
func (a *Account) clone() Account {
	c := *a
	c.Expires = ref(a.Expires)
	c.Root = ref(a.Root)
	c.Roots = maps.Clone(a.Roots)
	c.Grants = slices.Clone(a.Grants)
	c.Groups = slices.Clone(a.Groups)
	c.Protocols = slices.Clone(a.Protocols)
	c.AllowedIPs = slices.Clone(a.AllowedIPs)
	c.Quota.Bytes = ref(a.Quota.Bytes)
	c.Quota.Files = ref(a.Quota.Files)
	c.ManagedBy = slices.Clone(a.ManagedBy)
	c.Password = ref(a.Password)
	c.Keys = slices.Clone(a.Keys)
	for i := range c.Keys {
		c.Keys[i].Expires = ref(c.Keys[i].Expires)
		c.Keys[i].AllowedIPs = slices.Clone(c.Keys[i].AllowedIPs)
	}
	c.UID = ref(a.UID)
	c.GID = ref(a.GID)
	return c
}

func (g *Group) clone() Group {
	c := *g
	c.Grants = slices.Clone(g.Grants)
	c.Protocols = slices.Clone(g.Protocols)
	c.Quota.Bytes = ref(g.Quota.Bytes)
	c.Quota.Files = ref(g.Quota.Files)
	c.Managers = slices.Clone(g.Managers)
	return c
}

func (s *Site) clone() Site {
	c := *s
	c.AllowedIPs = slices.Clone(s.AllowedIPs)
	c.Doors = slices.Clone(s.Doors)
	return c
}

// ref returns a pointer to a copy.
func ref[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}
