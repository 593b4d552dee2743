package redis

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"go.uber.org/goleak"

	"gatehouse/storage/state"
	"gatehouse/storage/state/redis/redistest"
	"gatehouse/storage/state/statetest"
)

// keep is the length of the change log in tests.
const keep = 60

func TestMain(m *testing.M) {
	logging.Disable() // the tests break connections, of which go-redis tells
	code := m.Run()
	// The client's probe of a server that was gone looks once a second whether it is still wanted.
	probe := goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial")
	if err := goleak.Find(probe); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// openAt opens a store whose keys are apart from those of all others of the test. Where
// the test says nothing of it, a call may take longer than a busy machine stands still.
func openAt(t testing.TB, o Options) *Store {
	t.Helper()
	o.Changes, o.Timeout = keep, cmp.Or(o.Timeout, 30*time.Second)
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return s
}

// inPrefixes opens each store at the same Redis under a prefix of its own.
func inPrefixes(url string) statetest.Open {
	var n atomic.Int64
	return func(t *testing.T) state.Store {
		return openAt(t, Options{URL: url, Prefix: fmt.Sprintf("test%d:", n.Add(1))})
	}
}

// ahead has the clock of the server go ahead: its own cannot be set.
func ahead(s state.Store, d time.Duration) { s.(*Store).ahead.Add(int64(d)) }

func TestServer(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy := proxied(t, server.Addr)
	statetest.Run(t, inPrefixes("redis://"+proxy.Addr), statetest.Clock(ahead), statetest.ChangeLog(keep), statetest.CutReply(proxy.cut))
}

func TestMiniredis(t *testing.T) {
	t.Parallel()
	open := func(t *testing.T) state.Store {
		mini := miniredis.RunT(t)
		mini.SetTime(time.Now().Truncate(time.Microsecond))
		s := openAt(t, Options{URL: "redis://" + mini.Addr()})
		s.client.AddHook(mayWrite{})
		return s
	}
	statetest.Run(t, open, statetest.Clock(ahead), statetest.ChangeLog(keep))
}

// mayWrite runs scripts that only read as if they might write: miniredis takes
// TIME for a command that writes.
type mayWrite struct{ once }

func (mayWrite) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		if name, ok := cmd.Args()[0].(string); ok {
			cmd.Args()[0] = strings.TrimSuffix(name, "_ro")
		}
		return next(ctx, cmd)
	}
}
