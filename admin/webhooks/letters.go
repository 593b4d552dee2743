package webhooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"gatehouse/storage/state"
)

// Bounds of the letters of one webhook.
const (
	maxWaiting = 1000 // what is refused beyond waits in the trail
	maxDead    = 1000 // the newest are kept
	deadKept   = 30 * 24 * time.Hour
	// atOnce is how many are written in one batch.
	atOnce = 100
	// againFor is how long the record stands that tells a worker to look again.
	againFor = time.Minute
)

func letterName(prefix, id string, position uint64) string {
	return fmt.Sprintf("%s%s/%020d", prefix, id, position)
}

// letters returns those of a webhook, the oldest first.
func (s *store) letters(ctx context.Context, prefix, id string) ([]Letter, error) {
	list := []Letter{}
	err := s.each(ctx, prefix+id+"/", func(r state.Record) error {
		var l Letter
		if err := json.Unmarshal(r.Value, &l); err != nil {
			return fmt.Errorf("read a letter: %w", err)
		}
		list = append(list, l)
		return nil
	})
	return list, err
}

// drop forgets letters: that at a position, or with 0 all of them. It returns how
// many there were.
func (s *store) drop(ctx context.Context, prefix string, position uint64) (int, error) {
	var names []string
	err := s.each(ctx, prefix, func(r state.Record) error {
		if position == 0 || r.Name == fmt.Sprintf("%s%020d", prefix, position) {
			names = append(names, r.Name)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return len(names), s.forget(ctx, names)
}

func (s *store) forget(ctx context.Context, names []string) error {
	for len(names) > 0 {
		n := min(len(names), atOnce)
		if err := s.apply(ctx, state.Batch{Deletes: names[:n]}); err != nil {
			return err
		}
		names = names[n:]
	}
	return nil
}

// sweep forgets what a removal left that did not come to its end.
func (s *store) sweep(ctx context.Context) error {
	found := map[string][]string{} // by webhook
	for _, prefix := range []string{letterPrefix, deadPrefix} {
		err := s.each(ctx, prefix, func(r state.Record) error {
			if id, ok := idOf(r.Name, prefix); ok {
				found[id] = append(found[id], r.Name)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	// Read after its letters, so that one which another node has just added is here.
	all, err := s.list(ctx)
	if err != nil {
		return err
	}
	for _, w := range all {
		delete(found, w.ID)
	}
	for _, orphans := range found {
		if err := s.forget(ctx, orphans); err != nil {
			return err
		}
	}
	return nil
}

// Dead returns the dead letters of a webhook, the oldest first.
func (s *Service) Dead(ctx context.Context, id string) ([]Letter, error) {
	if _, err := s.get(ctx, id); err != nil {
		return nil, err
	}
	return s.letters(ctx, deadPrefix, id)
}

// Revive has dead letters tried again, as if for the first time: one, or with
// position 0 all of them. It returns how many.
func (s *Service) Revive(ctx context.Context, id string, position uint64) (int, error) {
	dead, err := s.Dead(ctx, id)
	if err != nil {
		return 0, err
	}
	var chosen []Letter
	for _, l := range dead {
		if position == 0 || l.Position == position {
			l.Tries, l.Next = 0, time.Now().UTC()
			chosen = append(chosen, l)
		}
	}
	for done := 0; done < len(chosen); done += atOnce {
		if err := s.revive(ctx, id, chosen[done:min(done+atOnce, len(chosen))]); err != nil {
			return done, err
		}
	}
	return len(chosen), nil
}

// revive moves letters, and tells the worker, wherever it is.
func (s *store) revive(ctx context.Context, id string, list []Letter) error {
	b := state.Batch{Puts: []state.Put{{Name: againPrefix + id, Value: []byte("{}"), TTL: againFor}}}
	for _, l := range list {
		value, err := json.Marshal(l)
		if err != nil {
			return err
		}
		b.Puts = append(b.Puts, state.Put{Name: letterName(letterPrefix, id, l.Position), Value: value})
		b.Deletes = append(b.Deletes, letterName(deadPrefix, id, l.Position))
	}
	w, err := s.get(ctx, id)
	if err != nil {
		return err
	}
	b.Checks = []state.Check{{Name: hookPrefix + id, Revision: w.Revision}} // it is not removed meanwhile
	return s.apply(ctx, b)
}

// DropDead forgets dead letters: one, or with position 0 all of them. It returns
// how many.
func (s *Service) DropDead(ctx context.Context, id string, position uint64) (int, error) {
	if _, err := s.get(ctx, id); err != nil {
		return 0, err
	}
	return s.drop(ctx, deadPrefix+id+"/", position)
}

// bury keeps the dead letters within their bound: the oldest go.
func (s *Service) bury(ctx context.Context, id string) {
	var names []string
	err := s.each(ctx, deadPrefix+id+"/", func(r state.Record) error {
		names = append(names, r.Name)
		return nil
	})
	if err == nil {
		err = s.forget(ctx, names[:max(0, len(names)-maxDead)])
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, ErrConflict) {
		s.log.Error("dead letters cannot be dropped", "webhook", id, "error", err)
	}
}

// idOf is the webhook that a letter is of.
func idOf(name, prefix string) (id string, ok bool) {
	rest, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return "", false
	}
	id, _, ok = strings.Cut(rest, "/")
	return id, ok
}
