package watch

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/storage/state"
)

// A log that fails for a while is asked again; no change is left out.
func TestALogThatFailsIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hub Hub
		fails := 3
		changes := hub.Follow(t.Context(), "s", 0, func(_ context.Context, _ string, after uint64) (Piece, error) {
			if fails > 0 {
				fails--
				return Piece{}, errors.New("away")
			}
			if after == 2 {
				return Piece{Upto: 2}, nil
			}
			return Piece{Upto: after + 1, Changes: []state.Change{{Revision: after + 1}}}, nil
		})
		for want := uint64(1); want <= 2; want++ {
			if c := <-changes; c.Revision != want {
				t.Errorf("got %+v, want %d", c, want)
			}
		}
	})
}

func TestCloseEndsFollowers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hub Hub
		idle := hub.Follow(t.Context(), "s", 0, func(context.Context, string, uint64) (Piece, error) { return Piece{}, nil })
		busy := hub.Follow(t.Context(), "s", 0, func(_ context.Context, _ string, after uint64) (Piece, error) {
			return Piece{Upto: after + 1, Changes: make([]state.Change, 100)}, nil
		})
		failing := hub.Follow(t.Context(), "s", 0, func(context.Context, string, uint64) (Piece, error) {
			return Piece{}, errors.New("away")
		})
		synctest.Wait()
		hub.Close()
		for range busy { // what it had taken
		}
		for _, c := range []<-chan state.Change{idle, failing, hub.Follow(t.Context(), "s", 0, nil)} {
			if _, ok := <-c; ok {
				t.Error("a change after the end")
			}
		}
		hub.Close()
	})
}

func TestNotifyWakesOnlyItsScope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hub Hub
		ctx, cancel := context.WithCancel(t.Context())
		reads := make(map[string]int)
		for _, scope := range []string{"s", "t"} {
			hub.Follow(ctx, scope, 0, func(_ context.Context, scope string, _ uint64) (Piece, error) {
				reads[scope]++
				return Piece{}, nil
			})
			synctest.Wait()
		}
		for range 10 {
			hub.Notify("s")
			synctest.Wait()
		}
		time.Sleep(time.Hour)
		if reads["s"] != 11 || reads["t"] != 1 {
			t.Errorf("the logs were read %v times", reads)
		}
		cancel()
		synctest.Wait()
		if len(hub.waiting) != 0 {
			t.Errorf("%d scopes are kept", len(hub.waiting))
		}
	})
}
