// Package kept keeps what every node of an installation has alike and nobody else
// may have: host keys, certificates. It stands in the state, sealed.
package kept

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gatehouse/storage/installation"
	"gatehouse/storage/seal"
	"gatehouse/storage/state"
	"gatehouse/storage/state/typed"
)

const (
	scope = "secrets"
	check = "check"
)

// ErrOtherKey says that this node has another secret key than the installation.
var ErrOtherKey = errors.New("secret_key is not the one that this installation's state is sealed with: " +
	"all nodes have the same, by configuration or by a copy of secret.key in their data folders")

// A Keeper keeps secrets under names. Safe for concurrent use.
type Keeper struct {
	state  state.Store
	sealer *seal.Sealer
}

// New returns a keeper; it has read nothing.
func New(st state.Store, sealer *seal.Sealer) *Keeper { return &Keeper{st, sealer} }

// Used reports whether the state has the secrets of an installation that shares them.
func (k *Keeper) Used(ctx context.Context) (bool, error) {
	first, err := k.state.List(ctx, scope, "", "", installation.Marks+2)
	if err != nil {
		return false, fmt.Errorf("look for the installation's secrets: %w", err)
	}
	return slices.ContainsFunc(first.Records, func(r state.Record) bool { return r.Name != check && !installation.IsMark(r.Name) }), nil
}

// Check reports ErrOtherKey where the state is sealed with another key than this
// node's. The first node that asks says which it is.
func (k *Keeper) Check(ctx context.Context) error {
	_, err := k.Once(ctx, check, checked)
	if isOther(err) {
		return ErrOtherKey
	}
	return err
}

// Mark says which key the state of a gateway that is alone is sealed with, for the
// time when it shares its state: no other key is the installation's then.
func (k *Keeper) Mark(ctx context.Context) error {
	_, _, err := k.Get(ctx, check)
	if !isOther(err) && !errors.Is(err, state.ErrNotFound) {
		return err
	}
	text, _ := checked()
	return k.Replace(ctx, check, text)
}

// checked is what is sealed to tell one key from another.
func checked() ([]byte, error) { return []byte("gatehouse"), nil }

func isOther(err error) bool { return errors.Is(err, seal.ErrKey) || errors.Is(err, seal.ErrSealed) }

// Get returns a secret and its revision; state.ErrNotFound where there is none.
func (k *Keeper) Get(ctx context.Context, name string) (secret []byte, revision uint64, err error) {
	r, err := k.state.Get(ctx, scope, name)
	if err != nil {
		return nil, 0, fmt.Errorf("read the secret %q: %w", name, err)
	}
	if secret, err = k.sealer.Open(bound(name), r.Value); err != nil {
		return nil, 0, fmt.Errorf("open the secret %q: %w", name, err)
	}
	return secret, r.Revision, nil
}

// Once returns a secret. Where there is none it is what fill gives: of several
// nodes that ask at once all get what one of them has given.
func (k *Keeper) Once(ctx context.Context, name string, fill func() ([]byte, error)) ([]byte, error) {
	secret, _, err := k.Get(ctx, name)
	if !errors.Is(err, state.ErrNotFound) {
		return secret, err
	}
	if secret, err = fill(); err != nil {
		return nil, err
	}
	err = k.Put(ctx, name, secret, 0)
	if errors.Is(err, state.ErrConflict) {
		secret, _, err = k.Get(ctx, name)
	}
	return secret, err
}

// Put writes a secret in place of the one with this revision, 0 for none;
// state.ErrConflict where that has changed.
func (k *Keeper) Put(ctx context.Context, name string, secret []byte, revision uint64) error {
	return k.apply(ctx, name, state.Batch{
		Checks: []state.Check{{Name: name, Revision: revision}},
		Puts:   []state.Put{{Name: name, Value: k.sealer.Seal(bound(name), secret)}},
	})
}

// Replace writes a secret, whatever was there.
func (k *Keeper) Replace(ctx context.Context, name string, secret []byte) error {
	return k.apply(ctx, name, state.Batch{Puts: []state.Put{{Name: name, Value: k.sealer.Seal(bound(name), secret)}}})
}

// Delete forgets a secret.
func (k *Keeper) Delete(ctx context.Context, name string) error {
	return k.apply(ctx, name, state.Batch{Deletes: []string{name}})
}

// Claim makes a name the holder's for a while, or for longer where it has it
// already. It reports whether it has.
func (k *Keeper) Claim(ctx context.Context, name, holder string, ttl time.Duration) (bool, error) {
	held, revision, err := k.Get(ctx, name)
	switch {
	case errors.Is(err, state.ErrNotFound):
	case err != nil:
		return false, err
	case string(held) != holder:
		return false, nil
	}
	err = k.apply(ctx, name, state.Batch{
		Checks: []state.Check{{Name: name, Revision: revision}},
		Puts:   []state.Put{{Name: name, Value: k.sealer.Seal(bound(name), []byte(holder)), TTL: ttl}},
	})
	if errors.Is(err, state.ErrConflict) {
		return false, nil
	}
	return err == nil, err
}

func (k *Keeper) apply(ctx context.Context, name string, b state.Batch) error {
	b.Scope = scope
	if _, err := typed.Settle(ctx, k.state, b); err != nil {
		return fmt.Errorf("keep the secret %q: %w", name, err)
	}
	return nil
}

// bound is what a secret is sealed for.
func bound(name string) string { return scope + "/" + name }
