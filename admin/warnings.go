package admin

import (
	"context"
	"fmt"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts"
)

// warnings says what of a change may not be meant: it is done all the same.
// before is nil for a new account. Only what the change brought about is told.
func (a *API) warnings(ctx context.Context, before *accounts.Account, now accounts.Account) []string {
	var list []string
	if (before == nil || before.Home != now.Home) && !usualHome(now) {
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
	return list
}

// usualHome reports whether the home is the one that an account has by default:
// those overlap none but one that was set apart, which was warned of then. To
// look through all accounts at the making of each would cost too much where
// there are many.
func usualHome(x accounts.Account) bool {
	folded, err := accounts.Canonical(x.Name)
	if err != nil {
		return false
	}
	usual, err := path.MustParse("/home").Join(folded)
	return err == nil && x.Home == usual
}

// overlaps names whose homes are the account's, below it, or above it: each has
// every right on what it shares with the other. The names are for those who may
// look at all accounts.
func (a *API) overlaps(ctx context.Context, x accounts.Account) []string {
	found, _, err := a.Accounts.List(ctx, accounts.Query{Limit: 3, Where: func(y *accounts.Account) bool {
		return y.ID != x.ID && (x.Home.Contains(y.Home) || y.Home.Contains(x.Home))
	}})
	if err != nil {
		return nil
	}
	var list []string
	r, err := a.reachOf(ctx)
	for _, y := range found {
		whose := "another account"
		if err == nil && r.sees(y.ID) {
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
