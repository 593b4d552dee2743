package quota

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gatehouse/policy/path"
	"gatehouse/storage/pause"
	"gatehouse/storage/state"
)

// learn takes in a record of this revision, which this node or another wrote. The
// folder is held in l.setting.
func (l *Ledger) learn(folder path.Path, r record, revision uint64) *pool {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.byID[r.ID]
	if p == nil {
		p = l.newPool(folder, r.ID)
		l.place(p)
	}
	p.know(r, revision)
	return p
}

// place puts a quota on its folder, instead of a former one. l.mu is held.
func (l *Ledger) place(p *pool) {
	if old := l.folders.at(p.folder); old != nil {
		l.end(old)
	}
	l.byID[p.id] = p
	l.folders.put(p.folder, p)
	l.version++
}

func (p *pool) know(r record, revision uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit, p.counted, p.owner, p.at = Amount{Bytes: r.Bytes, Files: r.Files}, r.Counted, r.Owner, revision
}

// forget takes a quota out, which then is no more. Its folder is held in l.setting.
func (l *Ledger) forget(p *pool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.folders.remove(p.folder)
	l.version++
	l.end(p)
}

// end says that a quota is no more. l.mu is held.
func (l *Ledger) end(p *pool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gone = true
	delete(l.byID, p.id)
	delete(l.active, p)
}

// readAll takes in every record, while nobody else works with the ledger.
func (l *Ledger) readAll(ctx context.Context) error {
	return each(ctx, l.store, scope, recordPrefix+"/", func(r state.Record) error {
		folder, ok := folderOf(r.Name)
		if !ok {
			return nil
		}
		got, err := decode(r)
		if err != nil {
			return err
		}
		l.learn(folder, got, r.Revision)
		return nil
	})
}

// reread takes in anew what is recorded, and what is known and may be no more.
func (l *Ledger) reread() error {
	due := make(map[path.Path]bool)
	err := each(l.ctx, l.store, scope, recordPrefix+"/", func(r state.Record) error {
		if folder, ok := folderOf(r.Name); ok {
			due[folder] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, p := range l.within(path.Root) {
		due[p.folder] = true
	}
	for folder := range due {
		if _, err := l.relearn(folder); err != nil {
			return err
		}
	}
	return nil
}

// readMarks notes what dead epochs of this node left in openScope, and Doubt.
func (l *Ledger) readMarks(ctx context.Context) error {
	return each(ctx, l.store, openScope, "", func(r state.Record) error {
		id, holder, _ := strings.Cut(r.Name, "/")
		if holder == doubted || strings.HasPrefix(holder, l.node+"/") && holder != l.node+"/"+l.epoch {
			l.marks[id] = append(l.marks[id], r.Name)
		}
		return nil
	})
}

func (l *Ledger) takeMarks(id string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	marks := l.marks[id]
	delete(l.marks, id)
	return marks
}

// follow takes in what other nodes and the administration change, until the
// ledger is closed. Where it loses the thread it reads everything anew.
func (l *Ledger) follow(changes <-chan state.Change) {
	for {
		for c := range changes {
			l.change(c)
		}
		if pause.For(l.ctx, round) != nil {
			return
		}
		changes = l.rejoin()
	}
}

// rejoin reads all quotas anew and follows from there; a nil channel's place is
// taken by one that yields nothing, where the store is away.
func (l *Ledger) rejoin() <-chan state.Change {
	none := make(chan state.Change)
	close(none)
	revision, err := l.store.Revision(l.ctx, scope)
	if err != nil {
		return none
	}
	if err := l.reread(); err != nil {
		return none
	}
	changes, err := l.store.Watch(l.ctx, scope, revision)
	if err != nil {
		return none
	}
	return changes
}

func (l *Ledger) change(c state.Change) {
	if c.Resync {
		_ = l.reread() // what is missed now the next change tells
		return
	}
	if rest, ok := strings.CutPrefix(c.Name, reclaimPrefix); ok {
		if id, holder, _ := strings.Cut(rest, "/"); holder != l.node+"/"+l.epoch {
			l.yield(id)
		}
		return
	}
	folder, ok := folderOf(c.Name)
	if !ok {
		return
	}
	switch p, err := l.relearn(folder); {
	case err != nil || p == nil: // what cannot be read now the next change tells
	case p.ended():
		_ = p.clear(l.ctx) // once more: it may have come back by this node's hand
	default:
		_ = l.enforce(l.ctx, p) // what fails here is made later
	}
}

// relearn takes in what a folder's record says now, and returns the quota that
// it says something of. Nobody here changes it between the reading and the
// taking in.
func (l *Ledger) relearn(folder path.Path) (*pool, error) {
	unlock, err := l.setting.Lock(l.ctx, folder)
	if err != nil {
		return nil, err
	}
	defer unlock()
	now, r, err := l.read(l.ctx, folder)
	if err != nil {
		return nil, err
	}
	if now != 0 {
		return l.learn(folder, r, now), nil
	}
	l.mu.RLock()
	p := l.folders.at(folder)
	l.mu.RUnlock()
	if p != nil {
		l.forget(p)
	}
	return p, nil
}

// reclaims is how often a node that is short of room looks whether the others, whom it
// has asked, gave some back.
const reclaims = 8

// contended reports that other nodes hold leases of a figure, or may have freed what is
// not booked yet.
func (p *pool) contended(ctx context.Context, f *figure) (bool, error) {
	p.mu.Lock()
	contended := f.others
	p.mu.Unlock()
	if contended || p.share.Load() == nil {
		return contended, nil
	}
	err := each(ctx, p.store, openScope, p.id+"/", func(r state.Record) error {
		_, holder, _ := strings.Cut(r.Name, "/")
		contended = contended || holder != doubted && holder != closedMark && holder != p.holder
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("look who has freed something below %s: %w: %w", p.folder, ErrAway, err)
	}
	return contended, nil
}

// reclaim asks the other nodes to give back what they do not use, and waits a
// little for it.
func (p *pool) reclaim(ctx context.Context, try int) error {
	if try%2 == 0 { // what was given back somebody else may have taken
		_, err := p.store.Apply(ctx, state.Batch{Scope: scope, ID: state.NewOperationID(), Puts: []state.Put{
			{Name: reclaimPrefix + p.id + "/" + p.holder, Value: []byte{}, TTL: time.Minute},
		}})
		if err != nil {
			return fmt.Errorf("ask the other nodes for room below %s: %w", p.folder, err)
		}
	}
	return pause.For(ctx, time.Duration(try+1)*5*time.Millisecond)
}

// yield gives back what is leased of a quota and not handed out, where another
// node asked for it. What cannot be given back now is at the end of the lease's use.
func (l *Ledger) yield(id string) {
	l.mu.RLock()
	p := l.byID[id]
	l.mu.RUnlock()
	if p == nil {
		return
	}
	l.spawn(func() {
		if before := l.yielding.Load(); before != nil {
			(*before)()
		}
		_, _ = p.flush(l.ctx, true)
	})
}
