package record

import (
	"maps"
	"slices"

	"gatehouse/storage/accounts/field"
)

// Clone returns a copy that shares nothing with a.
func (a *Account) Clone() Account {
	c := *a
	c.Expires = field.Copy(a.Expires)
	c.Root = field.Copy(a.Root)
	c.Roots = maps.Clone(a.Roots)
	c.Grants = slices.Clone(a.Grants)
	c.Groups = slices.Clone(a.Groups)
	c.Protocols = slices.Clone(a.Protocols)
	c.AllowedIPs = slices.Clone(a.AllowedIPs)
	c.Quota.Bytes = field.Copy(a.Quota.Bytes)
	c.Quota.Files = field.Copy(a.Quota.Files)
	c.ManagedBy = slices.Clone(a.ManagedBy)
	c.Password = field.Copy(a.Password)
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
	c.PasswordAge = field.Copy(a.PasswordAge)
	c.UID = field.Copy(a.UID)
	c.GID = field.Copy(a.GID)
	return c
}

// Clone returns a copy that shares nothing with g.
func (g *Group) Clone() Group {
	c := *g
	c.Grants = slices.Clone(g.Grants)
	c.Protocols = slices.Clone(g.Protocols)
	c.Quota.Bytes = field.Copy(g.Quota.Bytes)
	c.Quota.Files = field.Copy(g.Quota.Files)
	c.Folder = field.Copy(g.Folder)
	c.FolderQuota.Bytes = field.Copy(g.FolderQuota.Bytes)
	c.FolderQuota.Files = field.Copy(g.FolderQuota.Files)
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
