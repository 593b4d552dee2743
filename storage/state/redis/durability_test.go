package redis

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gatehouse/storage/state"
	"gatehouse/storage/state/redis/redistest"
)

// What can be lost is said before it is: by a server that tells all, by one where
// CONFIG is refused, by one that tells nothing, and after a change.
func TestDurability(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	server.Do(t, "ACL", "SETUSER", "some", "on", ">secret", "~*", "&*", "+@all", "-config")
	server.Do(t, "ACL", "SETUSER", "none", "on", ">secret", "~*", "&*", "+@all", "-config", "-info")
	all := opened(t, Options{URL: server.URL()})
	some := opened(t, Options{URL: "redis://some:secret@" + server.Addr})
	none := opened(t, Options{URL: "redis://none:secret@" + server.Addr})
	all7, none7 := versionOf(t, all), versionOf(t, none)
	if !strings.Contains(all7, ".") || none7 != "" {
		t.Errorf("versions %q and %q", all7, none7)
	}
	wantDurability(t, all, Durability{server.Addr, all7, "yes", "always", "noeviction"})
	wantDurability(t, some, Durability{server.Addr, all7, "yes", "", "noeviction"}, "appendfsync cannot be told: want always")
	wantDurability(t, none, Durability{Server: server.Addr}, "appendonly cannot be told: want yes",
		"appendfsync cannot be told: want always", "maxmemory-policy cannot be told: want noeviction")

	server.Do(t, "CONFIG", "SET", "appendfsync", "everysec", "maxmemory-policy", "allkeys-lru")
	wantDurability(t, all, Durability{server.Addr, all7, "yes", "everysec", "allkeys-lru"},
		"appendfsync is everysec: want always", "maxmemory-policy is allkeys-lru: want noeviction")
	server.Do(t, "CONFIG", "SET", "appendonly", "no")
	wantDurability(t, some, Durability{server.Addr, all7, "no", "", "allkeys-lru"},
		"appendonly is no: want yes", "maxmemory-policy is allkeys-lru: want noeviction")

	server.Stop(t)
	if d, err := all.Durability(t.Context()); !errors.Is(err, state.ErrAway) {
		t.Errorf("of a server that is away: %+v, %v, want ErrAway", d, err)
	}
}

func versionOf(t *testing.T, s *Store) string {
	t.Helper()
	d, err := s.Durability(t.Context())
	if err != nil || len(d) != 1 {
		t.Fatal(d, err)
	}
	return d[0].Version
}

func wantDurability(t *testing.T, s *Store, want Durability, weak ...string) {
	t.Helper()
	got, err := s.Durability(t.Context())
	if err != nil || !reflect.DeepEqual(got, []Durability{want}) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
		return
	}
	if said := got[0].Weaknesses(); !slices.Equal(said, weak) {
		t.Errorf("%+v: says %q, want %q", want, said, weak)
	}
}
