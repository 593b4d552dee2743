package provision

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts"
)

// makeHome makes an account's home. One that is there already is refused unless
// it is adopted, or a try to make this very account left it.
func (p *Provisioner) makeHome(ctx context.Context, a accounts.Account, adopt bool) error {
	if err := p.finishBelow(ctx, a.Home); err != nil {
		return err
	}
	there, err := p.takesHome(ctx, a, adopt)
	if err != nil {
		return err
	}
	if err := p.accounts.Begin(ctx, a.Name, accounts.Making{Home: a.Home}); err != nil {
		return err
	}
	if there {
		return nil
	}
	if err := p.mkdirHome(ctx, a); !adopt || !errors.Is(err, accounts.ErrHome) {
		return err
	}
	return nil
}

// newHome makes the folder that an account's home is to be from now on, and
// reports whether it did: one that is there already is for who adopts it.
func (p *Provisioner) newHome(ctx context.Context, a accounts.Account, adopt bool) (made bool, err error) {
	if err := p.finishBelow(ctx, a.Home); err != nil {
		return false, err
	}
	there, err := p.takesHome(ctx, a, adopt)
	if err != nil || there {
		return false, err
	}
	return true, p.mkdirHome(ctx, a)
}

// dropHome takes back the home of a change that did not come about, so that the
// next try does not find it there.
func (p *Provisioner) dropHome(ctx context.Context, a accounts.Account) {
	if err := p.system().RemoveDir(ctx, a.Home); err != nil {
		p.log.Warn("a home that was made for nothing could not be taken back", "account", a.Name, "home", a.Home.String(), "error", err)
	}
}

// HomeFree refuses, with accounts.ErrHome, a home that Create and Change would not
// give the account, where nothing is adopted. It makes nothing.
func (p *Provisioner) HomeFree(ctx context.Context, a accounts.Account) error {
	_, err := p.takesHome(ctx, a, false)
	return err
}

// takesHome reports whether an account's home is there already, and refuses one
// that is somebody's: what nobody adopts, and no try to make this account left.
func (p *Provisioner) takesHome(ctx context.Context, a accounts.Account, adopt bool) (there bool, err error) {
	former, err := p.accounts.Making(ctx, a.Name)
	if err != nil && !errors.Is(err, accounts.ErrNotFound) {
		return false, fmt.Errorf("look for a try that was cut short: %w", err)
	}
	mine := err == nil && former.Home == a.Home
	there, err = p.homeThere(ctx, a.Home)
	if err != nil {
		return false, err
	}
	if there && !adopt && !(mine && p.isEmpty(ctx, a.Home)) {
		return true, fmt.Errorf("%s: %w", a.Home, accounts.ErrHome)
	}
	return there, nil
}

// homeThere reports whether a home is there; what is no folder is refused.
func (p *Provisioner) homeThere(ctx context.Context, home path.Path) (bool, error) {
	info, err := p.system().Lstat(ctx, home)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look at the home: %w", err)
	case !info.IsDir():
		return false, &accounts.InvalidError{Field: "home", Why: "is there and is not a folder"}
	}
	return true, nil
}

// isEmpty reports whether a folder can be read and holds nothing.
func (p *Provisioner) isEmpty(ctx context.Context, folder path.Path) bool {
	d, err := p.system().List(ctx, folder)
	if err != nil {
		return false
	}
	defer d.Close()
	list, err := d.Next(1)
	return len(list) == 0 && err != nil
}

// mkdirHome makes the folders down to the home; the home is the account's own.
func (p *Provisioner) mkdirHome(ctx context.Context, a accounts.Account) error {
	if err := p.mkdirs(ctx, a.Home.Dir()); err != nil {
		return err
	}
	site, err := p.accounts.Site(ctx)
	if err != nil {
		return err
	}
	own := p.tree.FS(guard.Config{
		Effective: policy.System(site.Site), Door: policy.API, Report: p.events.Note, UID: a.UID, GID: a.GID,
	})
	defer own.Close(context.Canceled)
	err = own.Mkdir(ctx, a.Home, 0)
	if errors.Is(err, fs.ErrExist) { // somebody was faster, for an account of theirs
		return fmt.Errorf("%s: %w", a.Home, accounts.ErrHome)
	}
	if err != nil {
		return fmt.Errorf("make the home: %w", err)
	}
	return nil
}

// mkdirs makes a folder and those above it, as far as they are missing.
func (p *Provisioner) mkdirs(ctx context.Context, folder path.Path) error {
	if folder.IsRoot() {
		return nil
	}
	system := p.system()
	_, err := system.Stat(ctx, folder)
	if err == nil {
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for %s: %w", folder, err)
	}
	if err := p.mkdirs(ctx, folder.Dir()); err != nil {
		return err
	}
	if err := system.Mkdir(ctx, folder, 0); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make %s: %w", folder, err)
	}
	return nil
}
