package group

import (
	"context"
	"fmt"

	"gatehouse/admin/rest"
	"gatehouse/storage/accounts"
	"gatehouse/storage/state"
)

// tag is the entity tag of a group with its members, who are shown with it and are
// no part of its record.
func tag(g accounts.Group, members []string) string {
	return fmt.Sprintf(`"%d-%s"`, g.Revision, rest.Digest(members)[:12])
}

// expected refuses a group that is another than If-Match says, or has other
// members. It returns the revision for the store to find, 0 for whichever.
func (a *API) expected(ctx context.Context, match string, g accounts.Group) (uint64, error) {
	if match == "" || match == "*" {
		return 0, nil
	}
	g, err := a.Accounts.GroupByID(ctx, g.ID)
	if err != nil {
		return 0, err
	}
	members, err := a.members(ctx, g)
	if err != nil {
		return 0, err
	}
	if match != tag(g, members) {
		return 0, fmt.Errorf("compare with If-Match: %w", state.ErrConflict)
	}
	return g.Revision, nil
}
