package migrate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"gatehouse/cmd/server"
	"gatehouse/storage/backup"
	"gatehouse/storage/nodes"
	"gatehouse/storage/state"
	"gatehouse/storage/state/bolt"
	"gatehouse/storage/state/redis"
)

// A store is one of the two, with what people call it.
type store struct {
	state.Store
	name    string
	emptied string // how one comes to an empty one
	redis   *redis.Store
}

// existence is what a store has to be before it is opened.
type existence int

const (
	mustExist existence = iota
	mayBeNew
)

func open(ctx context.Context, o Options, kind string, e existence) (*store, error) {
	if kind == Redis {
		return openRedis(ctx, o)
	}
	return openBolt(o.Config.Data, e)
}

func openBolt(data string, e existence) (*store, error) {
	if err := backup.Finish(data); err != nil {
		return nil, fmt.Errorf("finish a restore that was cut off: %w", err)
	}
	if _, err := os.Stat(filepath.Join(data, bolt.StateFile)); errors.Is(err, fs.ErrNotExist) && e == mustExist {
		return nil, fmt.Errorf("there is no state in the data folder %s", data)
	}
	s, err := bolt.Open(data, bolt.Options{})
	if err != nil {
		return nil, fmt.Errorf("open the state in %s: %w", data, err)
	}
	return &store{
		Store: s, name: data,
		emptied: fmt.Sprintf("move %s and %s away, or name another folder (--data)", bolt.StateFile, bolt.EventsFolder),
	}, nil
}

func openRedis(ctx context.Context, o Options) (*store, error) {
	if o.Config.State.URL == "" {
		return nil, errors.New("which Redis? Give --url, or state.url in the configuration")
	}
	s, err := redis.Open(ctx, server.RedisOptions(&o.Config))
	if err != nil {
		return nil, err
	}
	return &store{Store: s, name: "Redis", emptied: "name another database of it, or another state.prefix", redis: s}, nil
}

// wantNobody refuses a store on which gateways run, or which one has left
// without giving back what it held. The lock of a data folder keeps others out by
// itself.
func (s *store) wantNobody(ctx context.Context) error {
	if s.redis == nil {
		return nil
	}
	runs, err := nodes.Look(ctx, s)
	if err != nil {
		return fmt.Errorf("look for gateways on %s: %w", s.name, err)
	}
	var living, left []string
	for _, n := range runs {
		if n.LastBeat.IsZero() {
			left = append(left, n.Node)
		} else {
			living = append(living, n.Node)
		}
	}
	switch {
	case len(living) > 0:
		return fmt.Errorf("gateways run on %s: stop %s", s.name, strings.Join(living, ", "))
	case len(left) > 0:
		return fmt.Errorf("%s ended without giving back what it held: start a gateway on %s, and stop it when gatehouse node list shows no other, so that this is settled",
			strings.Join(left, ", "), s.name)
	}
	return nil
}
