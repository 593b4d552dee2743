package redis

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// moment is how long a call waits for another one to find out whether a server that
// was away is back.
const moment = 100 * time.Millisecond

// errOut refuses a call of which it is known how it would end.
var errOut = errors.New("redis: the server has not answered the last calls, and another one is finding out whether it does again")

// A reach knows whether a server can be reached. While it cannot, one call at a time
// finds out, and the others do not wait as long as that one. Its nil is of a server
// that is not known.
type reach struct {
	out   atomic.Bool
	mu    sync.Mutex    // guards what follows
	probe chan struct{} // closed when the call that finds out has ended; nil where none does
}

func nothing() {}

// enter lets a call through, or refuses it with errOut. Who has entered leaves.
func (r *reach) enter(ctx context.Context) (leave func(), err error) {
	if r == nil || !r.out.Load() {
		return nothing, nil
	}
	r.mu.Lock()
	other := r.probe
	if other == nil {
		mine := make(chan struct{})
		r.probe = mine
		r.mu.Unlock()
		return func() { r.found(mine) }, nil
	}
	r.mu.Unlock()
	late := time.NewTimer(moment)
	defer late.Stop()
	select {
	case <-other:
	case <-late.C:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if r.out.Load() {
		return nil, errOut
	}
	return nothing, nil
}

func (r *reach) found(probe chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.probe = nil
	close(probe)
}

// heard is told how a call has ended, and whether that took long.
func (r *reach) heard(err error, long bool) {
	switch {
	case r == nil:
	case answered(err):
		if r.out.Load() {
			r.out.Store(false)
		}
	case unreachable(err), long && late(err):
		r.out.Store(true)
	}
}

// answered reports that the server has said something, be it an error.
func answered(err error) bool {
	var answer goredis.Error
	return err == nil || errors.As(err, &answer)
}

// unreachable reports that there was nobody to ask.
func unreachable(err error) bool {
	var dial *net.OpError
	switch {
	case errors.As(err, &dial) && dial.Op == "dial":
		return true
	case strings.HasPrefix(err.Error(), "redis: all sentinels specified"), strings.HasPrefix(err.Error(), "redis: cluster has no nodes"):
		return true
	}
	return false
}

// late reports that an answer, or a connection to ask over, did not come in time.
func late(err error) bool {
	var unheard *lostError
	if errors.As(err, &unheard) {
		err = unheard.cause
	}
	var slow net.Error
	return errors.Is(err, goredis.ErrPoolTimeout) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &slow) && slow.Timeout()
}

// reaches are those of a Cluster's masters.
type reaches struct {
	known sync.Map // of *goredis.Client: *reach
}

// reachOf is that of the server which has a key; nil where it is not known.
func (s *Store) reachOf(ctx context.Context, key string) *reach {
	cluster, ok := s.client.(*goredis.ClusterClient)
	if !ok {
		return &s.reach
	}
	if key == "" {
		return nil
	}
	master, err := cluster.MasterForKey(ctx, key)
	if err != nil {
		return nil
	}
	if r, ok := s.reaches.known.Load(master); ok {
		return r.(*reach)
	}
	r, _ := s.reaches.known.LoadOrStore(master, new(reach))
	return r.(*reach)
}

// Away reports whether the server is known not to answer: nothing has been heard of it
// since a call could not reach it, or waited in vain. Of a Cluster all must be. It
// costs nothing, and asks nobody.
func (s *Store) Away() bool {
	if _, ok := s.client.(*goredis.ClusterClient); !ok {
		return s.reach.out.Load()
	}
	all, out := 0, 0
	s.reaches.known.Range(func(_, r any) bool {
		all++
		if r.(*reach).out.Load() {
			out++
		}
		return true
	})
	return all > 0 && out == all
}
