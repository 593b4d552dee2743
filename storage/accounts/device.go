package accounts

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"gatehouse/policy"
)

// maxSyncs is how many folders a client keeps in step.
const maxSyncs = 1_000

// AddSync gives an account's client a folder to keep in step. ID and Created
// are filled in. ErrNotFound where the account has no such client.
func (s *Store) AddSync(ctx context.Context, account, client string, y Sync, o Option) (Sync, error) {
	y.ID, y.Created = randomText(credentialIDSize), time.Now().UTC().Truncate(time.Second)
	_, err := s.UpdateCredential(ctx, account, client, func(c *Credential) error {
		if c.Device == nil {
			return ErrNotFound
		}
		c.Device.Syncs = append(c.Device.Syncs, y)
		return nil
	}, o)
	return y, err
}

// UpdateSync changes the paths of a sync; ErrNotFound.
func (s *Store) UpdateSync(ctx context.Context, account, client, id string, change func(*Sync) error, o Option) (Sync, error) {
	var changed Sync
	_, err := s.UpdateCredential(ctx, account, client, func(c *Credential) error {
		i := c.syncAt(id)
		if i < 0 {
			return ErrNotFound
		}
		was := c.Device.Syncs[i]
		if err := change(&c.Device.Syncs[i]); err != nil {
			return err
		}
		c.Device.Syncs[i].ID, c.Device.Syncs[i].Created = was.ID, was.Created
		changed = c.Device.Syncs[i]
		return nil
	}, o)
	return changed, err
}

// RemoveSync takes a sync from a client; ErrNotFound.
func (s *Store) RemoveSync(ctx context.Context, account, client, id string, o Option) error {
	_, err := s.UpdateCredential(ctx, account, client, func(c *Credential) error {
		i := c.syncAt(id)
		if i < 0 {
			return ErrNotFound
		}
		c.Device.Syncs = slices.Delete(c.Device.Syncs, i, i+1)
		return nil
	}, o)
	return err
}

func (c *Credential) syncAt(id string) int {
	if c.Device == nil {
		return -1
	}
	return slices.IndexFunc(c.Device.Syncs, func(y Sync) bool { return y.ID == id })
}

// syncKey is the name of a sync's last use among the uses of credentials.
func syncKey(client, sync string) string { return client + "/" + sync }

// Synced notes in memory, as Touch does, that a client's folder was brought in step.
func (s *Store) Synced(id, client, sync string, at time.Time, address string, door policy.Door) {
	use := Use{At: at.UTC(), Address: address, Door: door}
	s.uses.learn(id, Activity{LastUsed: map[string]Use{syncKey(client, sync): use}})
	s.uses.mark(id)
}

// LastSync returns when a client's folder was last brought in step.
func (a Activity) LastSync(client, sync string) Use { return a.LastUsed[syncKey(client, sync)] }

func (c *Credential) validateDevice() error {
	if (c.Device != nil) != (c.Kind == policy.KindClient) {
		return &InvalidError{Field: "device", Why: "is what a client has, and nothing else"}
	}
	if c.Device == nil {
		return nil
	}
	for field, value := range map[string]string{
		"computer": c.Device.Computer, "os": c.Device.OS, "client": c.Device.Client, "version": c.Device.Version,
	} {
		if why := unfitText(value, maxName); why != "" {
			return &InvalidError{Field: "device." + field, Why: why}
		}
	}
	if why := missing(c.Device.Computer); why != "" {
		return &InvalidError{Field: "device.computer", Why: why}
	}
	return validateSyncs(c.Device.Syncs)
}

func validateSyncs(list []Sync) error {
	if len(list) > maxSyncs {
		return &InvalidError{Field: "device.syncs", Why: fmt.Sprintf("are more than %d", maxSyncs)}
	}
	ids := make(map[string]bool, len(list))
	for _, y := range list {
		if y.ID == "" || ids[y.ID] {
			return &InvalidError{Field: "device.syncs", Why: "hold one twice, or one without an id"}
		}
		ids[y.ID] = true
		if why := cmp.Or(unfitText(y.Local, maxText), missing(y.Local)); why != "" {
			return &InvalidError{Field: "local_path", Why: why}
		}
	}
	return nil
}
