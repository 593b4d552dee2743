package record

import (
	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts/field"
	"gatehouse/storage/accounts/names"
	"gatehouse/storage/state/typed"
)

// CloneOf returns a draft for a new account that is set up as source is: its
// groups, grants, protocols, network rules, quota and limits. Never credentials,
// identity, history, role or rights over others, nor grants in the source's
// home. A root in the source's home becomes the same place in the new one.
func CloneOf(source Account, name string) (Account, error) {
	folded, err := names.Canonical(name)
	if err != nil {
		return Account{}, err
	}
	home, err := HomeOf(folded)
	if err != nil {
		return Account{}, err
	}
	source = source.Clone()
	a := Account{Account: policy.Account{
		Name: name, Home: home, Groups: source.Groups, Protocols: source.Protocols,
		PlainFTP: source.PlainFTP, AllowedIPs: source.AllowedIPs, Bypass: source.Bypass,
		Quota: source.Quota, Limits: source.Limits, Uploads: source.Uploads,
	}}
	for _, g := range source.Grants {
		if !source.Home.Contains(g.Path) {
			g.ID = typed.NewID()
			a.Grants = append(a.Grants, g)
		}
	}
	if source.Root != nil {
		root := rebase(*source.Root, source.Home, home)
		a.Root = &root
	}
	for door, root := range source.Roots {
		if a.Roots == nil {
			a.Roots = make(map[policy.Door]path.Path, len(source.Roots))
		}
		a.Roots[door] = rebase(root, source.Home, home)
	}
	return a, nil
}

// HomeOf is the home of an account where nothing else is said.
func HomeOf(folded string) (path.Path, error) {
	home, err := path.MustParse("/home").Join(folded)
	if err != nil {
		return path.Path{}, &field.Error{Field: "username", Why: "cannot be the name of a home"}
	}
	return home, nil
}

// rebase moves what is in one folder to the same place in another.
func rebase(p, from, to path.Path) path.Path {
	if rest, ok := from.Rel(p); ok && !from.IsRoot() {
		return to.Append(rest)
	}
	return p
}
