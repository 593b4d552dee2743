package accounts

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"gatehouse/storage/state"
)

// linksScope holds the links, by id, and which reset link is an account's. The
// store's clock ends them.
const (
	linksScope  = "links"
	linkPrefix  = "link/"
	resetPrefix = "reset/"
)

// A LinkKind is what a link is for.
type LinkKind string

// The kinds of links.
const (
	LinkReset      LinkKind = "reset"
	LinkInvitation LinkKind = "invitation"
)

// linkKinds says how long each kind is good for, and how many one maker makes in
// an hour.
var linkKinds = map[LinkKind]struct {
	life time.Duration
	most int64
}{
	LinkReset:      {24 * time.Hour, 100},
	LinkInvitation: {7 * 24 * time.Hour, 2_000},
}

// linkWindow is the time over which the links of a maker are counted.
const linkWindow = time.Hour

// A Link is an address that is passed on and does one thing once. Its secret is
// shown when it is made, and nowhere kept.
type Link struct {
	ID   string   `json:"id"` // found from the secret, says nothing about it
	Kind LinkKind `json:"kind"`
	// Account is the id of the account whose password a reset link sets.
	Account string `json:"account,omitempty"`
	// By is the id of the account that made it, or who else did.
	By         string      `json:"by"`
	Created    time.Time   `json:"created"`
	Expires    time.Time   `json:"expires"`
	Invitation *Invitation `json:"invitation,omitempty"`

	hash string // of the secret
}

// A linkRecord is a link as it is stored.
type linkRecord struct {
	Link
	Hash string `json:"hash"`
}

// linkIDLength is that of a link's public name: half of its secret's hash.
const linkIDLength = 32

// newLinkSecret makes 256 random bits that need no escaping in an address.
func newLinkSecret() string {
	b := make([]byte, 32)
	rand.Read(b) // never fails: it ends the program where the system has no randomness
	return base64.RawURLEncoding.EncodeToString(b)
}

// MakeLink makes a link of which Kind, By and, by its kind, Account or Invitation
// are given, and returns it with its secret. A reset link ends the account's
// earlier one. ErrTooMany where its maker has made too many within the hour,
// unless it is forced.
func (s *Store) MakeLink(ctx context.Context, l Link, o Option) (Link, string, error) {
	kind, known := linkKinds[l.Kind]
	if !known {
		return Link{}, "", &InvalidError{Field: "kind", Why: fmt.Sprintf("%q is neither reset nor invitation", l.Kind)}
	}
	if err := s.validateLink(&l); err != nil {
		return Link{}, "", err
	}
	if o != Forced {
		if err := s.countLink(ctx, l, kind.most); err != nil {
			return Link{}, "", err
		}
	}
	secret := newLinkSecret()
	l.hash = HashSecret(secret)
	l.ID = l.hash[:linkIDLength]
	l.Created = time.Now().UTC().Truncate(time.Second)
	l.Expires = l.Created.Add(kind.life)
	if err := s.keepLink(ctx, l, kind.life); err != nil {
		return Link{}, "", fmt.Errorf("keep a link: %w", err)
	}
	return l, secret, nil
}

// keepLink writes a link, and ends the account's earlier one.
func (s *Store) keepLink(ctx context.Context, l Link, life time.Duration) error {
	return retry(func() error {
		b, err := linkBatch(l, life)
		if err != nil {
			return err
		}
		if l.Kind == LinkReset {
			earlier, err := s.state.Get(ctx, linksScope, resetPrefix+l.Account)
			if err != nil && !errors.Is(err, state.ErrNotFound) {
				return err
			}
			if len(earlier.Value) > 0 {
				b.Deletes = append(b.Deletes, linkPrefix+string(earlier.Value))
			}
			b.Checks = append(b.Checks, state.Check{Name: resetPrefix + l.Account, Revision: earlier.Revision})
		}
		return again(s.settle(ctx, b))
	})
}

func linkBatch(l Link, life time.Duration) (state.Batch, error) {
	p, err := put(linkPrefix+l.ID, linkRecord{Link: l, Hash: l.hash})
	if err != nil {
		return state.Batch{}, err
	}
	p.TTL = life
	b := state.Batch{Scope: linksScope, Checks: []state.Check{{Name: p.Name}}, Puts: []state.Put{p}}
	if l.Kind == LinkReset {
		b.Puts = append(b.Puts, state.Put{Name: resetPrefix + l.Account, Value: []byte(l.ID), TTL: life})
	}
	return b, nil
}

// countLink refuses what is beyond what a maker may make.
func (s *Store) countLink(ctx context.Context, l Link, most int64) error {
	v, err := s.state.Count(ctx, linksScope, state.Window{
		ID: state.NewOperationID(), Name: string(l.Kind) + "/" + l.By, Period: linkWindow, Add: 1, Max: most,
	})
	if err != nil {
		return fmt.Errorf("count the links of a maker: %w", err)
	}
	if v.Granted == 0 {
		return ErrTooMany
	}
	return nil
}

func (s *Store) validateLink(l *Link) error {
	if l.By == "" || unfitText(l.By, maxName) != "" {
		return &InvalidError{Field: "by", Why: "does not name who makes the link"}
	}
	if l.Kind == LinkReset {
		if _, ok := s.index.byID(l.Account); !ok || l.Invitation != nil {
			return &InvalidError{Field: "account", Why: "is none that there is"}
		}
		return nil
	}
	if l.Invitation == nil || l.Account != "" {
		return &InvalidError{Field: "invitation", Why: "is not said"}
	}
	invitation := *l.Invitation
	l.Invitation = &invitation
	return s.validateInvitation(l.Invitation)
}
