package admin

import (
	"context"
	"fmt"
	"slices"

	"gatehouse/admin/record"
	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts"
)

// warnings says what of a change may not be meant: it is done all the same.
// before is nil for a new account. Only what the change brought about is told.
func (a *API) warnings(ctx context.Context, before *accounts.Account, now accounts.Account) []string {
	var list []string
	if before == nil || before.Home != now.Home {
		list = append(list, a.overlaps(ctx, now)...)
	}
	var had []policy.Grant
	if before != nil {
		had = before.Grants
	}
	for _, g := range now.Grants {
		if !holdsGrant(had, g) {
			list = append(list, unseen(now.Account, g)...)
		}
	}
	return append(list, a.cutNow(ctx, before, now)...)
}

// cutNow tells which grants the change has made to give less than they say: those
// of a guest end where its managers' rights end.
func (a *API) cutNow(ctx context.Context, before *accounts.Account, now accounts.Account) []string {
	had := map[string]bool{}
	if before != nil {
		for _, text := range a.cuts(ctx, *before) {
			had[text] = true
		}
	}
	return slices.DeleteFunc(a.cuts(ctx, now), func(text string) bool { return had[text] })
}

func (a *API) cuts(ctx context.Context, x accounts.Account) []string {
	effective, err := a.Accounts.Effective(ctx, x)
	if err != nil {
		return nil
	}
	var list []string
	for _, v := range record.CutGrants(record.ViewGrants(x.Grants), effective.Cuts()) {
		if text := v.Warning(); text != "" {
			list = append(list, text)
		}
	}
	return list
}

// overlaps names whose homes are the account's, below it, or above it: each has
// every right on what it shares with the other. The names are for those who may
// look at all accounts.
func (a *API) overlaps(ctx context.Context, x accounts.Account) []string {
	var list []string
	r, err := a.Sight(ctx)
	for _, y := range a.Accounts.Overlapping(x.Home, x.ID, 3) {
		whose := "another account"
		if err == nil && r.Sees(y.ID) {
			whose = y.Name
		}
		list = append(list, fmt.Sprintf("the home %s overlaps the home of %s: each may do everything in what they share", x.Home, whose))
	}
	return list
}

func holdsGrant(grants []policy.Grant, g policy.Grant) bool {
	for _, h := range grants {
		if h == g {
			return true
		}
	}
	return false
}

// unseen tells of an account's grant that no file door would show: it lies
// outside the root and has no name in it.
func unseen(x policy.Account, g policy.Grant) []string {
	if g.At != "" {
		return nil
	}
	for _, door := range []policy.Door{policy.SFTP, policy.FTP, policy.WebDAV} {
		root := rootOf(x, door)
		if !root.Contains(g.Path) && !g.Path.Contains(root) {
			return []string{fmt.Sprintf("the grant on %s is outside the root %s of %s and has no name in it: give it one with at, or it is not seen on %s", g.Path, root, x.Name, door)}
		}
	}
	return nil
}

func rootOf(x policy.Account, door policy.Door) path.Path {
	return policy.Resolve(policy.Site{}, nil, x).View(door).Root
}
