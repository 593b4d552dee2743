package record

import (
	"maps"
	"slices"
)

// Clone returns a copy that shares nothing with a.
func (a *Account) Clone() Account {
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
		c.Keys[i] = c.Keys[i].Clone()
	}
	c.Credentials = slices.Clone(a.Credentials)
	for i := range c.Credentials {
		c.Credentials[i] = c.Credentials[i].Clone()
	}
	if a.TOTP != nil {
		totp := a.TOTP.Clone()
		c.TOTP = &totp
	}
	c.PasswordAge = ref(a.PasswordAge)
	c.UID = ref(a.UID)
	c.GID = ref(a.GID)
	return c
}

// Clone returns a copy that shares nothing with g.
func (g *Group) Clone() Group {
	c := *g
	c.Grants = slices.Clone(g.Grants)
	c.Protocols = slices.Clone(g.Protocols)
	c.Quota.Bytes = ref(g.Quota.Bytes)
	c.Quota.Files = ref(g.Quota.Files)
	c.Folder = ref(g.Folder)
	c.FolderQuota.Bytes = ref(g.FolderQuota.Bytes)
	c.FolderQuota.Files = ref(g.FolderQuota.Files)
	c.Managers = slices.Clone(g.Managers)
	return c
}

// Clone returns a copy that shares nothing with s.
func (s *Site) Clone() Site {
	c := *s
	c.AllowedIPs = slices.Clone(s.AllowedIPs)
	c.Doors = slices.Clone(s.Doors)
	c.SSHUserCAs = slices.Clone(s.SSHUserCAs)
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
