// Package links keeps addresses that are passed on and do one thing once: they set
// an account's password, or invite somebody to an account. Their secrets are
// shown when they are made and nowhere kept; what their maker makes is bounded.
package links

import (
	"errors"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/state"
)

// scope holds the links, by id, and which reset link is an account's. The
// store's clock ends them.
const (
	scope       = "links"
	linkPrefix  = "link/"
	resetPrefix = "reset/"
)

// A Kind is what a link is for.
type Kind string

// The kinds of links.
const (
	Reset  Kind = "reset"
	Invite Kind = "invitation"
)

// kinds says how long each kind is good for, and how many one maker makes in
// an hour.
var kinds = map[Kind]struct {
	life time.Duration
	most int64
}{
	Reset:  {24 * time.Hour, 100},
	Invite: {7 * 24 * time.Hour, 2_000},
}

// window is the time over which the links of a maker are counted.
const window = time.Hour

// A Link is an address that is passed on and does one thing once. Its secret is
// shown when it is made, and nowhere kept.
type Link struct {
	ID   string `json:"id"` // found from the secret, says nothing about it
	Kind Kind   `json:"kind"`
	// Account is the id of the account whose password a reset link sets.
	Account string `json:"account,omitempty"`
	// Standing is how it stood with that account when the link was made.
	Standing Standing `json:"standing,omitzero"`
	// By is the id of the account that made it, or who else did.
	By         string      `json:"by"`
	Created    time.Time   `json:"created"`
	Expires    time.Time   `json:"expires"`
	Invitation *Invitation `json:"invitation,omitempty"`

	hash string // of the secret
}

// A Standing is what of an account ends the links that were made before.
type Standing struct {
	Password string    `json:"password,omitempty"` // its id
	Since    time.Time `json:"since,omitzero"`     // when the account was last disabled or enabled
	Disabled bool      `json:"-"`
}

// An Invitation is what an account will be that somebody is to make for
// themselves. What its maker may give is judged again when it is accepted.
type Invitation struct {
	Email       string         `json:"email"`
	DisplayName string         `json:"display_name,omitempty"`
	Role        policy.Role    `json:"role"`
	Groups      []string       `json:"groups,omitempty"`     // ids
	ManagedBy   []string       `json:"managed_by,omitempty"` // ids
	Expires     *policy.Expiry `json:"expires,omitempty"`    // the account's
}

// Errors.
var (
	// ErrGone says that a link is used up, revoked, expired, or never was one.
	ErrGone = errors.New("the link is not good any more")
	// ErrTooMany says that somebody has made too many links within the hour.
	ErrTooMany = errors.New("too many links within the hour")
)

// Accounts is what links ask about the accounts that they are for.
type Accounts interface {
	// Standing tells how it stands with an account; false where there is none.
	Standing(id string) (Standing, bool)
	// Invitable refuses, with a *field.Error, what could become no account, and puts
	// an invitation into its stored form.
	Invitable(*Invitation) error
}

// A Store keeps links in a state. Safe for concurrent use.
type Store struct {
	state    state.Store
	accounts Accounts
}

// New keeps the links of accounts in st.
func New(st state.Store, accounts Accounts) *Store { return &Store{state: st, accounts: accounts} }

// A Bound says whether a maker's links are counted.
type Bound int

// The bounds.
const (
	Bounded Bound = iota
	Unbounded
)
