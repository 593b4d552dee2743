package auth

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/protocols/places"
)

// A flood from one network must not make another wait behind all of it.
func TestSlotsServeNetworksInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(1, time.Hour)
		flood, other := places.Network(netip.MustParseAddr("192.0.2.1")), places.Network(netip.MustParseAddr("198.51.100.1"))
		if err := s.acquire(t.Context(), flood); err != nil {
			t.Fatal(err)
		}
		var order []string
		enter := func(from netip.Prefix, name string) {
			go func() {
				if err := s.acquire(t.Context(), from); err != nil {
					t.Error(err)
				}
				order = append(order, name)
				time.Sleep(time.Second)
				s.release()
			}()
			synctest.Wait()
		}
		for i := range 5 {
			enter(flood, fmt.Sprint("flood", i))
		}
		enter(other, "other")
		s.release()
		time.Sleep(time.Minute)
		synctest.Wait()
		if want := "flood0 other flood1 flood2 flood3 flood4"; strings.Join(order, " ") != want {
			t.Errorf("got %v, want %v", order, want)
		}
		if s.free != 1 || s.waiting != 0 || len(s.queues) != 0 || len(s.turn) != 0 {
			t.Errorf("slots are lost: %d free, %d waiting", s.free, s.waiting)
		}
	})
}

func TestSlotsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(1, 10*time.Second)
		from := places.Network(home)
		if err := s.acquire(t.Context(), from); err != nil {
			t.Fatal(err)
		}
		var busy, gone atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		for i := range maxWaitingNetwork {
			go func() {
				use := ctx
				if i > 0 {
					use = t.Context()
				}
				switch err := s.acquire(use, from); {
				case errors.Is(err, ErrBusy):
					busy.Add(1)
				case errors.Is(err, context.Canceled):
					gone.Add(1)
				default:
					t.Errorf("got %v", err)
				}
			}()
		}
		synctest.Wait()
		if err := s.acquire(t.Context(), from); !errors.Is(err, ErrBusy) {
			t.Errorf("got %v for one more of the network, want busy", err)
		}
		cancel()
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if gone.Load() != 1 || busy.Load() != maxWaitingNetwork-1 {
			t.Errorf("got %d gone and %d busy, want 1 and %d", gone.Load(), busy.Load(), maxWaitingNetwork-1)
		}
		s.release()
		if s.free != 1 || s.waiting != 0 || len(s.queues) != 0 {
			t.Errorf("slots are lost: %d free, %d waiting, %d queues", s.free, s.waiting, len(s.queues))
		}
	})
}
