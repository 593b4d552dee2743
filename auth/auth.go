// Package auth finds out who is there: passwords, public keys, certificates,
// app passwords, tokens, links and one-time codes; and keeps the failures that
// lockouts and bans are made of. What an account may do is policy's.
package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"gatehouse/auth/foreign"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/seal"
	"gatehouse/storage/state"
)

// An Attempt is somebody at a door. Printed or logged, it leaves the password out.
type Attempt struct {
	Account   string // as the client sent it
	Door      policy.Door
	Address   netip.Addr
	Transport policy.Transport
	// Client is what the client says of itself (SSH version, User-Agent).
	Client string
	// One of these is the proof. Key and Certificate are set only once the
	// handshake proved them. A Token or a Link says itself whose it is: Account
	// may be left empty.
	Password    string `json:"-"` // or an app password, or a client's secret
	Key         ssh.PublicKey
	Certificate *ssh.Certificate
	Token       string `json:"-"`
	Link        string `json:"-"`
	// Code is a one-time or recovery code that goes with the proof.
	Code string `json:"-"`
	// Proved is a proof of moments ago that lacked a code (see CodeNeededError),
	// in the place of the proof itself.
	Proved *Proved `json:"-"`
}

// LogValue leaves the password out.
func (a Attempt) LogValue() slog.Value {
	return slog.GroupValue(slog.String("account", a.Account), slog.String("door", string(a.Door)),
		slog.String("address", a.Address.String()), slog.String("transport", string(a.Transport)))
}

// Format leaves the password out, whatever the verb.
func (a Attempt) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "attempt of %q at %s from %s (%s)", a.Account, a.Door, a.Address, a.Transport)
}

// A RefusedError is a refused login. The client hears Error, one constant text
// per door, and Reference; the event has the decision.
type RefusedError struct {
	Reference string
	Decision  policy.Decision
}

func (e *RefusedError) Error() string { return "login refused (reference " + e.Reference + ")" }

// A CodeNeededError says that everything was right, and that the account's
// second factor is asked for: the same attempt again, with Code, and Proved in
// the place of the password. Only doors that can ask for a code see it.
type CodeNeededError struct{ Proved *Proved }

func (e *CodeNeededError) Error() string { return "the one-time code is needed" }

// ErrBusy says that too many passwords wait to be verified: nothing was decided,
// and the client may try again.
var ErrBusy = errors.New("too many logins at once")

// Config is what an Authenticator is made of. Zero values take the defaults.
type Config struct {
	Accounts *accounts.Store
	State    state.Store
	Log      *slog.Logger
	// Key makes what is kept of failures worthless without it; the same on every
	// node. Empty takes a random one, so that a restart forgets which secret failed.
	Key []byte
	// Trusted are proxies, which are never banned.
	Trusted []netip.Prefix
	// Params are those of new hashes; default 19 MiB, 2 passes, 1 thread.
	Params Params
	// Slots is how many passwords are hashed at once; default one per processor.
	Slots int
	// Wait is how long an attempt waits for a slot; default 10 seconds.
	Wait time.Duration
	// Hash computes argon2id; tests count with it.
	Hash func(password, salt []byte, p Params) []byte
	// Sealer opens second factors. None takes a random key: what it sealed
	// cannot be opened after a restart.
	Sealer *seal.Sealer
	// Issuer names this installation in an authenticator app; default "Gatehouse".
	Issuer string
}

// An Authenticator proves credentials. Safe for concurrent use.
type Authenticator struct {
	accounts *accounts.Store
	log      *slog.Logger
	hasher   hasher
	failures failures
	proofs   *proofs
	slots    *slots
	sealer   *seal.Sealer
	issuer   string
	// dummy is verified where there is no password: a hash that nothing matches.
	dummy string
	// base is how long a hash of the present parameters takes.
	base atomic.Int64
}

// New makes an authenticator. It computes one hash, to know what one costs.
func New(c Config) (*Authenticator, error) {
	if c.Accounts == nil || c.State == nil {
		return nil, errors.New("an authenticator needs accounts and state")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if len(c.Key) == 0 {
		c.Key = random(32)
	}
	if c.Params == (Params{}) {
		c.Params = DefaultParams()
	}
	if err := c.Params.validate(); err != nil {
		return nil, err
	}
	if c.Slots <= 0 {
		c.Slots = runtime.GOMAXPROCS(0)
	}
	if c.Wait <= 0 {
		c.Wait = 10 * time.Second
	}
	if c.Hash == nil {
		c.Hash = argon2id
	}
	if c.Issuer == "" {
		c.Issuer = "Gatehouse"
	}
	if c.Sealer == nil {
		var err error
		if c.Sealer, err = seal.New(random(seal.KeySize)); err != nil {
			return nil, err
		}
	}
	z := &Authenticator{
		accounts: c.Accounts,
		log:      c.Log,
		hasher:   hasher{params: c.Params, compute: c.Hash, others: foreign.Verify},
		failures: failures{state: c.State, known: newKnown(c.State), key: c.Key, trusted: c.Trusted},
		proofs:   newProofs(maxProofs, proofLife),
		slots:    newSlots(c.Slots, c.Wait),
		sealer:   c.Sealer,
		issuer:   c.Issuer,
	}
	z.dummy = c.Params.encode(random(saltSize), random(hashSize))
	began := time.Now()
	argon2id([]byte("the cost of a hash"), make([]byte, saltSize), c.Params)
	z.base.Store(int64(time.Since(began)))
	return z, nil
}

// Follow lets logins that no lockout and no ban stands against go without a look
// at the state, until ctx ends. Those of other nodes hold as soon as they are
// heard of; without it the state is asked each time.
func (z *Authenticator) Follow(ctx context.Context) error { return z.failures.known.start(ctx) }

// random returns n random bytes.
func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails: it ends the program where the system has no randomness
	return b
}
