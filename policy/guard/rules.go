package guard

import (
	"io/fs"
	"slices"

	"gatehouse/policy"
	"gatehouse/policy/path"
)

// rules is the policy of a session at one moment. It is immutable; a changed
// policy is another one.
type rules struct {
	policy  policy.Effective
	view    policy.View
	account policy.Account
	uploads policy.Uploads
	largest int64 // largest upload, 0 is unlimited

	// entries are all shared folders, and known is what stands in the root by
	// their names, as far as the session has looked. Settled says that view leaves
	// out those that are behind something of the account's own.
	entries []policy.Entry
	known   map[string]ownName
	settled bool
	behind  []policy.Entry

	kept []path.Path // where the homes of deleted accounts are
}

func newRules(e policy.Effective, c Config) *rules {
	e = e.Closed(c.kept...)
	view := e.View(c.Door)
	return &rules{
		policy:  e,
		view:    view,
		entries: view.Entries,
		settled: len(view.Entries) == 0,
		kept:    c.kept,
		account: e.Account(),
		uploads: e.Uploads(c.Door),
		largest: e.Limits().LargestUpload,
	}
}

// A refusal is a decision against an operation. Where the account may not even
// know of the path it is fs.ErrNotExist to it, and a refusal in the event.
type refusal struct {
	policy.Decision
	hidden bool
	at     path.Path // of the tree: what the decision is about
}

func (r *refusal) Error() string {
	if r.hidden {
		return fs.ErrNotExist.Error()
	}
	return "permission denied"
}

func (r *refusal) Is(target error) bool {
	if r.hidden {
		return target == fs.ErrNotExist
	}
	return target == fs.ErrPermission
}

func (r *rules) decide(op policy.Operation, t policy.Target) policy.Decision {
	d := r.policy.Decide(op, t)
	if d.Rule == policy.RuleShell && !r.shows(t.Path) {
		return policy.Decision{Rule: policy.RuleNoGrant, Because: "the folder leads to what is granted, but is not in what the account sees"}
	}
	return d
}

// shows reports whether p is in what the account sees, whatever it may do there.
func (r *rules) shows(p path.Path) bool {
	_, ok := r.view.Seen(p)
	return ok
}

// sees reports whether the account may know of t. Its root it always sees.
func (r *rules) sees(t policy.Target) bool {
	return t.Path == r.view.Root || r.decide(policy.OpStat, t).Allowed
}

// refuse makes the error of a decision against an operation on t.
func (r *rules) refuse(d policy.Decision, t policy.Target) error {
	return &refusal{Decision: d, hidden: !r.sees(t), at: t.Path}
}

// judge asks for op on the path asked for and on where it really is.
func (r *rules) judge(p *place, op policy.Operation, folder bool) error {
	for t := range p.targets(folder) {
		if d := r.decide(op, t); !d.Allowed {
			return r.refuse(d, t)
		}
	}
	return nil
}

// judgeTree asks for op on everything at and below both paths.
func (r *rules) judgeTree(p *place, op policy.Operation) error {
	for t := range p.targets(true) {
		if d := r.policy.DecideTree(op, t.Path); !d.Allowed {
			return r.refuse(d, t)
		}
	}
	return nil
}

// visible is fs.ErrNotExist where the account may not know of either path.
func (r *rules) visible(p *place, folder bool) error {
	for t := range p.targets(folder) {
		if r.hides(t.Path) {
			return r.hidden(t.Path)
		}
		if !r.sees(t) {
			return &refusal{Decision: r.decide(policy.OpStat, t), hidden: true, at: t.Path}
		}
	}
	return nil
}

// hides reports whether the account may not know of p, whatever is there.
func (r *rules) hides(p path.Path) bool {
	return !r.sees(policy.Target{Path: p}) && !r.sees(policy.Target{Path: p, Folder: true})
}

// hidden refuses what the account may not know of, whether it is there or not.
func (r *rules) hidden(p path.Path) error {
	return &refusal{Decision: r.decide(policy.OpStat, policy.Target{Path: p}), hidden: true, at: p}
}

// conceal is what the account hears of an error of the store: of what it may not
// know of the same as where the store has found something.
func (r *rules) conceal(p *place, err error) error {
	for t := range p.targets(false) {
		if r.hides(t.Path) {
			return r.hidden(t.Path)
		}
	}
	return err
}

// keeps refuses the removal or replacement of what the account stands on: its
// home, its root, the folders that appear in it, and all above them.
func (r *rules) keeps(p path.Path) error {
	standing := p.Contains(r.view.Root) || !r.account.Home.IsRoot() && p.Contains(r.account.Home)
	for _, entry := range r.view.Entries {
		standing = standing || p.Contains(entry.Path)
	}
	if !standing {
		return nil
	}
	d := policy.Decision{Rule: policy.RuleHome, Because: "the account's own home, root and shared folders stay where they are"}
	return r.refuse(d, policy.Target{Path: p, Folder: true})
}

// onlyReads refuses what asks for no right, and is a change all the same, to a
// credential that is read-only.
func (r *rules) onlyReads() error {
	if !slices.ContainsFunc(r.policy.Scopes(), func(s policy.Scope) bool { return s.ReadOnly }) {
		return nil
	}
	return &refusal{Decision: policy.Decision{Rule: policy.RuleReadOnly, Because: "the credential is read-only"}}
}

// keptFrom reports whether t is in what is for administrators alone, and the
// account is none.
func (r *rules) keptFrom(t policy.Target) bool {
	return slices.ContainsFunc(r.kept, func(k path.Path) bool { return k.Contains(t.Path) }) && !r.sees(t)
}

// newName judges the name of something new.
func (r *rules) newName(p path.Path) error { return r.policy.ValidNewName(p.Base()) }
