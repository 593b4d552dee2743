package server

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"gatehouse/admin"
	"gatehouse/configs"
	"gatehouse/storage/installation"
	"gatehouse/storage/state/bolt"
)

// openInstallation finds whose state the store has, and refuses one that is not of
// the installation which this data folder has served. What several nodes share is
// written as that installation's from here on, or not at all. A store in memory
// remembers nothing, and is anybody's.
func (c *core) openInstallation(ctx context.Context, conf *configs.Loaded) error {
	if conf.State.Kind == "memory" {
		return nil
	}
	known, err := installation.Recall(c.data)
	if err != nil {
		return err
	}
	if c.installation, err = installation.Open(ctx, c.state, known); err != nil {
		if errors.Is(err, installation.ErrForeign) {
			return fmt.Errorf("%w. %s", err, c.foreignRemedy())
		}
		return err
	}
	if c.redis != nil {
		c.bound = c.installation.Bind(c.state)
		c.state = c.bound
	}
	return nil
}

// remember has the data folder serve this installation alone, before anything of it
// is served, or made for it.
func (c *core) remember() error {
	if c.installation == nil {
		return nil
	}
	known, err := installation.Recall(c.data)
	if err != nil || known == c.installation.ID {
		return err
	}
	return installation.Remember(c.data, c.installation.ID)
}

// foreignRemedy is what to do about a store without the state of this installation.
func (c *core) foreignRemedy() string {
	file := filepath.Join(c.data, installation.FileName)
	anew := "Only where a new installation is meant, or a state from before it had a name: stop all its gateways and remove " + file +
		" (for a new one also the folders " + SpoolPrefix + "* beside it: their events are of the old one)"
	if c.redis != nil {
		return "Bring that state back, from the files of Redis or from a backup, or let state.url and state.prefix name where it is " +
			"(gatehouse migrate moves it). " + anew
	}
	return fmt.Sprintf("Bring %s and %s back into %s from a backup, or let state.kind name where the state is. %s",
		bolt.StateFile, bolt.EventsFolder, c.data, anew)
}

// checkInstallation tells which one this is.
func (g *gateway) checkInstallation(context.Context) []admin.Finding {
	if g.installation == nil {
		return nil
	}
	return []admin.Finding{finding("installation", levelOK, g.installation.ID, "")}
}
