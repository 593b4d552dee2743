package admin

import (
	"context"

	"gatehouse/admin/rest"
	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/policy/path"
)

// explainOperation adds the decision on an operation; it is the answer where
// the account would come in.
func (a *API) explainOperation(ctx context.Context, e policy.Effective, q Question, answer *Answer) error {
	found, err := a.explained(ctx, e, q)
	if err != nil {
		return err
	}
	answer.Chain = append(answer.Chain, policy.Step{Rule: found.Rule, Allowed: found.Allowed, Because: found.Because})
	if answer.Decision == "allow" {
		decided := answerOf(found.Decision)
		decided.Chain, decided.Situation, decided.Transport = answer.Chain, answer.Situation, answer.Transport
		*answer = decided
	}
	if !found.Allowed && answer.Rule == string(found.Rule) && sharedFolder(found) {
		answer.Setting, answer.Remedy = sharedFolderSetting, sharedFolderRemedy
	}
	return a.tell(ctx, e, q, found, answer)
}

// The name of a shared folder in an account's root is no name in the tree.
const (
	sharedFolderSetting = "grants of account and groups: as"
	sharedFolderRemedy  = "set the grant's name in the account's root: take the grant back, and give it anew with --at NAME (gatehouse grant remove, grant add; with --group where it is a group's)"
)

// sharedFolder reports whether a rename or removal was refused of a shared folder
// in the account's root.
func sharedFolder(found guard.Explained) bool {
	return found.Rule == policy.RuleHome && found.Entry != nil && found.Seen.Dir().IsRoot() && found.Judged == found.Entry.Path
}

func (a *API) explained(ctx context.Context, e policy.Effective, q Question) (guard.Explained, error) {
	door, op := policy.Door(q.Door), policy.Operation(q.Operation)
	from, err := a.seenPath(ctx, e, door, asked{"path", q.Path, "tree_path", q.TreePath})
	if err != nil {
		return guard.Explained{}, err
	}
	moves := op == policy.OpRename || op == policy.OpCopy
	if !moves && (q.To != "" || q.ToTreePath != "") {
		return guard.Explained{}, rest.Invalid("to", "is for rename and copy")
	}
	reader, err := a.explainTo(ctx)
	if err != nil {
		return guard.Explained{}, err
	}
	switch {
	case q.Size != nil && op != policy.OpWrite && op != policy.OpCreate:
		return guard.Explained{}, rest.Invalid("size", "is for write and create")
	case q.Size != nil:
		return a.Explain.Upload(ctx, e, door, reader, op, from, *q.Size)
	case !moves:
		return a.Explain.Operation(ctx, e, door, reader, op, from)
	}
	to, err := a.seenPath(ctx, e, door, asked{"to", q.To, "to_tree_path", q.ToTreePath})
	if err != nil {
		return guard.Explained{}, err
	}
	if q.To == "" && q.ToTreePath == "" {
		return guard.Explained{}, rest.Invalid("to", "is missing: where is it to be moved or copied?")
	}
	move := guard.Move{Op: op, From: from, To: to, Replace: guard.KeepTarget}
	switch {
	case q.Overwrite != nil && !*q.Overwrite, q.Overwrite == nil && door == policy.SFTP:
	case door == policy.SFTP || door == policy.FTP:
		move.Replace = guard.ReplaceFile
	default:
		move.Replace = guard.ReplaceAny
	}
	return a.Explain.Move(ctx, e, door, reader, move)
}

// explainTo is how much of the tree the caller sees: of others' accounts a
// delegate hears what they could find out themselves.
func (a *API) explainTo(ctx context.Context) (guard.Reader, error) {
	sight, err := a.Sight(ctx)
	if err != nil || !sight.All {
		return guard.AsTheAccount, err
	}
	return guard.WholeTree, nil
}

// asked is a path in either form, by the names of its fields.
type asked struct{ seenField, seen, treeField, tree string }

// seenPath reads a path as the account sees it.
func (a *API) seenPath(ctx context.Context, e policy.Effective, door policy.Door, q asked) (path.Path, error) {
	if q.seen != "" && q.tree != "" {
		return path.Path{}, rest.Invalid(q.treeField, "stands in place of "+q.seenField+": give one of them")
	}
	if q.tree == "" {
		p, err := path.Parse(q.seen)
		if err != nil {
			return p, rest.Invalid(q.seenField, err.Error())
		}
		return p, nil
	}
	tree, err := path.ParseStrict(q.tree)
	if err != nil {
		return tree, rest.Invalid(q.treeField, err.Error())
	}
	seen, ok, err := a.Explain.Seen(ctx, e, door, tree)
	if err == nil && !ok {
		err = rest.Invalid(q.treeField, "is not in what the account sees at this door: "+tree.String())
	}
	return seen, err
}

func viewUpload(u *guard.Upload) *UploadView {
	return &UploadView{SizeBytes: orNull(u.Size), MostBytes: orNull(u.Most), Rule: string(u.Rule)}
}

func orNull(n int64) *int64 {
	if n < 0 {
		return nil
	}
	return &n
}

func viewPlace(s guard.Spot) PlaceView {
	v := PlaceView{SeenPath: s.Seen.String(), TreePath: s.Asked.String()}
	if s.Real != s.Asked {
		v.RealPath = s.Real.String()
	}
	return v
}
