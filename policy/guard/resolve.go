package guard

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
)

// resolve follows the links on the way to p, in the tree, and returns where it
// really is, or with an error where the way ends. The last element need not
// exist. A way that leads out of the mount that holds the link, or in circles,
// leads nowhere: fs.ErrNotExist. ErrLink where somebody swaps links meanwhile.
func (t *Tree) resolve(ctx context.Context, p path.Path, how last) (path.Path, error) {
	w := walk{tree: t, ahead: slices.Collect(p.Names())}
	for len(w.ahead) > 0 {
		if how == keep && len(w.ahead) == 1 {
			return w.at.Join(w.ahead[0])
		}
		if err := w.step(ctx); err != nil {
			return w.at, err
		}
	}
	return w.at, nil
}

// A walk goes down the tree one name after the other. What is behind is free
// of links.
type walk struct {
	tree  *Tree
	at    path.Path
	ahead []string
	hops  int
}

func (w *walk) step(ctx context.Context) error {
	name := w.ahead[0]
	w.ahead = w.ahead[1:]
	if name == ".." {
		return w.up()
	}
	next, err := w.at.Join(name)
	if err != nil {
		return err
	}
	info, err := w.tree.store.Stat(ctx, next)
	if err == nil && info.IsLink() {
		err = w.link(ctx, next)
		if err != nil {
			w.at = next
		}
		return err
	}
	w.at = next
	switch {
	case errors.Is(err, fs.ErrNotExist) && len(w.ahead) == 0:
		return nil
	case errors.Is(err, backend.ErrNotDir), err == nil && !info.IsDir() && len(w.ahead) > 0:
		return fs.ErrNotExist
	}
	return err
}

// up climbs, but not out of the mount: below the machine's folder that it is,
// the tree and the machine do not agree on what stands above.
func (w *walk) up() error {
	m, _ := w.tree.mounts.Of(w.at)
	if w.at == m.Path {
		return fs.ErrNotExist
	}
	w.at = w.at.Dir()
	return nil
}

func (w *walk) link(ctx context.Context, p path.Path) error {
	if w.hops++; w.hops > maxHops {
		return fs.ErrNotExist
	}
	target, err := w.tree.store.Readlink(ctx, p)
	if errors.Is(err, fs.ErrInvalid) {
		return errSwapped
	}
	if err != nil {
		return err
	}
	names, ok := linkNames(target)
	if !ok || len(names)+len(w.ahead) > path.MaxLength {
		return fs.ErrNotExist
	}
	w.ahead = append(names, w.ahead...)
	return nil
}

// linkNames splits what a link on disk says. An absolute target is a path of
// the machine, which the tree knows nothing of.
func linkNames(target string) (names []string, ok bool) {
	if target == "" || strings.HasPrefix(target, "/") {
		return nil, false
	}
	for name := range strings.SplitSeq(target, "/") {
		if name != "" && name != "." {
			names = append(names, name)
		}
	}
	return names, true
}
