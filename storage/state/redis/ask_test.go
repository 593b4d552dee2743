package redis

import (
	"context"
	"errors"
	"io"
	"testing"

	goredis "github.com/redis/go-redis/v9"
)

// While a slot moves, a call goes behind ASKING; its answer gets lost. The client
// of a Cluster must not try again by itself: that the call may have been made
// would not be known.
func TestLostBehindAsking(t *testing.T) {
	lose := func(context.Context, []goredis.Cmder) error { return io.EOF }
	call := goredis.NewCmd(t.Context(), "evalsha")
	err := once{}.ProcessPipelineHook(lose)(t.Context(), []goredis.Cmder{goredis.NewCmd(t.Context(), "asking"), call})
	if errors.Is(err, io.EOF) || judge(err) != lost || judge(call.Err()) != lost {
		t.Errorf("%v (the call: %v) is tried again", err, call.Err())
	}
	err = once{}.ProcessPipelineHook(lose)(t.Context(), []goredis.Cmder{call})
	if !errors.Is(err, io.EOF) {
		t.Errorf("another pipeline ends in %v", err)
	}
}
