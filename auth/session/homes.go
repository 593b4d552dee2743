package session

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
	"gatehouse/storage/keyed"
	"gatehouse/storage/nodes"
)

// kept is where the homes of deleted accounts go that are kept.
const kept = policy.Kept

// actor names the gateway in events of its own work.
const actor = "gatehouse"

// homesWork is the work on homes of deleted accounts, which one node does at a time.
const homesWork = "homes"

// homes orders the work on homes on this node, and knows where the quotas stand
// that follow accounts and groups.
type homes struct {
	work sync.Mutex
	// owners makes one step of looking at an owner and setting its quota. Who
	// holds an owner may wait for one of folders, never the other way round.
	owners keyed.Mutex[string]
	// folders makes one step of looking whose quota is on a folder and setting it.
	folders keyed.Mutex[path.Path]

	mu     sync.Mutex             // guards what follows
	stands map[string][]path.Path // by owner; more than one where a node died between two
}

// makeHome makes an account's home. One that is there already is refused unless
// it is adopted, or a try to make this very account left it.
func (m *Manager) makeHome(ctx context.Context, a accounts.Account, adopt bool) error {
	if err := m.finishBelow(ctx, a.Home); err != nil {
		return err
	}
	there, err := m.takesHome(ctx, a, adopt)
	if err != nil {
		return err
	}
	if err := m.accounts.Begin(ctx, a.Name, accounts.Making{Home: a.Home}); err != nil {
		return err
	}
	if there {
		return nil
	}
	if err := m.mkdirHome(ctx, a); !adopt || !errors.Is(err, accounts.ErrHome) {
		return err
	}
	return nil
}

// HomeFree refuses, with accounts.ErrHome, a home that CreateAccount and
// ChangeAccount would not give the account, where nothing is adopted. It makes
// nothing.
func (m *Manager) HomeFree(ctx context.Context, a accounts.Account) error {
	_, err := m.takesHome(ctx, a, false)
	return err
}

// takesHome reports whether an account's home is there already, and refuses one
// that is somebody's: what nobody adopts, and no try to make this account left.
func (m *Manager) takesHome(ctx context.Context, a accounts.Account, adopt bool) (there bool, err error) {
	former, err := m.accounts.Making(ctx, a.Name)
	if err != nil && !errors.Is(err, accounts.ErrNotFound) {
		return false, fmt.Errorf("look for a try that was cut short: %w", err)
	}
	mine := err == nil && former.Home == a.Home
	there, err = m.homeThere(ctx, a.Home)
	if err != nil {
		return false, err
	}
	if there && !adopt && !(mine && m.isEmpty(ctx, a.Home)) {
		return true, fmt.Errorf("%s: %w", a.Home, accounts.ErrHome)
	}
	return there, nil
}

// homeThere reports whether a home is there; what is no folder is refused.
func (m *Manager) homeThere(ctx context.Context, home path.Path) (bool, error) {
	info, err := m.System(actor).Lstat(ctx, home)
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
func (m *Manager) isEmpty(ctx context.Context, folder path.Path) bool {
	d, err := m.System(actor).List(ctx, folder)
	if err != nil {
		return false
	}
	defer d.Close()
	list, err := d.Next(1)
	return len(list) == 0 && err != nil
}

// mkdirHome makes the folders down to the home; the home is the account's own.
func (m *Manager) mkdirHome(ctx context.Context, a accounts.Account) error {
	if err := m.mkdirs(ctx, a.Home.Dir()); err != nil {
		return err
	}
	site, err := m.accounts.Site(ctx)
	if err != nil {
		return err
	}
	own := m.tree.FS(guard.Config{
		Effective: policy.System(site.Site), Door: policy.API, Report: m.report, UID: a.UID, GID: a.GID,
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
func (m *Manager) mkdirs(ctx context.Context, folder path.Path) error {
	if folder.IsRoot() {
		return nil
	}
	system := m.System(actor)
	_, err := system.Stat(ctx, folder)
	if err == nil {
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for %s: %w", folder, err)
	}
	if err := m.mkdirs(ctx, folder.Dir()); err != nil {
		return err
	}
	if err := system.Mkdir(ctx, folder, 0); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make %s: %w", folder, err)
	}
	return nil
}

// finishBelow sees to homes of deleted accounts that stand where a new one is
// to be.
func (m *Manager) finishBelow(ctx context.Context, home path.Path) error {
	list, err := m.accounts.Leavings(ctx)
	if err != nil {
		return fmt.Errorf("look for homes of deleted accounts: %w", err)
	}
	for _, l := range list {
		if l.Home.Contains(home) || home.Contains(l.Home) {
			if err := m.finish(ctx, l); err != nil {
				return err
			}
		}
	}
	return nil
}

// finish does with a deleted account's home what was asked for. It can be cut
// short at any point and begun again.
func (m *Manager) finish(ctx context.Context, l accounts.Leaving) error {
	m.homes.work.Lock()
	defer m.homes.work.Unlock()
	return m.shared.exclusively(ctx, homesWork, func(ctx context.Context) error { return m.finishAlone(ctx, l) })
}

// tryFinish is finish, but nodes.ErrBusy where another node works on homes.
func (m *Manager) tryFinish(ctx context.Context, l accounts.Leaving) error {
	m.homes.work.Lock()
	defer m.homes.work.Unlock()
	return m.shared.tryExclusively(ctx, homesWork, func(ctx context.Context) error { return m.finishAlone(ctx, l) })
}

// finishAlone is finish while nobody else works on homes, here or on another node.
func (m *Manager) finishAlone(ctx context.Context, l accounts.Leaving) error {
	// Who was here first may have finished it, and a new home may be there by now.
	if _, err := m.accounts.Leaving(ctx, l.ID); err != nil {
		if errors.Is(err, accounts.ErrNotFound) {
			return nil
		}
		return fmt.Errorf("look for the home of %s, which is deleted: %w", l.Name, err)
	}
	if !l.Home.IsRoot() {
		if err := m.clear(ctx, l); err != nil {
			return fmt.Errorf("see to the home of %s, which is deleted: %w", l.Name, err)
		}
	}
	if err := m.dropTraffic(ctx, l.ID); err != nil {
		return err
	}
	return m.accounts.Left(ctx, l.ID)
}

// revokeBelow takes away what others were granted in a deleted account's home.
func (m *Manager) revokeBelow(ctx context.Context, l accounts.Leaving) error {
	list, err := m.accounts.RevokeBelow(ctx, l.Home)
	for _, r := range list {
		e := events.Event{
			Time: time.Now(), Kind: "account.grant.remove", Outcome: events.OK, Account: r.Account, Group: r.Group,
			Actor: actor, Node: m.node, Reason: "the home of " + l.Name + ", who was deleted, is gone",
			Before: map[string]any{"grants": r.Grants},
		}
		if r.Group != "" {
			e.Kind = "group.grant.remove"
		}
		err = errors.Join(err, m.events.Record(ctx, e))
	}
	if err != nil {
		return fmt.Errorf("take away what was granted in it: %w", err)
	}
	return nil
}

func (m *Manager) clear(ctx context.Context, l accounts.Leaving) error {
	if m.shared != nil {
		// Another node may have given the home to somebody a moment ago.
		if err := m.accounts.CatchUpAll(ctx); err != nil {
			return err
		}
	}
	if other := m.accounts.HomeIn(l.Home, l.ID); other != "" {
		m.log.Warn("the home of a deleted account is another's by now, and stays", "account", l.Name, "other", other)
		return nil
	}
	if m.quotas != nil {
		if err := m.quotas.Drop(ctx, l.Home); err != nil {
			return err
		}
	}
	if err := m.revokeBelow(ctx, l); err != nil {
		return err
	}
	there, err := m.homeThere(ctx, l.Home)
	if err != nil || !there {
		return err
	}
	if l.Files == accounts.DeleteFiles {
		return m.System(actor).RemoveAll(ctx, l.Home)
	}
	return m.keep(ctx, l)
}

// keep moves a home to /.kept/NAME-ID; on another mount to the same below the
// first folder on the way to the home that is on the home's own.
func (m *Manager) keep(ctx context.Context, l accounts.Leaving) error {
	var above []path.Path
	for p := range l.Home.Dir().Above() {
		above = append([]path.Path{p}, above...)
	}
	var err error
	for _, top := range above {
		if err = m.moveTo(ctx, top, l); !errors.Is(err, ErrCrossMount) {
			return err
		}
	}
	return err
}

func (m *Manager) moveTo(ctx context.Context, top path.Path, l accounts.Leaving) error {
	folder, err := top.Join(kept)
	if err != nil {
		return err
	}
	target, err := folder.Join(l.Name + "-" + l.ID)
	if err != nil {
		return err
	}
	if err := m.mkdirs(ctx, folder); err != nil {
		return err
	}
	return m.System(actor).Rename(ctx, l.Home, target, KeepTarget)
}

// keepHomes keeps the quotas that accounts and groups ask for, and goes on with
// the homes of deleted accounts, until the changes end.
func (m *Manager) keepHomes(changes <-chan accounts.Change) {
	m.finishAll()
	m.keepQuotas()
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case c, ok := <-changes:
			if !ok {
				return
			}
			m.quotasChanged(c)
		case <-tick.C:
			m.finishAll()
		}
	}
}

func (m *Manager) finishAll() {
	list, err := m.accounts.Leavings(m.ctx)
	if err != nil {
		m.log.Warn("homes of deleted accounts could not be looked for", "error", err)
		return
	}
	for _, l := range list {
		if err := m.tryFinish(m.ctx, l); err != nil && !errors.Is(err, nodes.ErrBusy) {
			m.log.Warn("the home of a deleted account is still there", "account", l.Name, "error", err)
		}
	}
}
