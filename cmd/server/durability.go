package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"gatehouse/configs"
	"gatehouse/storage/state/redis"
)

// errWeak refuses a store that can lose what it has acknowledged.
var errWeak = errors.New("state.durability is require, and the store can lose changes that it has acknowledged")

// checkDurability says of each server how it can lose acknowledged changes, or
// refuses it where the configuration requires durability.
func checkDurability(ctx context.Context, store *redis.Store, conf *configs.Loaded, log *slog.Logger) error {
	found, err := store.Durability(ctx)
	if err != nil {
		return fmt.Errorf("state.durability: %w", err)
	}
	var weak []string
	for _, d := range found {
		if w := weaknesses(d, conf); len(w) > 0 {
			weak = append(weak, d.Server+": "+strings.Join(w, ", "))
		}
	}
	switch {
	case len(weak) == 0:
		return nil
	case conf.State.Durability == "require":
		return fmt.Errorf("%w: %s", errWeak, strings.Join(weak, "; "))
	}
	for _, w := range weak {
		log.Warn("THE STORE CAN LOSE CHANGES THAT IT HAS ACKNOWLEDGED", "server", w)
	}
	return nil
}

// weaknesses are those of a server that what changes wait for does not make up for:
// who waits for the disk does not depend on when it is written to else.
func weaknesses(d redis.Durability, conf *configs.Loaded) []string {
	w := d.Weaknesses()
	if conf.State.WaitAOF {
		w = slices.DeleteFunc(w, func(one string) bool { return strings.HasPrefix(one, "appendfsync ") })
	}
	return w
}
