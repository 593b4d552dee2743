package accounts

import (
	"context"
	"slices"

	"gatehouse/storage/accounts/credentials"
)

// AddSync gives an account's client a folder to keep in step. ID and Created
// are filled in. ErrNotFound where the account has no such client.
func (s *Store) AddSync(ctx context.Context, account, client string, y Sync, o Option) (Sync, error) {
	y = credentials.NewSync(y)
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
		i := c.SyncAt(id)
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
		i := c.SyncAt(id)
		if i < 0 {
			return ErrNotFound
		}
		c.Device.Syncs = slices.Delete(c.Device.Syncs, i, i+1)
		return nil
	}, o)
	return err
}
