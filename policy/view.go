package policy

import (
	"cmp"
	"slices"
	"strings"

	"gatehouse/policy/path"
)

// A View is what an account sees through one door: a root, and granted folders
// that appear by name inside it. It knows nothing of what the root holds: the
// guard leaves out an entry where that is something of the same name.
type View struct {
	Root    path.Path
	Entries []Entry // sorted by name, one per name: on a clash the account's own wins
	// Shadowed are the entries that lost a clash and do not appear.
	Shadowed []Entry
}

// An Entry is a folder that appears under another name: /Name shows Path.
type Entry struct {
	Name   string    `json:"name"`
	Path   path.Path `json:"path"`
	Origin string    `json:"origin"` // "account" or "group NAME"
}

// View returns what the account sees through door. Web and API show the whole
// tree, and nothing under another name.
//
// A group's grant without a name appears by its folder's own name, and so does a
// group's folder in which the account has any right, unless the root shows it
// anyway. A credential's scope changes nothing of it.
func (e Effective) View(door Door) View {
	if door == Web || door == API {
		return View{}
	}
	r := e.Whole().get()
	v := View{Root: r.root(door)}
	for _, entry := range r.candidates(v.Root) {
		v.add(entry)
	}
	slices.SortFunc(v.Entries, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return v
}

func (r *resolved) root(door Door) path.Path {
	if root, ok := r.account.Roots[door]; ok {
		return root
	}
	if r.account.Root != nil {
		return *r.account.Root
	}
	if r.account.Role == RoleAdmin {
		return path.Root
	}
	return r.account.Home
}

// candidates yields what asks for a name, those that win clashes first.
func (r *resolved) candidates(root path.Path) []Entry {
	var list []Entry
	for _, g := range r.grants {
		name := g.At
		if name == "" && g.group != "" && !root.Contains(g.shows) {
			name = g.shows.Base()
		}
		if g.gives != 0 && path.ValidName(name) == nil {
			list = append(list, Entry{Name: name, Path: g.shows, Origin: g.Origin})
		}
	}
	for _, f := range r.folders() {
		shown := func(e Entry) bool { return e.Path == f.Path }
		if f.reaches && !root.Contains(f.Path) && !f.Path.IsRoot() && !slices.ContainsFunc(list, shown) {
			list = append(list, Entry{Name: f.Path.Base(), Path: f.Path, Origin: f.Origin})
		}
	}
	return list
}

// add takes an entry in, or notes it as shadowed. The same folder under the
// same name is no clash.
func (v *View) add(entry Entry) {
	i := slices.IndexFunc(v.Entries, func(e Entry) bool { return e.Name == entry.Name })
	switch {
	case i < 0:
		v.Entries = append(v.Entries, entry)
	case v.Entries[i].Path != entry.Path:
		v.Shadowed = append(v.Shadowed, entry)
	}
}

// Tree translates a path as the account sees it to a tree path.
func (v View) Tree(seen path.Path) path.Path {
	name, rest := seen.First()
	if entry, ok := v.Entry(name); ok {
		return entry.Path.Append(rest)
	}
	return v.Root.Append(seen)
}

// Entry returns the entry of this name.
func (v View) Entry(name string) (Entry, bool) {
	i, ok := slices.BinarySearchFunc(v.Entries, name, func(e Entry, name string) int { return cmp.Compare(e.Name, name) })
	if !ok {
		return Entry{}, false
	}
	return v.Entries[i], true
}

// Seen translates a tree path to the path under which the account sees it;
// ok is false where the view does not show it. A path that is seen in several
// places is that in the root, else that below the nearest entry. Tree takes it
// back: v.Tree(seen) == tree.
func (v View) Seen(tree path.Path) (seen path.Path, ok bool) {
	if seen, ok = v.Root.Rel(tree); ok {
		name, _ := seen.First()
		if _, hidden := v.Entry(name); !hidden || v.Tree(seen) == tree {
			return seen, true
		}
	}
	found := path.Root
	ok = false
	var nearest int
	for _, entry := range v.Entries {
		rest, below := entry.Path.Rel(tree)
		if !below {
			continue
		}
		at, err := path.Root.Join(entry.Name)
		if depth := len(entry.Path.String()); err == nil && (!ok || depth > nearest) {
			found, nearest, ok = at.Append(rest), depth, true
		}
	}
	return found, ok
}
