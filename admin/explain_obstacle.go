package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"gatehouse/admin/rights"
	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/policy/path"
	"gatehouse/storage/quota"
)

// tell adds where the operation would act, and what is in its way.
func (a *API) tell(ctx context.Context, e policy.Effective, q Question, found guard.Explained, answer *Answer) error {
	answer.PlaceView = viewPlace(found.Spot)
	if found.To != nil {
		to := viewPlace(*found.To)
		answer.To = &to
	}
	if found.Upload != nil {
		answer.Upload = viewUpload(found.Upload)
	}
	sight, err := a.Sight(ctx)
	if err != nil {
		return err
	}
	if answer.Obstacle, err = a.obstacle(ctx, e, q, sight, found); err != nil || found.Lock == nil {
		return err
	}
	answer.LockedBy = "another account"
	if sight.Sees(found.Lock.AccountID) {
		answer.LockedBy = found.Lock.Account
	}
	answer.Lock = &HeldView{Expires: found.Lock.Expires}
	known := sight.All
	if !known {
		_, known, err = a.Explain.Seen(ctx, e, policy.Door(q.Door), found.Lock.Path)
	}
	if known {
		answer.Lock.Path = found.Lock.Path.String()
	}
	return err
}

// obstacle says what would stop the operation that the rules allow, in words for
// who asks: paths are the tree's for those who see all of it, else the account's.
func (a *API) obstacle(ctx context.Context, e policy.Effective, q Question, sight rights.Sight, found guard.Explained) (string, error) {
	err := found.Obstacle
	if err == nil {
		return "", nil
	}
	if spent, ok := errors.AsType[*guard.DeniedError](err); ok {
		return string(spent.Rule) + ": " + spent.Because, nil
	}
	if full, ok := errors.AsType[*quota.ExceededError](err); ok && found.Full != nil {
		folder := full.Folder
		if sight.All {
			folder = found.Full.Folder
		}
		return fmt.Sprintf("quota of %s exceeded: %s", folder, quotaText(found)), nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return a.missing(ctx, e, q, sight, found)
	}
	return err.Error(), nil
}

// quotaText says how much of a quota is used, of each figure that it limits.
func quotaText(found guard.Explained) string {
	u, text := found.Full, ""
	if u.Bytes >= 0 {
		text = fmt.Sprintf("%d of %d bytes", u.Used.Bytes, u.Bytes)
	}
	if u.Files < 0 {
		return text
	}
	if text != "" {
		text += ", "
	}
	return text + fmt.Sprintf("%d of %d files", u.Used.Files, u.Files)
}

// missing names what is not there: the folder for what would be made, else what
// the operation is about.
func (a *API) missing(ctx context.Context, e policy.Effective, q Question, sight rights.Sight, found guard.Explained) (string, error) {
	op := policy.Operation(q.Operation)
	made := found.Spot
	switch {
	case found.To != nil && !found.There, found.To == nil && op != policy.OpWrite && op != policy.OpCreate:
		return "there is nothing at " + found.Seen.String(), nil
	case found.To != nil:
		made = *found.To
	}
	reader := guard.AsTheAccount
	if sight.All {
		reader = guard.WholeTree
	}
	for missing, folder := (path.Path{}), made.Seen.Dir(); ; missing, folder = folder, folder.Dir() {
		above, err := a.Explain.Operation(ctx, e, policy.Door(q.Door), reader, policy.OpStat, folder)
		if err != nil {
			return "", err
		}
		if !above.There && !folder.IsRoot() {
			continue
		}
		if missing == (path.Path{}) { // a link stands there that leads nowhere
			return fs.ErrNotExist.Error(), nil
		}
		return "there is no folder " + missing.String(), nil
	}
}
