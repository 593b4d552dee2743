package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"
)

// An outcome is what was measured of one work: a sample of each server for each
// round, or why a server has none.
type outcome struct {
	work    *work
	place   string // where the data lay
	samples map[string][]sample
	failed  map[string]error
}

func newOutcome(w *work, place string) *outcome {
	return &outcome{work: w, place: place, samples: map[string][]sample{}, failed: map[string]error{}}
}

// sampleLimit is how long one sample may take.
const sampleLimit = 10 * time.Minute

// A match measures works on the servers of a farm.
type match struct {
	farm   *farm
	rounds int
	log    *slog.Logger
}

// run does each work once on each server to see that all is right, and then
// measures in rounds. In each round every work is done on all servers in turn,
// beginning with another one. When the context ends there are fewer rounds.
func (m *match) run(ctx context.Context, works []*work, place string) []*outcome {
	var all []*outcome
	for _, w := range works {
		all = append(all, newOutcome(w, place))
	}
	for round := range m.rounds + 1 {
		for i, o := range all {
			if round == 0 && o.work.anew { // what a server costs from its start on needs no proof
				continue
			}
			m.log.Info("round", "round", round, "of", m.rounds, "work", o.work.name, "place", place)
			m.turn(ctx, o, round, i)
			if ctx.Err() != nil {
				return all
			}
		}
	}
	return all
}

// turn does one work on all servers; round 0 is the proof.
func (m *match) turn(ctx context.Context, o *outcome, round, first int) {
	var taking []*server
	for _, s := range m.farm.servers {
		if o.work.concerns(s.name) && o.failed[s.name] == nil {
			taking = append(taking, s)
		}
	}
	taken := map[string]sample{}
	for i := range taking {
		s := taking[(i+first+round)%len(taking)]
		sample, err := m.once(ctx, o.work, s, round == 0)
		if err != nil && ctx.Err() == nil {
			m.log.Warn("once more", "work", o.work.name, "server", s.name, "err", err)
			sample, err = m.once(ctx, o.work, s, round == 0)
		}
		if ctx.Err() != nil {
			return // a round that not all have finished counts for nobody
		}
		if err != nil {
			m.log.Error("left out of this work", "work", o.work.name, "server", s.name, "err", err)
			o.failed[s.name] = err
			continue
		}
		taken[s.name] = sample
	}
	if round > 0 {
		for name, sample := range taken {
			o.samples[name] = append(o.samples[name], sample)
		}
	}
}

// once takes one sample.
func (m *match) once(ctx context.Context, w *work, s *server, proof bool) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, sampleLimit)
	defer cancel()
	if w.anew || s.running == nil {
		if err := errors.Join(s.stop(), s.start(ctx, m.farm.groups)); err != nil {
			return sample{}, err
		}
	}
	if w.prepare != nil {
		if err := w.prepare(ctx, s); err != nil {
			return sample{}, fmt.Errorf("prepare: %w", err)
		}
	}
	meter := &meter{server: s, proof: proof}
	err := w.run(ctx, meter)
	if gone := os.Remove(s.local(uploaded)); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, gone) // else each server would keep a large file in memory
	}
	return meter.sample, err
}
