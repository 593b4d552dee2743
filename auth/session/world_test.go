package session

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"

	"gatehouse/auth"
	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts"
	"gatehouse/storage/accounts/credentials"
	"gatehouse/storage/backend/local"
	"gatehouse/storage/events"
	"gatehouse/storage/locks"
	"gatehouse/storage/mount"
	"gatehouse/storage/nodes"
	"gatehouse/storage/quota"
	"gatehouse/storage/seal"
	"gatehouse/storage/staging"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A world is a whole site on one node, over a memory store that can be told to
// fail. It can be made and ended within a bubble of synctest.
type world struct {
	*Manager
	t      *testing.T
	dir    string
	memory state.Store
	store  *flaky
	quotas *quota.Ledger
	auth   *auth.Authenticator
	nodes  *nodes.Nodes // nil: alone
	untold bool         // the others cannot be told that its sessions have ended
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return restart(t, memory.New(), t.TempDir(), "1")
}

// restart makes a world over what a former one left.
func restart(t *testing.T, st state.Store, dir, epoch string) *world {
	t.Helper()
	return open(t, st, dir, "node", epoch, false)
}

// open makes a world of a node's run, alone or among others on its store.
func open(t *testing.T, st state.Store, dir, node, epoch string, shares bool, set ...func(*Config)) *world {
	t.Helper()
	w := &world{t: t, dir: dir, memory: st, store: &flaky{Store: st, left: -1}}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	if shares {
		w.join(ctx, node, epoch)
	}
	store, err := accounts.Open(ctx, w.store)
	w.must(err)
	if shares {
		store.Share()
	}
	sealer, err := seal.New(make([]byte, seal.KeySize))
	w.must(err)
	log, err := events.New(ctx, events.Config{State: w.store, Node: node, Sealer: sealer})
	w.must(err)
	disk, err := local.Open(dir, local.Options{})
	w.must(err)
	mounts, err := mount.New(mount.Mount{Backend: disk, Sync: mount.SyncNone})
	w.must(err)
	area, err := staging.New(ctx, mounts, node, epoch, 100)
	w.must(err)
	var tree *guard.Tree
	made := make(chan struct{})
	w.quotas, err = quota.New(ctx, st, node, epoch, func(ctx context.Context, p path.Path) (quota.Amount, error) {
		<-made
		return tree.Walk(ctx, p)
	})
	w.must(err)
	if shares {
		w.quotas.Share(quota.Sharing{Living: w.nodes.Living, Held: w.nodes.Held})
		w.nodes.Bury(area.Reap)
		w.nodes.Bury(w.quotas.Bury)
	}
	table := locks.New(st, func(path.Path) string { return "/" })
	tree = guard.NewTree(guard.TreeConfig{Mounts: mounts, Staging: area, Quotas: w.quotas, Locks: table, Fence: w.nodes.Fence})
	close(made)
	w.auth, err = auth.New(auth.Config{
		Accounts: store, State: w.store, Params: auth.Params{Memory: 64, Time: 1, Threads: 1},
	})
	w.must(err)
	c := Config{
		Accounts: store, Auth: w.auth, Tree: tree, Quotas: w.quotas, Events: log, State: w.store, Node: node,
		Nodes: w.nodes, Key: []byte("the same on every node"),
	}
	for _, set := range set {
		set(&c)
	}
	w.Manager = New(ctx, c)
	if shares {
		w.nodes.Start(ctx)
	}
	t.Cleanup(func() { w.close(log, mounts) })
	return w
}

// close ends a world, whatever is still open.
func (w *world) close(log *events.Log, mounts *mount.Table) {
	w.store.heal()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, s := range w.table.all() {
		s.Close()
	}
	for _, end := range []func(context.Context) error{w.Shutdown, w.accounts.Close, log.Close, w.quotas.Close} {
		if err := end(ctx); err != nil && !(w.untold && errors.Is(err, ErrUntold)) {
			w.t.Errorf("end the world: %v", err)
		}
	}
	if err := mounts.Close(); err != nil {
		w.t.Errorf("end the world: %v", err)
	}
	if w.nodes != nil {
		w.must(w.nodes.Close(ctx))
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// add makes an account with the password "correct horse".
func (w *world) add(name string, change func(*accounts.Account)) accounts.Account {
	w.t.Helper()
	a := accounts.Account{Account: policy.Account{Name: name}}
	if change != nil {
		change(&a)
	}
	made, err := w.CreateAccount(w.t.Context(), a, "correct horse", false, false)
	w.must(err)
	return made
}

func (w *world) change(name string, change func(*accounts.Account)) {
	w.t.Helper()
	_, err := w.accounts.Update(w.t.Context(), name, 0, func(a *accounts.Account) error {
		change(a)
		return nil
	}, accounts.Guarded)
	w.must(err)
}

func (w *world) changeSite(change func(*accounts.Site)) {
	w.t.Helper()
	_, err := w.accounts.UpdateSite(w.t.Context(), 0, func(s *accounts.Site) error {
		change(s)
		return nil
	}, accounts.Guarded)
	w.must(err)
}

func (w *world) login(a auth.Attempt) *Session {
	w.t.Helper()
	s, err := w.Login(w.t.Context(), a)
	w.must(err)
	return s
}

// refusedBy logs in and returns the rule that refuses.
func (w *world) refusedBy(a auth.Attempt) policy.Rule {
	w.t.Helper()
	s, err := w.Login(w.t.Context(), a)
	if err == nil {
		s.Close()
		return ""
	}
	refused, ok := errors.AsType[*auth.RefusedError](err)
	if !ok {
		w.t.Fatalf("got %v, want a refusal", err)
	}
	return refused.Decision.Rule
}

// events returns what is in the log of a kind, the oldest first.
func (w *world) eventsOf(kind events.Kind) []events.Event {
	w.t.Helper()
	list, _, err := w.events.List(w.t.Context(), events.Query{Kind: kind, Oldest: true, Limit: 1000})
	w.must(err)
	return list
}

var client = netip.MustParseAddr("198.51.100.7")

func sftp(name string) auth.Attempt {
	return auth.Attempt{
		Account: name, Password: "correct horse", Door: policy.SFTP, Transport: policy.SSH,
		Address: client, Client: "SSH-2.0-Test",
	}
}

func webdav(name string) auth.Attempt {
	return auth.Attempt{Account: name, Password: "correct horse", Door: policy.WebDAV, Transport: policy.TLS, Address: client}
}

// newKey returns a key and its line for an account; the same seed is the same key.
func newKey(t *testing.T, seed byte) (ssh.PublicKey, accounts.Key) {
	t.Helper()
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	public, err := ssh.NewPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	k, err := credentials.ParseKey(strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public))))
	if err != nil {
		t.Fatal(err)
	}
	return public, k
}

// soonEnough is for what another goroutine does at once, but on a machine that may
// stand still. That it takes less than a second is shown at the doors.
const soonEnough = 15 * time.Second

// waitCut waits until live policy cuts the session, and returns the rule.
func waitCut(t *testing.T, s *Session) policy.Rule {
	t.Helper()
	select {
	case <-s.Context().Done():
	case <-time.After(soonEnough):
		t.Fatal("the session stays open after the change")
	}
	cut, ok := errors.AsType[*CutError](context.Cause(s.Context()))
	if !ok {
		t.Fatalf("got cause %v, want a cut", context.Cause(s.Context()))
	}
	return cut.Decision.Rule
}

// flaky is a store that fails after so many changes; negative never.
type flaky struct {
	state.Store
	mu      sync.Mutex
	left    int
	changes int // that were made
	counted int // operations on the places of sessions
	stuck   chan struct{}
	silent  chan struct{}
	full    bool // for events
	// kill fails the counters of the scopes that it says.
	kill func(scope string) bool
	// told is what is answered to a counter's operation that was made.
	told func(scope string, v state.CounterValue) (state.CounterValue, error)
}

// silence has nothing heard of what others change, until the channel is closed.
func (f *flaky) silence() chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.silent = make(chan struct{})
	return f.silent
}

func (f *flaky) Watch(ctx context.Context, scope string, after uint64) (<-chan state.Change, error) {
	in, err := f.Store.Watch(ctx, scope, after)
	if err != nil {
		return nil, err
	}
	out := make(chan state.Change)
	go func() {
		defer close(out)
		for c := range in {
			f.mu.Lock()
			silent := f.silent
			f.mu.Unlock()
			if silent != nil {
				select {
				case <-silent:
				case <-ctx.Done():
				}
			}
			select {
			case out <- c:
			case <-ctx.Done():
			}
		}
	}()
	return out, nil
}

func (f *flaky) answer(told func(string, state.CounterValue) (state.CounterValue, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = told
}

// placesAsked is how often it was asked for places of sessions.
func (f *flaky) placesAsked() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counted
}

func (f *flaky) refuseEvents() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.full = true
}

func (f *flaky) isFull() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.full
}

// block makes every change wait until the channel is closed.
func (f *flaky) block() chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stuck = make(chan struct{})
	return f.stuck
}

func (f *flaky) wait(ctx context.Context) {
	f.mu.Lock()
	stuck := f.stuck
	f.mu.Unlock()
	if stuck == nil {
		return
	}
	select {
	case <-stuck:
	case <-ctx.Done():
	}
}

func (f *flaky) made() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changes
}

var errAway = errors.New("the store is away")

func (f *flaky) failAfter(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left = n
}

func (f *flaky) heal() {
	f.failAfter(-1)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.full = false
}

func (f *flaky) spend(ctx context.Context) error {
	if f.wait(ctx); ctx.Err() != nil {
		return ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left == 0 {
		return errAway
	}
	if f.left > 0 {
		f.left--
	}
	f.changes++
	return nil
}

func (f *flaky) Apply(ctx context.Context, b state.Batch) (state.Result, error) {
	if err := f.spend(ctx); err != nil {
		return state.Result{}, err
	}
	return f.Store.Apply(ctx, b)
}

func (f *flaky) Count(ctx context.Context, scope string, op state.CounterOp) (state.CounterValue, error) {
	if err := f.spend(ctx); err != nil {
		return state.CounterValue{}, err
	}
	if f.kill != nil && f.kill(scope) {
		return state.CounterValue{}, errAway
	}
	if scope == placeScope {
		f.mu.Lock()
		f.counted++
		f.mu.Unlock()
	}
	v, err := f.Store.Count(ctx, scope, op)
	f.mu.Lock()
	told := f.told
	f.mu.Unlock()
	if told == nil || err != nil {
		return v, err
	}
	return told(scope, v)
}

func (f *flaky) Append(ctx context.Context, stream string, op state.OperationID, entries ...[]byte) (uint64, error) {
	if f.isFull() {
		return 0, errAway
	}
	if err := f.spend(ctx); err != nil {
		return 0, err
	}
	return f.Store.Append(ctx, stream, op, entries...)
}
