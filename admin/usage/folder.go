package usage

import (
	"context"
	"errors"
	"io/fs"

	"gatehouse/admin/record"
	"gatehouse/admin/rest"
	"gatehouse/policy/path"
	"gatehouse/storage/backend"
)

// maySet refuses a limit on what is no folder. A limit is taken off whatever
// stands there.
func (a *API) maySet(ctx context.Context, p path.Path, s record.QuotaSettings) error {
	if s == (record.QuotaSettings{}) {
		return nil
	}
	info, err := a.System(ctx).Stat(ctx, p)
	if err == nil && !info.IsDir() {
		return rest.Invalid("path", "is a file: a quota is a folder's")
	}
	return nil
}

// warnings tell of a limit on a folder that is not there, which holds once the
// folder is made.
func (a *API) warnings(ctx context.Context, p path.Path, s record.QuotaSettings) []string {
	if s == (record.QuotaSettings{}) {
		return nil
	}
	_, err := a.System(ctx).Stat(ctx, p)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, backend.ErrNotDir) {
		return []string{"there is no folder " + p.String() + " now: the quota holds once it is made"}
	}
	return nil
}
