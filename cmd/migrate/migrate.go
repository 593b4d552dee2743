// Package migrate moves the state of gateways that do not run from the data
// folder to Redis, and back.
package migrate

import (
	"context"
	"errors"
	"fmt"

	"gatehouse/configs"
	"gatehouse/storage/state"
	"gatehouse/storage/state/transfer"
)

// Bolt and Redis are the kinds of stores that last.
const (
	Bolt  = "bolt"
	Redis = configs.Redis
)

// Options name the stores: those of the configuration, whatever kind it has.
type Options struct {
	Config   configs.Config
	From, To string // Bolt or Redis
}

// A Report tells what both stores hold now.
type Report struct {
	From string `json:"from"`
	To   string `json:"to"`
	transfer.Sum
	// Notes are what is left to be done, and what may be lost.
	Notes []string `json:"notes,omitempty"`
}

// Run copies the state of one store to another, which has to be empty, and
// compares them. Nothing of the first is changed, but that it says which key it is
// sealed with where it did not. It can be cut off anywhere and run again.
func Run(ctx context.Context, o Options) (report Report, err error) {
	if o.From == o.To {
		return report, fmt.Errorf("the state is to go from %s to %s: name both kinds", o.From, o.To)
	}
	if report.Notes, err = o.keyNotes(); err != nil {
		return report, err
	}
	from, err := open(ctx, o, o.From, mustExist)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	to, err := open(ctx, o, o.To, mayBeNew)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, to.Close()) }()

	report.From, report.To = from.name, to.name
	for _, s := range []*store{from, to} {
		if err := s.wantNobody(ctx); err != nil {
			return report, err
		}
	}
	if err := from.wantKey(ctx, &o.Config); err != nil {
		return report, err
	}
	weak, err := to.weaknesses(ctx)
	if err != nil {
		return report, err
	}
	report.Notes = append(report.Notes, weak...)
	report.Sum, err = transfer.Copy(ctx, from, to)
	if errors.Is(err, state.ErrNotEmpty) {
		return report, fmt.Errorf("%w: %s has a state of its own: %s", state.ErrNotEmpty, to.name, to.emptied)
	}
	if err == nil {
		err = from.wantNobody(ctx)
	}
	if err != nil {
		return report, fmt.Errorf("from %s to %s: %w", from.name, to.name, err)
	}
	return report, nil
}
