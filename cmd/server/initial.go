package server

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"gatehouse/storage/accounts"
)

// forgetPassword removes the file with the first administrator's password once
// that password opens nothing any more, whoever has changed it and where. given is
// what firstPassword said at the start. It returns when that is done, or when ctx
// ends.
func (g *gateway) forgetPassword(ctx context.Context, given string) {
	name := filepath.Join(g.data, passwordName)
	if _, err := os.Stat(name); err != nil {
		return
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	changes := g.accounts.Changes(ctx)
	for {
		now, err := g.firstPassword(ctx)
		if err == nil && (now == "" || now != given) {
			break
		}
		if _, ok := <-changes; !ok {
			return
		}
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		g.log.Warn("the file with the first password is still there", "file", name, "error", err)
		return
	}
	g.log.Info("the file with the first password was removed: the password was changed")
}

// firstPassword names the password that the first administrator was given and
// has not changed; "" where there is none.
func (g *gateway) firstPassword(ctx context.Context) (id string, err error) {
	a, err := g.accounts.Account(ctx, firstName)
	switch {
	case errors.Is(err, accounts.ErrNotFound):
		return "", nil
	case err != nil:
		return "", err
	case a.Password == nil || !a.Password.MustChange:
		return "", nil
	}
	return a.Password.ID, nil
}
