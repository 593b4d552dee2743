package quota

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"gatehouse/policy/path"
	"gatehouse/storage/state"
)

// glance is how long a new quota waits for its folder to be counted before its
// record stands.
const glance = 50 * time.Millisecond

// found makes a quota where there is none. Where this node is alone, what was
// counted at once is in force before the record stands, which then says so; a
// folder that takes longer, or changes meanwhile, has no limit until it is
// counted. The folder is held in l.setting.
func (l *Ledger) found(ctx context.Context, limit Limit) (*pool, error) {
	r := record{ID: newID(), Bytes: limit.Bytes, Files: limit.Files, Owner: limit.Owner}
	p := l.newPool(limit.Folder, r.ID)
	p.bare = true
	p.know(r, 0)
	l.mu.Lock()
	l.place(p) // from here on the ledger sees what happens in the folder
	l.mu.Unlock()
	err := l.writeNew(ctx, p, r)
	if err == nil {
		return p, nil
	}
	l.forget(p)
	if errors.Is(err, state.ErrConflict) {
		_ = p.clear(ctx) // nobody refers to them
	}
	return nil, err
}

func (l *Ledger) writeNew(ctx context.Context, p *pool, r record) error {
	began := p.beginAlone()
	found, counted, err := l.glance(ctx, p.folder)
	if err != nil {
		return err
	}
	if err := lock(ctx, p.op); err != nil {
		return err
	}
	defer unlock(p.op)
	if counted && p.isBare() {
		done, err := p.enter(ctx, began, found, false)
		if err != nil {
			return err
		}
		if r.Counted = done != open; r.Counted {
			p.made()
		}
	}
	if err := p.prepare(ctx); err != nil {
		return err
	}
	_, err = l.write(ctx, p.folder, r, 0)
	return err
}

// glance counts a folder that is counted at once; counted is false of any other,
// and where another node may write to it, which knows nothing of the quota yet.
// A disk that does not answer holds nobody up.
func (l *Ledger) glance(ctx context.Context, folder path.Path) (found Amount, counted bool, err error) {
	if !l.alone() {
		return Amount{}, false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, glance)
	defer cancel()
	done := make(chan error, 1)
	var got Amount
	begun := l.spawn(func() {
		var err error
		got, err = l.walk(ctx, folder)
		done <- err
	})
	if !begun {
		return Amount{}, false, errClosed
	}
	select {
	case err := <-done:
		if errors.Is(err, fs.ErrNotExist) {
			return Amount{}, true, nil
		}
		return got, err == nil, nil
	case <-ctx.Done():
		return Amount{}, false, nil
	}
}

// prepare makes the counters of a quota that has none: without limit until it is
// counted. p.op is held.
func (p *pool) prepare(ctx context.Context) error {
	if !p.isBare() {
		return nil
	}
	unlimited := int64(Unlimited)
	err := p.both(func(f *figure) error {
		_, err := p.count(ctx, state.Lease{ID: state.NewOperationID(), Name: f.name, SetLimit: &unlimited})
		return err
	})
	if err != nil {
		return err
	}
	p.made()
	return nil
}

func (p *pool) isBare() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bare
}

// made notes that the quota has its counters.
func (p *pool) made() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bare = false
}
