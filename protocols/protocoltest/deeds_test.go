package protocoltest_test

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"gatehouse/auth/session"
	"gatehouse/policy"
)

// A deed is something to do with files, and with names of its own.
type deed struct {
	op       policy.Operation
	name, to string // to: of a rename or copy
	do       func() error
}

func (d deed) String() string { return fmt.Sprintf("%s %s %s", d.op, d.name, d.to) }

// replaces is what a rename at a door does with a file that stands at its target.
var replaces = map[policy.Door]session.Replace{
	policy.SFTP: session.KeepTarget, policy.FTP: session.ReplaceFile, policy.WebDAV: session.ReplaceAny,
}

// act is something to do where the player's folders are, or where it sees one
// under a name of its own.
func (p *parity) act(rnd *rand.Rand, one *player, w way, v visit) deed {
	folder := one.somewhere(rnd)
	name := fresh(folder)
	switch rnd.IntN(8) {
	case 0:
		return deed{policy.OpList, folder, "", func() error { return v.List(folder) }}
	case 1:
		return deed{policy.OpCreate, name, "", func() error { return v.Write(name) }}
	case 2:
		p.stands(one, name)
		return deed{policy.OpRead, name, "", func() error { return v.Read(name) }}
	case 3:
		p.stands(one, name)
		return deed{policy.OpWrite, name, "", func() error { return v.Write(name) }}
	case 4:
		p.stands(one, name)
		return deed{policy.OpDelete, name, "", func() error { return v.Delete(name) }}
	}
	return p.between(rnd, one, w, v, name)
}

// between is a rename or copy of a file, a folder or nothing, to a free name or
// onto a file or folder.
func (p *parity) between(rnd *rand.Rand, one *player, w way, v visit, from string) deed {
	to := fresh(one.somewhere(rnd))
	p.standsPerhaps(rnd, one, from, 1)
	p.standsPerhaps(rnd, one, to, 4)
	if w.door == policy.WebDAV && chance(rnd, 2) {
		return deed{policy.OpCopy, from, to, func() error { return v.Copy(from, to) }}
	}
	return deed{policy.OpRename, from, to, func() error { return v.Rename(from, to) }}
}

// standsPerhaps makes a file, a folder with a file, or more or less often nothing.
func (p *parity) standsPerhaps(rnd *rand.Rand, one *player, name string, nothing int) {
	switch i := rnd.IntN(nothing + 6); {
	case i < 3:
		p.stands(one, name)
	case i < 6:
		p.stands(one, name+"/f")
	}
}

func fresh(folder string) string {
	return fmt.Sprintf("%s/f%d", strings.TrimSuffix(folder, "/"), comers.Add(1))
}

// somewhere is a folder of the player, by its own name or by that of a grant.
func (one *player) somewhere(rnd *rand.Rand) string {
	if len(one.entries) > 0 && chance(rnd, 3) {
		return "/" + one.entries[rnd.IntN(len(one.entries))].At
	}
	return one.ground + folders[rnd.IntN(len(folders))]
}

// stands makes a file where a path that the player sees is in the tree.
func (p *parity) stands(one *player, name string) {
	for _, g := range one.entries {
		if rest, ok := strings.CutPrefix(name, "/"+g.At+"/"); ok && g.At != taken {
			name = g.Path.String() + "/" + rest
		}
	}
	p.Write(name, "content")
}

// taken is a name in the root that a grant may ask for and not get.
const taken = "p"
