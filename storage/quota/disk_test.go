package quota_test

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"gatehouse/policy/path"
	"gatehouse/storage/quota"
	"gatehouse/storage/state"
)

func p(s string) path.Path { return path.MustParse(s) }

// disk is files by their paths, which are written to through a ledger as the
// guard does it.
type disk struct {
	mu    sync.Mutex
	files map[path.Path]int64
	walks atomic.Int32
	// between is called between two files of a walk.
	between func()
	failing error // what a walk ends with
}

// fail has walks end with an error.
func (d *disk) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failing = err
}

func newDisk() *disk {
	return &disk{files: make(map[path.Path]int64), between: runtime.Gosched}
}

// walk counts file by file, so that what changes meanwhile is seen or not.
func (d *disk) walk(ctx context.Context, folder path.Path) (quota.Amount, error) {
	d.walks.Add(1)
	d.mu.Lock()
	names, failing := slices.SortedFunc(maps.Keys(d.files), path.Path.Compare), d.failing
	d.mu.Unlock()
	var found quota.Amount
	if failing != nil {
		return found, failing
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return found, err
		}
		d.mu.Lock()
		between := d.between
		d.mu.Unlock()
		between()
		d.mu.Lock()
		size, ok := d.files[name]
		d.mu.Unlock()
		if ok && folder.Contains(name) {
			found.Bytes += size
			found.Files++
		}
	}
	if found.Files == 0 {
		return found, fs.ErrNotExist
	}
	return found, nil
}

// pace has a walk call f between two files.
func (d *disk) pace(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.between = f
}

func (d *disk) total(folder path.Path) quota.Amount {
	d.mu.Lock()
	defer d.mu.Unlock()
	var found quota.Amount
	for name, size := range d.files {
		if folder.Contains(name) {
			found.Bytes += size
			found.Files++
		}
	}
	return found
}

// write makes a file, or lets one grow.
func (d *disk) write(ctx context.Context, l *quota.Ledger, name path.Path, n int64) error {
	d.mu.Lock()
	_, there := d.files[name]
	d.mu.Unlock()
	grow := quota.Amount{Bytes: n}
	if !there {
		grow.Files = 1
	}
	r, err := l.Reserve(ctx, name, grow)
	if err != nil {
		return err
	}
	runtime.Gosched()
	d.mu.Lock()
	d.files[name] += n
	d.mu.Unlock()
	runtime.Gosched()
	r.Commit(grow)
	return nil
}

// stream lets a file grow by what there is room for.
func (d *disk) stream(ctx context.Context, l *quota.Ledger, name path.Path, least, most int64) (int64, error) {
	r, err := l.ReserveBytes(ctx, name, least, most)
	if err != nil {
		return 0, err
	}
	n := r.Granted().Bytes
	d.mu.Lock()
	d.files[name] += n
	d.mu.Unlock()
	r.Commit(quota.Amount{Bytes: n})
	return n, nil
}

func (d *disk) remove(ctx context.Context, l *quota.Ledger, name path.Path) error {
	done, err := l.Touch(ctx, name)
	if err != nil {
		return err
	}
	defer done()
	d.mu.Lock()
	size, ok := d.files[name]
	delete(d.files, name)
	d.mu.Unlock()
	if !ok {
		return nil
	}
	runtime.Gosched()
	return l.Release(ctx, name, quota.Amount{Bytes: size, Files: 1})
}

// move renames a tree without quotas in it.
func (d *disk) move(ctx context.Context, l *quota.Ledger, from, to path.Path) error {
	done, err := l.Touch(ctx, from, to)
	if err != nil {
		return err
	}
	defer done()
	held := d.total(from)
	r, err := l.Move(ctx, from, to, held)
	if err != nil {
		return err
	}
	d.mu.Lock()
	for name, size := range maps.Clone(d.files) {
		if rel, ok := from.Rel(name); ok {
			delete(d.files, name)
			d.files[to.Append(rel)] = size
		}
	}
	d.mu.Unlock()
	r.Commit(held)
	return nil
}

// put makes files without asking anybody.
func (d *disk) put(names ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, name := range names {
		d.files[p(name)] = 10
	}
}

// audited is a store that looks, after each operation on a counter, whether
// used and leased together are within the limit. Where a limit is lowered below
// them only growth is refused.
type audited struct {
	state.Store
	writes atomic.Int64 // operations on counters that are no look
	over   atomic.Int64
	marks  atomic.Int64 // notes written and taken away
	// fault decides on an operation: before it (not done) or after it (done,
	// and the reply lost).
	fault atomic.Pointer[func() (before, after error)]
}

// fail lets operations fail as f says; nil lets none.
func (a *audited) fail(f func() (before, after error)) {
	if f == nil {
		a.fault.Store(nil)
		return
	}
	a.fault.Store(&f)
}

func (a *audited) Apply(ctx context.Context, b state.Batch) (state.Result, error) {
	if b.Scope == "quotas:open" {
		a.marks.Add(1)
	}
	return a.Store.Apply(ctx, b)
}

func (a *audited) Count(ctx context.Context, scope string, op state.CounterOp) (state.CounterValue, error) {
	lease, ok := op.(state.Lease)
	look := ok && lease.Commit == 0 && lease.Release == 0 && !lease.ReleaseAll && lease.Want == 0 && lease.SetLimit == nil && lease.SetUsed == nil
	if !look {
		a.writes.Add(1)
	}
	var before, after error
	if fault := a.fault.Load(); fault != nil {
		before, after = (*fault)()
	}
	if before != nil {
		return state.CounterValue{}, before
	}
	v, err := a.Store.Count(ctx, scope, op)
	if ok && v.Granted > 0 && v.Limit >= 0 && v.Used+v.Leased > v.Limit {
		a.over.Add(1)
	}
	if after != nil {
		return state.CounterValue{}, after
	}
	return v, err
}

func open(t testing.TB, s state.Store, epoch string, d *disk) *quota.Ledger {
	t.Helper()
	return ledger(t, s, "node", epoch, d.walk)
}

// another opens the ledger of another node.
func another(t testing.TB, s state.Store, d *disk) *quota.Ledger {
	t.Helper()
	l := ledger(t, s, "another", "1", d.walk)
	l.Share(quota.Sharing{})
	return l
}

// ledger opens a ledger that counts with walk, and closes it in the end.
func ledger(t testing.TB, s state.Store, node, epoch string, walk quota.Walker) *quota.Ledger {
	t.Helper()
	l, err := quota.New(t.Context(), s, node, epoch, walk)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeLedger(t, l) })
	return l
}

func closeLedger(t testing.TB, l *quota.Ledger) {
	t.Helper()
	if err := l.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Errorf("close: %v", err)
	}
}

func set(t testing.TB, l *quota.Ledger, folder string, bytes, files int64) {
	t.Helper()
	limit := quota.Limit{Folder: p(folder), Amount: quota.Amount{Bytes: bytes, Files: files}}
	if err := l.Set(t.Context(), limit); err != nil {
		t.Fatalf("set the quota of %s: %v", folder, err)
	}
}

func get(t testing.TB, l *quota.Ledger, folder string) quota.Usage {
	t.Helper()
	u, ok, err := l.Get(t.Context(), p(folder))
	if err != nil || !ok {
		t.Fatalf("quota of %s: %v, %v", folder, ok, err)
	}
	return u
}

func wantUsed(t testing.TB, l *quota.Ledger, folder string, want quota.Amount) {
	t.Helper()
	if u := get(t, l, folder); u.Used != want {
		t.Errorf("%s: used %+v, want %+v", folder, u.Used, want)
	}
}

// leases returns what is leased of all quotas, by anybody.
func leases(t testing.TB, s state.Store) int64 {
	t.Helper()
	var all int64
	scopes, err := s.Scopes(t.Context(), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, scope := range scopes {
		if !strings.HasPrefix(scope, "quota:") {
			continue
		}
		for _, name := range []string{"bytes", "files"} {
			v, err := s.Count(t.Context(), scope, state.Lease{Name: name, Holder: "test"})
			if err != nil {
				t.Fatal(err)
			}
			all += v.Leased
		}
	}
	return all
}

func wantExceeded(t testing.TB, err error, folder string) *quota.ExceededError {
	t.Helper()
	var full *quota.ExceededError
	if !errors.As(err, &full) || !errors.Is(err, quota.ErrExceeded) || full.Folder != p(folder) {
		t.Fatalf("got %v, want the quota of %s exceeded", err, folder)
	}
	return full
}
