// Package staging makes an upload appear whole or not at all. It stages in one
// reserved folder per mount, .gatehouse/staging/NODE-EPOCH, which is never
// listed, reachable or counted; a node removes the folders of dead epochs only.
package staging

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"sync/atomic"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/mount"
)

// Errors of Create, Folder, Commit, Over, Move, PutAside, Restore and Drop.
var (
	// ErrTooMany says that as much is staged as may be; later there is room again.
	ErrTooMany = errors.New("too many uploads are staged")
	// ErrNotDurable says that the upload stands in its place, but may not after
	// a loss of power.
	ErrNotDurable = errors.New("the upload is in place but may not be on disk")
	// ErrClosed says that the upload was committed or discarded before.
	ErrClosed = errors.New("the upload has ended")
)

// An Area stages uploads to every mount of a tree. Safe for concurrent use.
type Area struct {
	table  *mount.Table
	name   string // of this node in this epoch
	free   atomic.Int64
	serial atomic.Uint64
	left   []error
}

// New prepares staging for this node in this epoch, and clears away what the
// node's former epochs left behind: what had been put aside for an operation
// that was never finished comes back. No node uses an epoch twice. maxFiles bounds how many uploads are staged at
// once. Other nodes' folders are left alone; see Reap.
func New(ctx context.Context, t *mount.Table, node, epoch string, maxFiles int) (*Area, error) {
	name, err := folderName(node, epoch)
	if err != nil {
		return nil, err
	}
	a := &Area{table: t, name: name}
	a.free.Store(int64(maxFiles))
	for _, m := range t.Mounts() {
		if err := a.reap(ctx, m, func(n, _ string) bool { return n == node }); err != nil {
			a.left = append(a.left, fmt.Errorf("clear staging on the mount %s: %w", m.Path, err))
		}
		if err := prepare(ctx, m, name); err != nil {
			return nil, fmt.Errorf("prepare staging on the mount %s: %w", m.Path, err)
		}
	}
	return a, nil
}

// Left tells what New and Alone could not clear away. It is in nobody's way, and the
// next start tries again.
func (a *Area) Left() []error { return a.left }

// Reap clears away what a dead epoch of another node left behind. That it is
// dead is the caller's to know.
func (a *Area) Reap(ctx context.Context, node, epoch string) error {
	name, err := folderName(node, epoch)
	if err != nil {
		return err
	}
	if name == a.name {
		return errors.New("reap staging: that is this node in its present epoch")
	}
	var errs []error
	for _, m := range a.table.Mounts() {
		errs = append(errs, a.reap(ctx, m, func(n, e string) bool { return n == node && e == epoch }))
	}
	return errors.Join(errs...)
}

// Alone clears away what all other nodes left behind, where none is at work any more.
// That it is so is the caller's to know.
func (a *Area) Alone(ctx context.Context) {
	for _, m := range a.table.Mounts() {
		if err := a.reap(ctx, m, func(n, e string) bool { return n+"-"+e != a.name }); err != nil {
			a.left = append(a.left, fmt.Errorf("clear what other nodes staged on the mount %s: %w", m.Path, err))
		}
	}
}

// folderName is NODE-EPOCH. An epoch has no hyphen, so that it can be told
// where the node's name, which may have some, ends.
func folderName(node, epoch string) (string, error) {
	name := node + "-" + epoch
	if node == "" || epoch == "" || strings.Contains(epoch, "-") || path.ValidName(name) != nil {
		return "", fmt.Errorf("staging: %q and %q cannot name a node and its epoch", node, epoch)
	}
	return name, nil
}

// top is where all nodes stage, as a mount's backend knows it.
var top = path.MustParse("/" + mount.Reserved + "/staging")

// folder is where this node does.
func (a *Area) folder() path.Path { return top.Append(path.MustParse(a.name)) }

// private is the mode of the gateway's own folders.
const private fs.FileMode = 0o700

func prepare(ctx context.Context, m mount.Mount, name string) error {
	mode := private
	for _, p := range []path.Path{top.Dir(), top, top.Append(path.MustParse(name))} {
		err := m.Backend.Mkdir(ctx, p)
		if err == nil && m.Durable() {
			err = m.Backend.Sync(ctx, p.Dir())
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := m.Backend.SetAttr(ctx, p, backend.Attr{Mode: &mode}); err != nil {
			return err
		}
	}
	return nil
}

// next is a new name in this node's folder.
func (a *Area) next(kind string) path.Path {
	return a.folder().Append(path.MustParse(strconv.FormatUint(a.serial.Add(1), 36) + kind))
}

// making does what makes something in this node's folder. Where somebody on
// the machine has removed that, it is made again.
func (a *Area) making(ctx context.Context, m mount.Mount, do func() error) error {
	err := do()
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := prepare(ctx, m, a.name); err != nil {
		return err
	}
	return do()
}
