package migrate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gatehouse/cmd/server"
	"gatehouse/storage/backup"
	"gatehouse/storage/installation"
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

// open opens a store that is there.
func open(ctx context.Context, o Options, kind string) (*store, error) {
	if kind == Redis {
		return openRedis(ctx, o)
	}
	there, err := hasState(o.Config.Data)
	if err != nil {
		return nil, err
	}
	if !there {
		return nil, fmt.Errorf("there is no state in the data folder %s", o.Config.Data)
	}
	return openBolt(o.Config.Data, o.Config.Data)
}

// into opens the target for fill. A data folder without a state has one afterwards
// that fill was content with, or none.
func (o Options) into(ctx context.Context, fill func(to *store) error) error {
	data := o.Config.Data
	if o.To == Bolt {
		there, err := hasState(data)
		if err != nil {
			return err
		}
		if !there {
			return backup.Build(data, wantNoEvents, func(aside string) error { return filled(openBolt(aside, data))(fill) })
		}
	}
	return filled(open(ctx, o, o.To))(fill)
}

// filled calls with a store that was opened, and closes it.
func filled(to *store, err error) func(fill func(to *store) error) error {
	return func(fill func(to *store) error) error {
		if err != nil {
			return err
		}
		return errors.Join(fill(to), to.Close())
	}
}

// hasState reports whether a data folder has a state, of which a restore that was cut
// off is none.
func hasState(data string) (bool, error) {
	if err := backup.Finish(data); err != nil {
		return false, fmt.Errorf("finish a restore that was cut off: %w", err)
	}
	_, err := os.Stat(filepath.Join(data, bolt.StateFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("look for the state: %w", err)
	}
	return err == nil, nil
}

// wantNoEvents refuses a data folder that has lost its state, but not its events.
func wantNoEvents(data string) error {
	if _, err := os.Lstat(filepath.Join(data, bolt.EventsFolder)); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(fmt.Errorf("%w: %s has events of its own: %s", state.ErrNotEmpty, data, emptied), err)
	}
	return nil
}

// emptied is how one comes to a data folder without a state.
var emptied = fmt.Sprintf("move %s and %s away, or name another folder (--data)", bolt.StateFile, bolt.EventsFolder)

// openBolt opens the state in a folder, which is or becomes that of a data folder.
func openBolt(dir, data string) (*store, error) {
	s, err := bolt.Open(dir, bolt.Options{})
	if err != nil {
		return nil, fmt.Errorf("open the state in %s: %w", data, err)
	}
	return &store{Store: s, name: data, emptied: emptied}, nil
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

// runs are those of gateways that a store knows.
func (s *store) runs(ctx context.Context) ([]nodes.Node, error) {
	runs, err := nodes.Look(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("look for gateways on %s: %w", s.name, err)
	}
	return runs, nil
}

// wantNobody refuses a store on which gateways run, or which one has left
// without giving back what it held, but for those that came with the state of
// another store. The lock of a data folder keeps others out by itself.
func (s *store) wantNobody(ctx context.Context, came []nodes.Node) error {
	if s.redis == nil {
		return nil
	}
	runs, err := s.runs(ctx)
	if err != nil {
		return err
	}
	var living, left []string
	for _, n := range runs {
		same := func(other nodes.Node) bool { return other.Node == n.Node && other.Epoch == n.Epoch }
		switch {
		case !n.LastBeat.IsZero():
			living = append(living, n.Node)
		case !slices.ContainsFunc(came, same):
			left = append(left, n.Node)
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

// wantInstallation refuses a data folder of another installation than the state's: no
// gateway would start there.
func (o Options) wantInstallation(ctx context.Context, from *store) error {
	known, err := installation.Recall(o.Config.Data)
	if err != nil || known == "" || o.To != Bolt {
		return err
	}
	id, err := installation.Look(ctx, from)
	if err != nil || id == known {
		return err
	}
	return fmt.Errorf("%w: %s is that of another one (%s): name another folder (--data), or remove its file %s",
		installation.ErrForeign, o.Config.Data, known, installation.FileName)
}
