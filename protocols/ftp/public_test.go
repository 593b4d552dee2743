package ftp

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func TestPublicAddress(t *testing.T) {
	rules := []PublicAddress{
		{From: netip.MustParsePrefix("10.0.0.0/8"), Address: "10.1.1.1"},
		{From: netip.MustParsePrefix("2001:db8::/32"), Address: "2001:db8::2"},
		{Address: "203.0.113.9"},
	}
	for name, c := range map[string]struct {
		rules       []PublicAddress
		peer, local string
		want        string
	}{
		"none configured":             {nil, "192.0.2.7", "192.0.2.1", "192.0.2.1"},
		"mapped":                      {nil, "192.0.2.7", "::ffff:192.0.2.1", "192.0.2.1"},
		"PASV cannot speak of IPv6":   {nil, "2001:db9::7", "2001:db9::1", ""},
		"for a network":               {rules, "10.2.3.4", "10.0.0.1", "10.1.1.1"},
		"for everyone else":           {rules, "192.0.2.7", "192.0.2.1", "203.0.113.9"},
		"nor be told an IPv6 address": {rules, "2001:db8::7", "192.0.2.1", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPublicAddresses(c.rules, nil)
			got, err := p.of(t.Context(), netip.MustParseAddr(c.peer), netip.MustParseAddr(c.local))
			if c.want == "" {
				if !errors.Is(err, errNotIPv4) {
					t.Errorf("got %v, %v, want errNotIPv4", got, err)
				}
				return
			}
			if err != nil || got.String() != c.want {
				t.Errorf("got %v, %v, want %s", got, err, c.want)
			}
		})
	}
}

// A name is asked for at most once a minute, and what it led to is good while
// the name service is away.
func TestPublicName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, answer := 0, error(nil)
		p := newPublicAddresses([]PublicAddress{{Address: "ftp.example.org"}}, func(_ context.Context, network, host string) ([]netip.Addr, error) {
			asked++
			if network != "ip4" || host != "ftp.example.org" {
				t.Errorf("asked for %s %s", network, host)
			}
			return []netip.Addr{netip.MustParseAddr("203.0.113.9")}, answer
		})
		ask := func() (netip.Addr, error) {
			return p.of(t.Context(), netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("192.0.2.1"))
		}
		answer = errors.New("away")
		if _, err := ask(); err == nil {
			t.Error("a name that never led anywhere has an address")
		}
		answer = nil
		for range 3 {
			if got, err := ask(); err != nil || got.String() != "203.0.113.9" {
				t.Errorf("got %v, %v", got, err)
			}
		}
		if asked != 2 {
			t.Errorf("asked %d times, want twice", asked)
		}
		time.Sleep(lookUpKeep)
		answer = errors.New("away")
		if got, err := ask(); err != nil || got.String() != "203.0.113.9" {
			t.Errorf("with the name service away: %v, %v", got, err)
		}
		if asked != 3 {
			t.Errorf("asked %d times, want 3 times", asked)
		}
	})
}
