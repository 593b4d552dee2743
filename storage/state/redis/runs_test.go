package redis

import (
	"testing"
	"time"

	"gatehouse/storage/state"
	"gatehouse/storage/state/redis/redistest"
)

// A run is remembered for long enough, and not for ever: names come and go. What was
// forgotten is known again with the next append.
func TestRunsAreForgotten(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := opened(t, Options{URL: server.URL()})
	run := state.InRun(t.Context(), state.Run{Name: "n", Number: 7})
	for range 2 {
		if _, err := s.Append(run, "log", "", []byte("e")); err != nil {
			t.Fatal(err)
		}
		key := s.keys.key("log", "w:n")
		left, err := s.client.PTTL(t.Context(), key).Result()
		if err != nil || left > state.RunLife || left < state.RunLife-time.Hour {
			t.Errorf("it is remembered for %v, %v, want %v", left, err, state.RunLife)
		}
		if n, err := s.client.Del(t.Context(), key).Result(); err != nil || n != 1 {
			t.Fatalf("%d keys, %v", n, err)
		}
	}
}
