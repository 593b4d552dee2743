package server

import (
	"strings"
	"testing"
	"time"

	"gatehouse/configs"
	"gatehouse/storage/nodes"
	"gatehouse/storage/state/redis"
)

// Each thing that is wrong among nodes is one finding, which says whom it is about.
func TestDoctorLooksAfterNodes(t *testing.T) {
	now := time.Now()
	good := nodes.Node{Node: "a", Address: "one", Version: "1", LastBeat: now, Ahead: -50 * time.Millisecond, Self: true}
	for name, c := range map[string]struct {
		list []nodes.Node
		held bool
		want []string // level and a piece of the detail, in order
	}{
		"two that live": {[]nodes.Node{good, {Node: "b", Address: "two", Version: "1", LastBeat: now}}, true, []string{"ok 2: a at one; b at two"}},
		"cut off":       {[]nodes.Node{good}, false, []string{"problem has not heard of this node"}},
		"one died":      {[]nodes.Node{good, {Node: "b", Address: "two", Version: "1", Dead: now}}, true, []string{"warning b at two died"}},
		"one is silent": {[]nodes.Node{good, {Node: "b", Address: "two", Version: "1"}}, true, []string{"warning b at two has not been heard of"}},
		"clocks": {[]nodes.Node{good, {Node: "b", Address: "two", Version: "1", LastBeat: now, Ahead: time.Minute},
			{Node: "c", Address: "three", Version: "1", LastBeat: now, Ahead: -3 * time.Second}}, true,
			[]string{"problem that of b at two is 1m0s ahead of", "problem that of c at three is 3s behind"}},
		"an update": {[]nodes.Node{good, {Node: "b", Address: "two", Version: "2", LastBeat: now}}, true, []string{"warning different versions: 1, 2"}},
	} {
		found := nodeFindings(c.list, c.held)
		if len(found) != len(c.want) {
			t.Errorf("%s: %+v, want %d", name, found, len(c.want))
			continue
		}
		for i, want := range c.want {
			level, detail, _ := strings.Cut(want, " ")
			if found[i].Level != level || !strings.Contains(found[i].Detail, detail) {
				t.Errorf("%s: %+v, want %s", name, found[i], want)
			}
		}
	}
}

// What Redis can lose is a finding: a problem where it is more than the last second.
func TestDoctorLooksAfterTheStore(t *testing.T) {
	for _, c := range []struct {
		d     redis.Durability
		level string
	}{
		{redis.Durability{Server: "s", Version: "7.0.15", AppendOnly: "yes", Fsync: "always", Policy: "noeviction"}, levelOK},
		{redis.Durability{Server: "s", AppendOnly: "yes", Fsync: "everysec", Policy: "noeviction"}, levelWarning},
		{redis.Durability{Server: "s", AppendOnly: "no", Fsync: "everysec", Policy: "noeviction"}, levelProblem},
		{redis.Durability{Server: "s", AppendOnly: "yes", Fsync: "always", Policy: "allkeys-lru"}, levelProblem},
		{redis.Durability{Server: "s"}, levelWarning},
	} {
		got := storeFinding(c.d, &configs.Loaded{Config: configs.Default()})
		if got.Level != c.level || !strings.Contains(got.Detail, c.d.Version+" at s") || (got.Remedy == "") != (c.level == levelOK) {
			t.Errorf("%+v: %+v, want %s", c.d, got, c.level)
		}
	}
	alone := &gateway{core: &core{}}
	if found := append(alone.checkNodes(t.Context()), alone.checkStore(t.Context())...); len(found) > 0 {
		t.Errorf("a gateway alone has %+v", found)
	}
}
