package rights

import (
	"context"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/rest"
	"gatehouse/policy"
)

// MaySite asks for a proof of the last minutes where a change of the site's policy
// makes, lengthens or weakens what the caller's own account is proved with: a token
// that has leaked must not become a login that outlasts it.
func (j *Judge) MaySite(ctx context.Context, before, after policy.Site) error {
	for _, key := range []struct {
		name    string
		changed bool
	}{
		{"ssh_user_cas", !slices.Equal(before.SSHUserCAs, after.SSHUserCAs)},
		{"password", before.Password != after.Password},
		{"second_factor", before.SecondFactor != after.SecondFactor},
	} {
		if !key.changed {
			continue
		}
		if status, why := rest.CallerOf(ctx).Stale(); status != 0 {
			return huma.NewError(status, why,
				&huma.ErrorDetail{Location: "body." + key.name, Message: "says what accounts are proved with, the caller's own among them"})
		}
	}
	return nil
}
