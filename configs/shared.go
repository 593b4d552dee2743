package configs

import (
	"regexp"
	"time"
)

// Bounds of node.lease: a shorter one ends with each pause of the machine, a longer
// one keeps for too long what the dead held.
const (
	minLease = 2 * time.Second
	maxLease = 10 * time.Minute
)

// maxReplicas is the most that a change can wait for.
const maxReplicas = 16

func (v *validator) state(s State) {
	v.oneOf("state.kind", s.Kind, "bolt", "memory", Redis)
	v.oneOf("state.away", s.Away, "refuse", ReadOnly)
	v.oneOf("state.durability", s.Durability, "warn", "require")
	if s.WaitReplicas < 0 || s.WaitReplicas > maxReplicas {
		v.add("state.wait_replicas", "is %d; it takes 0 to %d", s.WaitReplicas, maxReplicas)
	}
	if s.WaitTimeout < time.Millisecond || s.WaitTimeout > time.Minute {
		v.add("state.wait_timeout", "takes a duration from 1ms to 1m")
	}
	if s.Kind == Redis {
		v.notEmpty("state.url", s.URL)
		v.notEmpty("state.prefix", s.Prefix)
		return
	}
	const alone = "is for state.kind redis alone"
	if s.WaitReplicas != 0 {
		v.add("state.wait_replicas", alone)
	}
	if s.WaitAOF {
		v.add("state.wait_aof", alone)
	}
	if s.Durability == "require" {
		v.add("state.durability", alone)
	}
}

// nodeNames go into keys of the store and into names of folders.
var nodeNames = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$`)

func (v *validator) node(n Node) {
	if n.Name != "" && !nodeNames.MatchString(n.Name) {
		v.add("node.name", "is %q; it takes up to 64 letters, digits, dots and dashes", n.Name)
	}
	if n.Lease < minLease || n.Lease > maxLease {
		v.add("node.lease", "takes a duration from %s to %s", minLease, maxLease)
	}
}
