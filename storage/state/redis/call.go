package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"gatehouse/storage/pause"
	"gatehouse/storage/state"
)

// once keeps go-redis from calling again where it cannot know whether the call
// was made: the store does, which knows whether it may.
type once struct{}

// A lostError is an error after which a call may have been made. That go-redis
// cannot look through it is what ends its retries.
type lostError struct{ cause error }

func (e *lostError) Error() string { return e.cause.Error() }

// DialHook implements goredis.Hook.
func (once) DialHook(next goredis.DialHook) goredis.DialHook { return next }

// ProcessPipelineHook implements goredis.Hook. A call that was sent on by ASK goes
// behind ASKING, as a pipeline.
func (once) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []goredis.Cmder) error {
		err := next(ctx, cmds)
		if err == nil || len(cmds) == 0 || cmds[0].Name() != "asking" || judge(err) != lost {
			return err
		}
		err = &lostError{err}
		cmds[len(cmds)-1].SetErr(err)
		return err
	}
}

// ProcessHook implements goredis.Hook.
func (once) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		err := next(ctx, cmd)
		if err == nil || judge(err) != lost {
			return err
		}
		err = &lostError{err}
		cmd.SetErr(err)
		return err
	}
}

// A fate is what became of a call that failed.
type fate int

const (
	refused fate = iota // it was not made
	away                // nor was it, and may be when it is tried again
	barred              // nor was it, for what somebody has to put right
	full                // nor was it, for want of memory
	lost                // it may have been made
	bare                // it was made, and too few have it
)

// passing, lasting and wanting begin the errors of a server that takes nothing now.
var (
	passing = []string{"LOADING ", "READONLY ", "CLUSTERDOWN ", "TRYAGAIN ", "MASTERDOWN ", "BUSY ", "ERR max number of clients"}
	lasting = []string{"MISCONF ", "NOREPLICAS "}
	wanting = []string{"OOM "}
)

// judge tells the fate of a call from its error. go-redis returns that of a context as
// it is where it ended before anything was sent.
func judge(err error) fate {
	var answer goredis.Error
	switch {
	case errors.Is(err, errFewer):
		return bare
	case errors.Is(err, errMoved), errors.Is(err, errOut):
		return away
	case errors.As(err, &answer):
		return judgeAnswer(answer.Error())
	case errors.Is(err, goredis.ErrPoolTimeout), errors.Is(err, goredis.ErrClosed), unreachable(err):
		return away
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return away
	}
	return lost
}

func judgeAnswer(text string) fate {
	// Of a command within a script only the server's own words tell.
	text = strings.TrimPrefix(text, "ERR Error running script: ")
	begins := func(with string) bool { return strings.HasPrefix(text, with) }
	switch {
	case slices.ContainsFunc(passing, begins):
		return away
	case slices.ContainsFunc(lasting, begins):
		return barred
	case slices.ContainsFunc(wanting, begins):
		return full
	}
	return refused
}

// explained gives an error the sentinel of its fate.
func (f fate) explained(err error) error {
	if strings.HasPrefix(err.Error(), "MOVED ") {
		return fmt.Errorf("%w: the server is one of a Cluster, which the URL does not say (cluster=true): %w", state.ErrInvalid, err)
	}
	switch f {
	case refused, bare:
		return err
	case full:
		return fmt.Errorf("%w: %w", state.ErrFull, err)
	}
	return fmt.Errorf("%w: %w", state.ErrAway, err)
}

// pauses are those between the tries of a call.
var pauses = []time.Duration{10 * time.Millisecond, 50 * time.Millisecond, 250 * time.Millisecond}

// write makes a call that may have been made when its answer is lost. It is
// tried again, which its operation id makes harmless. Its answer is returned also
// with an error, where there is one.
func write[T any](ctx context.Context, s *Store, key string, call func(context.Context) (T, error)) (T, error) {
	reply, unsure, err := try(ctx, s, key, call)
	if unsure && err != nil && !errors.Is(err, goredis.Nil) {
		err = fmt.Errorf("%w: %w", state.ErrUnknown, err)
	}
	return reply, err
}

// read makes a call that changes nothing.
func read[T any](ctx context.Context, s *Store, key string, call func(context.Context) (T, error)) (T, error) {
	reply, _, err := try(ctx, s, key, call)
	return reply, err
}

// try makes a call to the server that has a key ("" for all servers), and again where
// that may help, all in the time that one call may take. Where it returns an error,
// unsure says that one of the tries may have been made.
func try[T any](ctx context.Context, s *Store, key string, call func(context.Context) (T, error)) (reply T, unsure bool, err error) {
	began := time.Now()
	r := s.reachOf(ctx, key)
	leave, err := r.enter(ctx)
	if err != nil {
		return reply, false, ended(ctx, judge(err).explained(err))
	}
	defer leave()
	within, cancel := context.WithDeadline(ctx, began.Add(s.patience()))
	defer cancel()
	for n := 0; ; n++ {
		reply, err = attempt(ctx, s, r, func() (T, error) { return call(within) })
		if err == nil || errors.Is(err, goredis.Nil) {
			return reply, false, err
		}
		f := judge(err)
		unsure = unsure || f == lost || f == bare
		again := (f == lost || f == away) && n < len(pauses) && time.Since(began) < s.options.Timeout
		if !again || pause.For(ctx, pauses[n]) != nil {
			return reply, unsure, ended(ctx, f.explained(err))
		}
		for _, client := range []goredis.UniversalClient{s.client, s.waiting} {
			if cluster, ok := client.(*goredis.ClusterClient); ok {
				cluster.ReloadState(ctx) // another may be the master by now
			}
		}
	}
}

// patience is how long a call may take, with its tries and what it waits for.
func (s *Store) patience() time.Duration {
	if s.waiting == nil {
		return s.options.Timeout
	}
	return s.options.Timeout + s.options.Wait.timeout()
}

// errLeft is that of a call whose caller has gone away: it may still be made.
var errLeft = errors.New("redis: nobody waits for the answer")

// attempt makes a call once, and returns as soon as ctx is cancelled, which go-redis
// does not look at while it waits for an answer. The call then goes on without its
// caller, to its own end, for which Close waits.
func attempt[T any](ctx context.Context, s *Store, r *reach, call func() (T, error)) (T, error) {
	heard := func() (T, error) {
		began := time.Now()
		reply, err := call()
		r.heard(err, time.Since(began) >= s.options.Timeout/2)
		return reply, err
	}
	if ctx.Done() == nil {
		return heard()
	}
	type answer struct {
		reply T
		err   error
	}
	done := make(chan answer, 1)
	s.calls.Add(1)
	go func() {
		defer s.calls.Done()
		reply, err := heard()
		done <- answer{reply, err}
	}()
	select {
	case got := <-done:
		return got.reply, got.err
	case <-ctx.Done():
	}
	if !errors.Is(ctx.Err(), context.Canceled) { // its deadline go-redis does look at
		got := <-done
		return got.reply, got.err
	}
	select {
	case got := <-done:
		return got.reply, got.err
	default:
		var none T
		return none, errLeft
	}
}

// ended adds that the caller's own time was over.
func ended(ctx context.Context, err error) error {
	if over := ctx.Err(); over != nil {
		return fmt.Errorf("%w: %w", over, err)
	}
	return err
}

// change runs a script that writes, under an operation id.
func (s *Store) change(ctx context.Context, script *goredis.Script, keys []string, args ...any) (any, error) {
	return write(ctx, s, keys[0], func(ctx context.Context) (any, error) {
		return script.Run(ctx, s.client, keys, s.args(args)...).Result()
	})
}

// ask runs a script that does not write.
func (s *Store) ask(ctx context.Context, script *goredis.Script, keys []string, args ...any) (any, error) {
	return read(ctx, s, keys[0], func(ctx context.Context) (any, error) {
		return script.RunRO(ctx, s.client, keys, s.args(args)...).Result()
	})
}

// args are those of a script, after what all scripts are given.
func (s *Store) args(args []any) []any { return append([]any{s.ahead.Load()}, args...) }

// field is the id of an operation as its scripts keep it. Where the caller has
// none it gets one, as a call may have to be tried again.
func field(kind string, id state.OperationID) string {
	if id == "" {
		id = state.NewOperationID()
	}
	return kind + string(id)
}

// errDamaged says that what Redis answers is not what was written there.
var errDamaged = errors.New("the state in Redis is damaged")

// texts reads a flat answer.
func texts(reply any) ([]string, error) {
	list, ok := reply.([]any)
	if !ok {
		return nil, fmt.Errorf("%w: an answer of the type %T", errDamaged, reply)
	}
	found := make([]string, len(list))
	for i, one := range list {
		switch one := one.(type) {
		case string:
			found[i] = one
		case int64:
			found[i] = fmt.Sprint(one)
		default:
			return nil, fmt.Errorf("%w: an answer with a %T", errDamaged, one)
		}
	}
	return found, nil
}
