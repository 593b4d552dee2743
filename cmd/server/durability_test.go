package server

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"gatehouse/configs"
	"gatehouse/storage/accounts"
	"gatehouse/storage/state"
	"gatehouse/storage/state/redis"
	"gatehouse/storage/state/redis/redistest"
)

// A Redis that keeps nothing on disk loses accounts: that is said at each start,
// and no start where the configuration requires more.
func TestAStoreThatForgetsIsNamedOrRefused(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	g := launch(t, shared(t, server, nil))
	g.ready(t)
	g.says(t, g.log, "appendonly is no: want yes")
	g.end(t)
	strict := func(c *configs.Loaded) { c.State.Durability = "require" }
	if err := launch(t, shared(t, server, strict)).fails(t); !errors.Is(err, errWeak) || !strings.Contains(err.Error(), "appendonly is no") {
		t.Errorf("it ended with %v, want that it is refused", err)
	}
	server.Do(t, "CONFIG", "SET", "appendonly", "yes", "appendfsync", "always")
	good := launch(t, shared(t, server, strict))
	good.ready(t)
	good.end(t)
}

// Who waits until a change is on the disk does not depend on appendfsync.
func TestWaitingForTheDiskMakesUpForASlowOne(t *testing.T) {
	d := redis.Durability{Server: "a", AppendOnly: "yes", Fsync: "everysec", Policy: "noeviction"}
	for waits, want := range map[bool]int{false: 1, true: 0} {
		c := &configs.Loaded{Config: configs.Default()}
		c.State.WaitAOF = waits
		if got := weaknesses(d, c); len(got) != want {
			t.Errorf("wait_aof %v: %q", waits, got)
		}
	}
}

// What somebody has changed waits for replicas; what nodes and logins write of
// themselves does not.
func TestWhatIsChangedByHandIsPromised(t *testing.T) {
	server := redistest.Start(t) // without a replica
	conf := shared(t, server, func(c *configs.Loaded) { c.State.WaitReplicas, c.State.WaitTimeout = 1, time.Millisecond })
	store, err := redis.Open(t.Context(), RedisOptions(&conf.Config))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	all, err := accounts.Open(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = all.Close(context.Background()) })
	a := accounts.Account{}
	a.Name = "alice"
	if _, err := all.Create(t.Context(), a); !errors.Is(err, state.ErrUnknown) {
		t.Errorf("an account: %v, want ErrUnknown", err)
	}
	for _, c := range []struct {
		scope, name string
		waits       bool
	}{
		{"failures", "ban/address", true}, {"failures", "lock/alice", false}, {"sessions", "a/b/c", false}, {"nodes", "beat/a/b", false}, {"codes", "a", false},
	} {
		for _, b := range []state.Batch{{Scope: c.scope, Puts: []state.Put{{Name: c.name}}}, {Scope: c.scope, Deletes: []string{c.name}}} {
			if _, err := store.Apply(t.Context(), b); errors.Is(err, state.ErrUnknown) != c.waits {
				t.Errorf("%+v: %v, want that it waits: %v", b, err, c.waits)
			}
		}
	}
}
