package migrate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"gatehouse/cmd/kept"
	"gatehouse/cmd/server"
	"gatehouse/configs"
	"gatehouse/storage/seal"
)

// weaknesses are the settings of Redis by which it can lose what it has
// acknowledged.
func (s *store) weaknesses(ctx context.Context) ([]string, error) {
	if s.redis == nil {
		return nil, nil
	}
	servers, err := s.redis.Durability(ctx)
	if err != nil {
		return nil, err
	}
	var notes []string
	for _, d := range servers {
		for _, weak := range d.Weaknesses() {
			notes = append(notes, fmt.Sprintf("Redis at %s can lose what it has acknowledged: %s", d.Server, weak))
		}
	}
	return notes, nil
}

// keyNotes tell where the key is that secrets are sealed with. It is an error
// where nobody could read them.
func (o Options) keyNotes() ([]string, error) {
	if o.Config.SecretKey != "" {
		return nil, nil
	}
	file := filepath.Join(o.Config.Data, seal.FileName)
	_, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("the secrets of the state are sealed with a key that is neither in secret_key nor in %s: bring it there first", file)
	case err != nil:
		return nil, fmt.Errorf("look for the key: %w", err)
	case o.To == Redis:
		return []string{fmt.Sprintf("the secrets of the state are sealed with the key in %s: every node needs it, as that file or as secret_key", file)}, nil
	}
	return nil, nil
}

// wantKey refuses a key that is not the one of the state's secrets: the first node
// that starts with it would be taken for the installation.
func (s *store) wantKey(ctx context.Context, c *configs.Config) error {
	if scopes, err := s.Scopes(ctx, "", 1); err != nil || len(scopes) == 0 {
		return err
	}
	sealer, err := server.Sealer(c)
	if err != nil {
		return err
	}
	return kept.New(s, sealer).Check(ctx)
}

// spoolNotes tell of events that a node kept in its data folder while its Redis was
// away: they are not in the state yet.
func (o Options) spoolNotes() ([]string, error) {
	found, err := filepath.Glob(filepath.Join(o.Config.Data, server.SpoolPrefix+"*"))
	if err != nil {
		return nil, fmt.Errorf("look for events that are not in the state: %w", err)
	}
	var notes []string
	for _, folder := range found {
		notes = append(notes, fmt.Sprintf("events in %s are not in the trail yet: a gateway under that node's name takes them there when it starts with this data folder", folder))
	}
	return notes, nil
}
