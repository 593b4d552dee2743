package policy

import "gatehouse/policy/path"

// A Move is a rename or a copy, as DecideRename and DecideCopy judge it.
type Move struct {
	From, To path.Path
	// Folder says that From is a folder: everything is then asked for the whole
	// tree.
	Folder bool
	// Replaces is what stands at To and would give way.
	Replaces Replaced
}

// Replaced is what a rename or copy finds at its target.
type Replaced int

// What can stand at a target. A file gives way to write, a folder to delete on
// its whole tree.
const (
	ReplacesNothing Replaced = iota
	ReplacesFile
	ReplacesFolder
)

// DecideRename reports whether e permits a rename: delete at the source, create
// or, onto an existing name, write at the target; and at the source each of
// read and share that the target would give: moving never widens.
func (e Effective) DecideRename(m Move) Decision {
	if d := e.DecideSource(OpRename, m); !d.Allowed {
		return d
	}
	d := e.decideTarget(m)
	if !d.Allowed {
		return d
	}
	if wider := e.gained(m) & (Read | Share); wider != 0 {
		return widens(wider)
	}
	return d
}

// DecideCopy reports whether e permits a copy: read at the source, of a folder
// list too, and create or write at the target.
func (e Effective) DecideCopy(m Move) Decision {
	if d := e.DecideSource(OpCopy, m); !d.Allowed {
		return d
	}
	return e.decideTarget(m)
}

// DecideSource is the part of DecideRename, or of DecideCopy, that is about the
// source alone.
func (e Effective) DecideSource(op Operation, m Move) Decision {
	if op != OpCopy {
		return e.decide(OpDelete, m.From, m.Folder)
	}
	if d := e.decide(OpRead, m.From, m.Folder); !d.Allowed || !m.Folder {
		return d
	}
	return e.DecideTree(OpList, m.From)
}

// DecideLink reports whether e permits a hard link of a file: read and write at
// the source, create at the target, and no right at the target that the source
// does not give.
func (e Effective) DecideLink(from, to path.Path) Decision {
	source := Target{Path: from}
	for _, op := range []Operation{OpRead, OpWrite} {
		if d := e.Decide(op, source); !d.Allowed {
			return d
		}
	}
	d := e.Decide(OpCreate, Target{Path: to})
	if !d.Allowed {
		return d
	}
	if wider := e.gained(Move{From: from, To: to}); wider != 0 {
		return widens(wider)
	}
	return d
}

func (e Effective) decide(op Operation, p path.Path, folder bool) Decision {
	if folder {
		return e.DecideTree(op, p)
	}
	return e.Decide(op, Target{Path: p})
}

func (e Effective) decideTarget(m Move) Decision {
	switch m.Replaces {
	case ReplacesFile:
		if d := e.Decide(OpWrite, Target{Path: m.To}); !d.Allowed || !m.Folder {
			return d
		}
	case ReplacesFolder:
		if d := e.DecideTree(OpDelete, m.To); !d.Allowed {
			return d
		}
	}
	return e.decide(OpCreate, m.To, m.Folder)
}

// gained returns the rights that the target gives on anything moved there, and
// the source does not give on all of it.
func (e Effective) gained(m Move) Permissions {
	if m.Folder {
		return e.reachable(m.To) &^ e.TreePermissions(m.From)
	}
	return e.Permissions(Target{Path: m.To}) &^ e.Permissions(Target{Path: m.From})
}

func widens(p Permissions) Decision {
	return Decision{Rule: RuleWidens, Because: "the target would give what the source does not: " + p.String()}
}
