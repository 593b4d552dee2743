package migrate

import (
	"maps"
	"path"
	"slices"
	"strings"

	"gatehouse/admin/document"
	"gatehouse/admin/record"
	"gatehouse/policy"
)

// home finds the user's folder. Whoever has every right there gets it as its
// home. A home gives full rights, so that others keep a home of their own, and
// see the old folder as their root, with the rights they had.
func (c *converter) home(x *document.DocumentAccount, u user) {
	if u.Filesystem.Provider != 0 {
		c.remark("account", u.Username, "its files are not on a local disk, and are not taken over")
	}
	full := len(u.Permissions["/"]) == 0 || permissionsOf(u.Permissions["/"]).Has(policy.Full)
	tree, ok := c.options.tree(u.HomeDir)
	switch {
	case u.Filesystem.Provider != 0 || u.HomeDir == "":
	case !ok:
		c.remark("account", u.Username, "its folder %s is in no folder of the tree that was given (--map DISK=TREE): it gets a new home", u.HomeDir)
	case full && tree != "/":
		x.Home = tree
	default:
		x.Root = &tree
		x.AdoptHome = false
		x.Grants = append(x.Grants, grantOf(tree, "", permissionsOf(u.Permissions["/"])))
	}
	if x.Root == nil {
		x.Quota = quotaOf(u.QuotaSize, u.QuotaFiles)
	} else {
		c.bounds.add(*x.Root, u.Username, u.QuotaSize, u.QuotaFiles)
	}
	c.subfolders(x, u, tree)
}

// subfolders grants what a user may do more below its folder; there are no rules
// that take away.
func (c *converter) subfolders(x *document.DocumentAccount, u user, tree string) {
	top := permissionsOf(u.Permissions["/"])
	for _, p := range slices.Sorted(maps.Keys(u.Permissions)) {
		perms := permissionsOf(u.Permissions[p])
		onVirtual := func(f folder) bool { return path.Clean(f.VirtualPath) == path.Clean(p) }
		switch {
		case p == "/" || slices.ContainsFunc(u.VirtualFolders, onVirtual):
		case !perms.Has(top):
			c.remark("account", u.Username, "it has fewer rights in %s than above it: there are no rules that take away", p)
		case perms != top && tree != "":
			x.Grants = append(x.Grants, grantOf(path.Join(tree, p), "", perms))
		}
	}
}

// virtual is a folder that appears in a user's own, or in those of a group.
func (c *converter) virtual(kind, name string, f folder, permissions map[string][]string) (record.GrantSettings, bool) {
	base := c.folders[f.Name]
	if f.MappedPath == "" {
		f.MappedPath, f.Filesystem = base.MappedPath, base.Filesystem
	}
	tree, ok := c.options.tree(f.MappedPath)
	at := path.Base(path.Clean(f.VirtualPath))
	switch {
	case f.Filesystem.Provider != 0:
		c.remark(kind, name, "the virtual folder %s is not on a local disk, and is left out", f.VirtualPath)
		return record.GrantSettings{}, false
	case !ok || strings.Contains(f.MappedPath, "%"):
		c.remark(kind, name, "the virtual folder %s leads to %s, which is in no folder of the tree that was given (--map)", f.VirtualPath, f.MappedPath)
		return record.GrantSettings{}, false
	case path.Dir(path.Clean(f.VirtualPath)) != "/":
		c.remark(kind, name, "the virtual folder %s appears as /%s: granted folders stand at the top", f.VirtualPath, at)
	}
	c.bound(kind, name, f, tree)
	list, ok := permissions[path.Clean(f.VirtualPath)]
	if !ok {
		list = permissions["/"]
	}
	return grantOf(tree, at, permissionsOf(list)), true
}

// partly reports permissions that tell files from folders, which is not done here.
func (s settings) partly() bool {
	for _, names := range s.Permissions {
		has := func(name string) bool { return slices.Contains(names, name) }
		if has("*") {
			continue
		}
		if !has("delete") && has("delete_files") != has("delete_dirs") || has("upload") != has("create_dirs") {
			return true
		}
	}
	return false
}

// permissionsOf translates permissions, and gives no more than they gave: what
// changes metadata alone comes with overwrite, and removal with both kinds of it.
func permissionsOf(names []string) policy.Permissions {
	if len(names) == 0 {
		return policy.Full
	}
	var p policy.Permissions
	for _, name := range names {
		p |= map[string]policy.Permissions{
			"*": policy.Full, "list": policy.List, "download": policy.Read, "upload": policy.Create,
			"overwrite": policy.Write, "delete": policy.Delete,
		}[name]
	}
	if slices.Contains(names, "delete_files") && slices.Contains(names, "delete_dirs") {
		p |= policy.Delete
	}
	if whole := policy.List | policy.Read | policy.Create | policy.Write | policy.Delete; p&whole == whole && slices.Contains(names, "create_dirs") {
		return policy.Full
	}
	return p
}

func grantOf(tree, at string, p policy.Permissions) record.GrantSettings {
	g := record.GrantSettings{Path: tree, At: at}
	if _, err := policy.Preset(p.String()); err == nil {
		g.Preset = p.String()
		return g
	}
	g.Permissions = p.Names()
	return g
}
