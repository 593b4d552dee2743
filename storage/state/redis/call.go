package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

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
	full                // nor was it, for what somebody has to put right
	lost                // it may have been made
	bare                // it was made, and too few have it
)

// passing and lasting begin the errors of a server that takes nothing now.
var (
	passing = []string{"LOADING ", "READONLY ", "CLUSTERDOWN ", "TRYAGAIN ", "MASTERDOWN ", "BUSY ", "ERR max number of clients"}
	lasting = []string{"OOM ", "MISCONF ", "NOREPLICAS "}
)

// judge tells the fate of a call from its error.
func judge(err error) fate {
	var answer goredis.Error
	var dial *net.OpError
	switch {
	case errors.Is(err, errFewer):
		return bare
	case errors.Is(err, errMoved):
		return away
	case errors.As(err, &answer):
		return judgeAnswer(answer.Error())
	case errors.As(err, &dial) && dial.Op == "dial", errors.Is(err, goredis.ErrPoolTimeout), errors.Is(err, goredis.ErrClosed):
		return away
	case strings.HasPrefix(err.Error(), "redis: all sentinels specified"), strings.HasPrefix(err.Error(), "redis: cluster has no nodes"):
		return away
	}
	return lost
}

func judgeAnswer(text string) fate {
	// Of a command within a script only the server's own words tell.
	text = strings.TrimPrefix(text, "ERR Error running script: ")
	for _, begin := range passing {
		if strings.HasPrefix(text, begin) {
			return away
		}
	}
	for _, begin := range lasting {
		if strings.HasPrefix(text, begin) {
			return full
		}
	}
	return refused
}

// explained gives an error the sentinel of its fate.
func (f fate) explained(err error) error {
	if strings.HasPrefix(err.Error(), "MOVED ") {
		return fmt.Errorf("%w: the server is one of a Cluster, which the URL does not say (cluster=true): %w", state.ErrInvalid, err)
	}
	if f == refused || f == bare {
		return err
	}
	return fmt.Errorf("%w: %w", state.ErrAway, err)
}

// Pauses between the tries of a call.
var pauses = []time.Duration{10 * time.Millisecond, 50 * time.Millisecond, 250 * time.Millisecond}

// write makes a call that may have been made when its answer is lost. It is
// tried again, which its operation id makes harmless.
func (s *Store) write(ctx context.Context, call func() error) error {
	unsure, err := s.try(ctx, call)
	switch {
	case err == nil || errors.Is(err, goredis.Nil):
		return err
	case unsure:
		return fmt.Errorf("%w: %w", state.ErrUnknown, err)
	}
	return err
}

// read makes a call that changes nothing.
func (s *Store) read(ctx context.Context, call func() error) error {
	_, err := s.try(ctx, call)
	return err
}

// try makes a call, and again where that may help. Where it returns an error,
// unsure says that one of the tries may have been made.
func (s *Store) try(ctx context.Context, call func() error) (unsure bool, err error) {
	began := time.Now()
	for n := 0; ; n++ {
		err = call()
		if err == nil || errors.Is(err, goredis.Nil) {
			return false, err
		}
		f := judge(err)
		unsure = unsure || f == lost || f == bare
		again := (f == lost || f == away) && n < len(pauses) && time.Since(began) < s.options.Timeout
		if !again || !pause(ctx, pauses[n]) {
			return unsure, ended(ctx, f.explained(err))
		}
		for _, client := range []goredis.UniversalClient{s.client, s.waiting} {
			if cluster, ok := client.(*goredis.ClusterClient); ok {
				cluster.ReloadState(ctx) // another may be the master by now
			}
		}
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
func (s *Store) change(ctx context.Context, script *goredis.Script, keys []string, args ...any) (reply any, err error) {
	err = s.write(ctx, func() error {
		reply, err = script.Run(ctx, s.client, keys, s.args(args)...).Result()
		return err
	})
	return reply, err
}

// ask runs a script that does not write.
func (s *Store) ask(ctx context.Context, script *goredis.Script, keys []string, args ...any) (reply any, err error) {
	err = s.read(ctx, func() error {
		reply, err = script.RunRO(ctx, s.client, keys, s.args(args)...).Result()
		return err
	})
	return reply, err
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
