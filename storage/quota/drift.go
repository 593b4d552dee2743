package quota

import (
	"context"
	"errors"
	"hash/fnv"
	"io/fs"
	"slices"
	"time"

	"gatehouse/policy/path"
	"gatehouse/storage/pause"
)

// A Check is what a scheduled count of a folder has found: what its quota said,
// and what was stored. Where the two differ something was changed behind the
// gateway's back, and the quota has been set right.
type Check struct {
	Folder         path.Path
	Booked, Stored Amount
	// Err says why nothing was found; ErrBusy where the folder was never quiet.
	Err error
}

// Drift is by how much more was stored than the quota said.
func (c Check) Drift() Amount {
	return Amount{Bytes: c.Stored.Bytes - c.Booked.Bytes, Files: c.Stored.Files - c.Booked.Files}
}

const (
	checkRound = time.Minute // how often the ledger looks what is due
	checkTries = 3           // walks before a folder that changes is left to the next time
	// A check waits while a quota is in use anywhere, but no longer than this.
	checkPatience = time.Hour
)

// CheckEvery counts the folder of each quota once in so long a time, one after
// the other and while nothing else goes on, and tells done of each. A quota's
// turn goes by the clock and its id, so that a restart puts off none of them. It
// works until the ledger is closed.
func (l *Ledger) CheckEvery(every time.Duration, done func(Check)) {
	l.spawn(func() {
		last := time.Now()
		for pause.For(l.ctx, min(checkRound, every)) == nil {
			now := time.Now()
			for _, p := range l.dueBetween(last, now, every) {
				l.checkNow(p, done)
			}
			last = now
		}
	})
}

func (l *Ledger) checkNow(p *pool, done func(Check)) {
	if l.calm() != nil {
		return
	}
	c := l.check(l.ctx, p)
	if l.ctx.Err() != nil || p.ended() {
		return
	}
	l.activate(p)
	done(c)
}

// dueBetween returns the quotas whose turn came after one moment and not after
// the other.
func (l *Ledger) dueBetween(after, until time.Time, every time.Duration) []*pool {
	var due []*pool
	for _, p := range l.within(path.Root) {
		h := fnv.New64a()
		_, _ = h.Write([]byte(p.id))
		own := time.Duration(h.Sum64() % uint64(every))
		if after.Add(-own).Truncate(every) != until.Add(-own).Truncate(every) {
			due = append(due, p)
		}
	}
	slices.SortFunc(due, func(a, b *pool) int { return a.folder.Compare(b.folder) })
	return due
}

// calm waits until no quota was in use for a while. A gateway that is never at
// rest is checked all the same.
func (l *Ledger) calm() error {
	for end := time.Now().Add(checkPatience); l.inUse() && time.Now().Before(end); {
		if err := pause.For(l.ctx, round); err != nil {
			return err
		}
	}
	return l.ctx.Err()
}

func (l *Ledger) inUse() bool {
	return slices.ContainsFunc(l.busy(), func(p *pool) bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return time.Since(p.used) < 2*round
	})
}

// check counts a folder, and sets its quota right where it says something else.
func (l *Ledger) check(ctx context.Context, p *pool) Check {
	c := Check{Folder: p.folder}
	if c.Err = lock(ctx, p.counting); c.Err != nil {
		return c
	}
	defer unlock(p.counting)
	wait := shortWait
	for range checkTries {
		var began view
		if began, c.Err = p.begin(ctx); c.Err != nil {
			return c
		}
		c.Stored, c.Err = l.walk(ctx, p.folder)
		if errors.Is(c.Err, fs.ErrNotExist) {
			c.Stored, c.Err = Amount{}, nil
		}
		if c.Err != nil {
			return c
		}
		var done bool
		if c.Booked, done, c.Err = p.compare(ctx, began, c.Stored); done || c.Err != nil {
			return c
		}
		if c.Err = pause.For(ctx, wait); c.Err != nil {
			return c
		}
		wait *= 4
	}
	c.Err = ErrBusy
	return c
}

// compare returns what is booked, which is what was found from then on. It is not
// done where something happened since the walk began, or is under way: then
// nobody knows what the two should be.
func (p *pool) compare(ctx context.Context, began view, found Amount) (booked Amount, done bool, err error) {
	if err := lock(ctx, p.op); err != nil {
		return booked, false, err
	}
	defer unlock(p.op)
	for _, f := range p.figures() {
		if err := p.resolve(ctx, f); err != nil {
			return booked, false, err
		}
		if err := p.look(ctx, f); err != nil {
			return booked, false, err
		}
	}
	var now *others
	if began.others != nil {
		if now, err = p.around(ctx); err != nil {
			return booked, false, err
		}
	}
	p.mu.Lock()
	booked = Amount{Bytes: p.bytes.present(), Files: p.files.present()}
	quiet := p.quiet(began, now) && p.touches == 0
	known := p.counted && !p.gone && !p.bytes.others && !p.files.others && p.due.IsZero()
	p.mu.Unlock()
	switch {
	case !quiet || !known:
		return booked, false, nil
	case booked == found:
		return booked, true, nil
	}
	entered, err := p.enter(ctx, began, found, false)
	return booked, entered != open, err
}
