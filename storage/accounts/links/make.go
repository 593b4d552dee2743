package links

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"gatehouse/storage/accounts/credentials"
	"gatehouse/storage/accounts/field"
	"gatehouse/storage/state"
	"gatehouse/storage/state/typed"
)

// stored is a link with what proves it.
type stored struct {
	Link
	Hash string `json:"hash"`
}

// idLength is that of a link's public name: half of its secret's hash.
const idLength = 32

// newSecret makes 256 random bits that need no escaping in an address.
func newSecret() string {
	b := make([]byte, 32)
	rand.Read(b) // never fails: it ends the program where the system has no randomness
	return base64.RawURLEncoding.EncodeToString(b)
}

// Make makes a link of which Kind, By and, by its kind, Account or Invitation
// are given, and returns it with its secret. A reset link ends the account's
// earlier one. ErrTooMany where its maker has made too many within the hour,
// unless that is unbounded.
func (s *Store) Make(ctx context.Context, l Link, bound Bound) (Link, string, error) {
	kind, known := kinds[l.Kind]
	if !known {
		return Link{}, "", &field.Error{Field: "kind", Why: fmt.Sprintf("%q is neither reset nor invitation", l.Kind)}
	}
	if err := s.check(&l); err != nil {
		return Link{}, "", err
	}
	if bound != Unbounded {
		if err := s.count(ctx, l, kind.most); err != nil {
			return Link{}, "", err
		}
	}
	secret := newSecret()
	l.hash = credentials.HashSecret(secret)
	l.ID = l.hash[:idLength]
	l.Created = time.Now().UTC().Truncate(time.Second)
	l.Expires = l.Created.Add(kind.life)
	if err := s.keep(ctx, l, kind.life); err != nil {
		return Link{}, "", fmt.Errorf("keep a link: %w", err)
	}
	return l, secret, nil
}

// keep writes a link, and ends the account's earlier one.
func (s *Store) keep(ctx context.Context, l Link, life time.Duration) error {
	return typed.Retry(func() error {
		b, err := batch(l, life)
		if err != nil {
			return err
		}
		if l.Kind == Reset {
			earlier, err := s.state.Get(ctx, scope, resetPrefix+l.Account)
			if err != nil && !errors.Is(err, state.ErrNotFound) {
				return err
			}
			if len(earlier.Value) > 0 {
				b.Deletes = append(b.Deletes, linkPrefix+string(earlier.Value))
			}
			b.Checks = append(b.Checks, state.Check{Name: resetPrefix + l.Account, Revision: earlier.Revision})
		}
		return typed.Again(s.settle(ctx, b))
	})
}

func batch(l Link, life time.Duration) (state.Batch, error) {
	p, err := typed.Put(linkPrefix+l.ID, stored{Link: l, Hash: l.hash})
	if err != nil {
		return state.Batch{}, err
	}
	p.TTL = life
	b := state.Batch{Scope: scope, Checks: []state.Check{{Name: p.Name}}, Puts: []state.Put{p}}
	if l.Kind == Reset {
		b.Puts = append(b.Puts, state.Put{Name: resetPrefix + l.Account, Value: []byte(l.ID), TTL: life})
	}
	return b, nil
}

// count refuses what is beyond what a maker may make.
func (s *Store) count(ctx context.Context, l Link, most int64) error {
	v, err := s.state.Count(ctx, scope, state.Window{
		ID: state.NewOperationID(), Name: string(l.Kind) + "/" + l.By, Period: window, Add: 1, Max: most,
	})
	if err != nil {
		return fmt.Errorf("count the links of a maker: %w", err)
	}
	if v.Granted == 0 {
		return ErrTooMany
	}
	return nil
}

func (s *Store) check(l *Link) error {
	if l.By == "" || field.Text(l.By, field.MaxName) != "" {
		return &field.Error{Field: "by", Why: "does not name who makes the link"}
	}
	if l.Kind == Reset {
		now, there := s.accounts.Standing(l.Account)
		if l.Standing = now; !there || l.Invitation != nil {
			return &field.Error{Field: "account", Why: "is none that there is"}
		}
		return nil
	}
	if l.Invitation == nil || l.Account != "" {
		return &field.Error{Field: "invitation", Why: "is not said"}
	}
	invitation := *l.Invitation
	l.Invitation = &invitation
	return s.accounts.Invitable(l.Invitation)
}

func (s *Store) settle(ctx context.Context, b state.Batch) error {
	_, err := typed.Settle(ctx, s.state, b)
	return err
}
