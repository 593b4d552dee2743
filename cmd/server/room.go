package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"gatehouse/admin"
	"gatehouse/storage/pause"
	"gatehouse/storage/state"
	"gatehouse/storage/state/redis"
)

const (
	// roomEvery is how often the servers of the store are asked for their memory.
	roomEvery = 5 * time.Second
	// From scarce on it is told that a server will be full, until less than ample is used.
	scarce = 0.80
	ample  = 0.75
)

// vital reports whether a change is made also where the memory of Redis is full: what
// keeps nodes alive and settles what dead ones left, what cuts the trail, and what
// somebody ends or bans. Each stands once for a node, a quota or a ban.
func vital(b state.Batch) bool {
	switch b.Scope {
	case "nodes", "nodes:work", "events", "quotas:open", "sessions:end":
		return true
	case "failures":
		return bans(b)
	}
	return false
}

// errFull is why a store of which the memory is used up takes nothing new.
var errFull = errors.New("the store is full: it takes nothing new until maxmemory is raised or something is deleted")

// room knows what the servers of the store use of their memory.
type room struct {
	ask func(context.Context) ([]redis.Memory, error)
	log *slog.Logger

	mu    sync.Mutex // guards what follows
	found []redis.Memory
	told  map[string]shortage // by server
}

// A shortage is how little memory is left.
type shortage int

const (
	plenty shortage = iota
	little
	none
)

func newRoom(ask func(context.Context) ([]redis.Memory, error), log *slog.Logger) *room {
	return &room{ask: ask, log: log, told: make(map[string]shortage)}
}

// watch looks now and then, until ctx ends.
func (r *room) watch(ctx context.Context) {
	r.look(ctx)
	pause.Every(ctx, roomEvery, func() { r.look(ctx) })
}

// look asks, and tells of each server once that it is short of memory, or no more.
// One that does not answer has told its last figures: that it is away others say.
func (r *room) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	found, err := r.ask(ctx)
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.found = found
	for _, m := range found {
		was := r.told[m.Server]
		now := shortageOf(m, was)
		r.told[m.Server] = now
		switch {
		case now == was:
		case now == none:
			r.log.Error("the store is full: it takes nothing new until maxmemory is raised or something is deleted", "server", m.Server, "used", m.Used, "maxmemory", m.Max)
		case now == little && was == plenty:
			r.log.Warn("the store is nearly full", "server", m.Server, "used", m.Used, "maxmemory", m.Max, "left", m.Left())
		case was == none:
			r.log.Info("the store has room again", "server", m.Server, "used", m.Used, "maxmemory", m.Max, "left", m.Left())
		}
	}
}

// shortageOf judges a server; what was told of it before keeps small changes quiet.
func shortageOf(m redis.Memory, was shortage) shortage {
	switch share := m.Share(); {
	case m.Full():
		return none
	case share >= scarce, was != plenty && share >= ample:
		return little
	}
	return plenty
}

// each shows what the servers said last.
func (r *room) each(show func(server string, used, most uint64)) {
	r.mu.Lock()
	found := r.found
	r.mu.Unlock()
	for _, m := range found {
		show(m.Server, m.Used, m.Max)
	}
}

// full is errFull where a server was full when it was last asked.
func (r *room) full() error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if slices.ContainsFunc(r.found, redis.Memory.Full) {
		return errFull
	}
	return nil
}

// checkRoom tells what memory the servers of the store have left.
func (g *gateway) checkRoom(ctx context.Context) []admin.Finding {
	if g.redis == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	servers, err := g.redis.Memory(ctx)
	if err != nil {
		return nil // that it does not answer is found already
	}
	var found []admin.Finding
	for _, m := range servers {
		found = append(found, roomFinding(m))
	}
	return found
}

func roomFinding(m redis.Memory) admin.Finding {
	const check, remedy = "store memory", "raise maxmemory, or keep events for fewer days: deleting accounts makes little room"
	if m.Max == 0 {
		return finding(check, levelWarning, "Redis at "+m.Server+" does not tell what memory it uses", "allow the gateway's user the command INFO")
	}
	detail := fmt.Sprintf("Redis at %s uses %s of %s, %s are left", m.Server, mebibytes(m.Used), mebibytes(m.Max), mebibytes(m.Left()))
	if m.Unbounded {
		detail += "; maxmemory is not set: that is what its machine has"
	}
	switch {
	case m.Full():
		return finding(check, levelProblem, detail+": it takes nothing new", remedy)
	case m.Share() >= scarce:
		return finding(check, levelWarning, detail, remedy)
	case m.Unbounded:
		return finding(check, levelOK, detail, "set maxmemory to less than the machine has: a full Redis then refuses, and is not killed")
	}
	return finding(check, levelOK, detail, "")
}

func mebibytes(n uint64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
