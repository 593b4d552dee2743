package guard

import (
	"gatehouse/policy"
	"gatehouse/policy/path"
)

// members judges what stands in one folder. Where all names there are judged
// alike that is done once for files and once for folders, and no member costs
// as much as its path.
type members struct {
	rules        *rules
	in           place
	longest      int // of the names that fit into every path
	alike        bool
	owner        string // what follows holds where alike
	file, folder judged
}

type judged struct {
	visible     bool
	permissions policy.Permissions
}

func (r *rules) members(p *place) *members {
	m := &members{rules: r, in: *p, longest: path.MaxLength - 1}
	for _, folder := range []path.Path{p.seen, p.asked, p.real} {
		if !folder.IsRoot() {
			m.longest = min(m.longest, path.MaxLength-1-len(folder.String()))
		}
	}
	if !r.alike(p.asked) || p.real != p.asked && !r.alike(p.real) {
		return m
	}
	one, err := p.member("any")
	if err != nil {
		return m
	}
	m.alike, m.owner = true, r.owner(one.real)
	m.file, m.folder = r.judged(&one, false), r.judged(&one, true)
	return m
}

// alike is policy's, to which a home is a grant, and heeds what a session knows
// beside it: its root it sees always.
func (r *rules) alike(folder path.Path) bool {
	return r.policy.Alike(folder) && !folder.Holds(r.view.Root)
}

func (r *rules) judged(p *place, folder bool) judged {
	return judged{r.visible(p, folder) == nil, r.permissions(p.asked, p.real, folder)}
}

func (r *rules) owner(real path.Path) string {
	home := r.account.Home
	if home.IsRoot() || !home.Contains(real) {
		return nobody
	}
	return r.account.Name
}

// permissions is what the account may do under both paths.
func (r *rules) permissions(asked, real path.Path, folder bool) policy.Permissions {
	p := r.policy.Permissions(policy.Target{Path: asked, Folder: folder})
	if real != asked {
		p &= r.policy.Permissions(policy.Target{Path: real, Folder: folder})
	}
	return p
}

func (m *members) of(folder bool) *judged {
	if folder {
		return &m.folder
	}
	return &m.file
}

// shows reports whether the account may know of a member, and be told its name.
func (m *members) shows(name string, folder bool) bool {
	if path.ValidName(name) != nil || len(name) > m.longest {
		return false
	}
	if m.alike {
		return m.of(folder).visible
	}
	p, err := m.in.member(name)
	return err == nil && m.rules.visible(&p, folder) == nil
}
