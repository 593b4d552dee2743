package logins

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/auth"
	"gatehouse/storage/state"
	"gatehouse/storage/state/typed"
)

// Wait keeps an attempt for its code, as long as its proof is good for that, and
// returns what finds it again.
func (j *Jar) Wait(ctx context.Context, a auth.Attempt) (value string, err error) {
	value, _ = newValue()
	w := waiting{
		Format: format, Account: a.Account, Door: a.Door, Address: a.Address, Transport: a.Transport, Client: a.Client, Proved: a.Proved,
	}
	p, err := j.sealed(waitingPrefix+hashOf(value), w, max(time.Until(a.Proved.Resumable()), 0)+slack)
	if err == nil {
		_, err = typed.Settle(ctx, j.state, state.Batch{Scope: scope, Puts: []state.Put{p}})
	}
	if err != nil {
		return "", fmt.Errorf("keep a login for its code: %w", err)
	}
	return value, nil
}

// Waits returns an attempt that waits for its code.
func (j *Jar) Waits(ctx context.Context, value string) (a auth.Attempt, ok bool, err error) {
	if len(value) != valueSize {
		return auth.Attempt{}, false, nil
	}
	var w waiting
	r, err := j.state.Get(ctx, scope, waitingPrefix+hashOf(value))
	if err == nil {
		err = j.opened(r, &w, &w.Format)
	}
	if errors.Is(err, state.ErrNotFound) || err == nil && (w.Proved == nil || time.Now().After(w.Proved.Resumable())) {
		return auth.Attempt{}, false, nil
	}
	if err != nil {
		return auth.Attempt{}, false, fmt.Errorf("look for a login that waits for its code: %w", err)
	}
	return auth.Attempt{
		Account: w.Account, Door: w.Door, Address: w.Address, Transport: w.Transport, Client: w.Client, Proved: w.Proved,
	}, true, nil
}

// Forget gives up an attempt that waited for its code. It ends by itself where the
// store is away.
func (j *Jar) Forget(ctx context.Context, value string) error {
	_, err := typed.Settle(ctx, j.state, state.Batch{Scope: scope, Deletes: []string{waitingPrefix + hashOf(value)}})
	return err
}
