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
// sealed with where it did not. It can be cut off anywhere and run again: a data
// folder that had no state has none then, or all of it.
func Run(ctx context.Context, o Options) (report Report, err error) {
	if o.From == o.To {
		return report, fmt.Errorf("the state is to go from %s to %s: name both kinds", o.From, o.To)
	}
	if report.Notes, err = o.keyNotes(); err != nil {
		return report, err
	}
	spooled, err := o.spoolNotes()
	if err != nil {
		return report, err
	}
	report.Notes = append(report.Notes, spooled...)
	from, err := open(ctx, o, o.From)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	report.From = from.name
	runs, err := from.runs(ctx)
	if err != nil {
		return report, err
	}
	if err := from.wantNobody(ctx, nil); err != nil {
		return report, err
	}
	if err := from.wantKey(ctx, &o.Config); err != nil {
		return report, err
	}
	if err := o.wantInstallation(ctx, from); err != nil {
		return report, err
	}
	return report, o.into(ctx, func(to *store) error {
		report.To = to.name
		if err := to.wantNobody(ctx, runs); err != nil { // what was copied before is nobody there
			return err
		}
		weak, err := to.weaknesses(ctx)
		if err != nil {
			return err
		}
		report.Notes = append(report.Notes, weak...)
		report.Sum, err = move(ctx, from, to)
		return err
	})
}

func move(ctx context.Context, from, to *store) (transfer.Sum, error) {
	sum, err := transfer.Copy(ctx, from, to)
	if errors.Is(err, state.ErrNotEmpty) {
		return sum, fmt.Errorf("%w: %s has a state of its own: %s", state.ErrNotEmpty, to.name, to.emptied)
	}
	if err == nil {
		err = from.wantNobody(ctx, nil)
	}
	if err != nil {
		return sum, fmt.Errorf("from %s to %s: %w", from.name, to.name, err)
	}
	return sum, nil
}
