package scp

import (
	"context"
	"errors"
	"io"
	gopath "path"
	"strings"

	"gatehouse/policy/path"
	"gatehouse/protocols/sftp/words"
)

// Bounds of what a pattern may stand for, and of the folders that the patterns
// of one command may look into.
const (
	maxMatches  = 10_000
	maxListings = 1_000
)

// expand returns the paths that a word stands for. A pattern that nothing matches
// stands for itself, as in a shell.
func (t *transfer) expand(ctx context.Context, w words.Word) ([]path.Path, error) {
	literal, err := parsePath(w)
	if w.Pattern == "" || err != nil {
		return []path.Path{literal}, err
	}
	found, joined := []path.Path{path.Root}, false
	for element := range strings.SplitSeq(w.Pattern, "/") {
		if element == "" || element == "." {
			continue
		}
		if found, err = t.below(ctx, found, element); err != nil {
			return nil, err
		}
		joined = !patterned(element)
	}
	if joined {
		found, err = t.present(ctx, found)
	}
	if len(found) == 0 {
		return []path.Path{literal}, err
	}
	return found, err
}

// below returns what one element of a pattern stands for in folders, each once.
// Folders are not listed for a name that is written out: to go through them, and
// not to list them, is what it takes.
func (t *transfer) below(ctx context.Context, folders []path.Path, element string) ([]path.Path, error) {
	if len(element) > path.MaxName {
		return nil, path.ErrTooLong
	}
	var found []path.Path
	seen := map[path.Path]bool{}
	for _, folder := range folders {
		matches, err := t.inFolder(ctx, folder, element)
		if err != nil {
			return nil, err
		}
		for _, p := range matches {
			if !seen[p] {
				seen[p] = true
				found = append(found, p)
			}
		}
		if len(found) > maxMatches {
			return nil, errMany
		}
	}
	return found, nil
}

func (t *transfer) inFolder(ctx context.Context, folder path.Path, element string) ([]path.Path, error) {
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case element == "..":
		return []path.Path{folder.Dir()}, nil
	case patterned(element):
		return t.matches(ctx, folder, element)
	}
	p, err := folder.Join(unescape(element))
	if err != nil {
		return nil, nil // no path could have it
	}
	return []path.Path{p}, nil
}

// patterned reports whether an element of a pattern is more than a name.
func patterned(element string) bool {
	for i := 0; i < len(element); i++ {
		switch element[i] {
		case '\\':
			i++
		case '*', '?', '[':
			return true
		}
	}
	return false
}

// unescape is the name that an element of a pattern is which is no more than that.
func unescape(element string) string {
	var b strings.Builder
	for i := 0; i < len(element); i++ {
		if element[i] == '\\' && i+1 < len(element) {
			i++
		}
		b.WriteByte(element[i])
	}
	return b.String()
}

// present are the paths at which there is something.
func (t *transfer) present(ctx context.Context, paths []path.Path) ([]path.Path, error) {
	var found []path.Path
	for _, p := range paths {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if _, err := t.FS.Lstat(ctx, p); err == nil {
			found = append(found, p)
		}
	}
	return found, nil
}

// matches lists the names of a folder that match; names that begin with a dot
// only where the pattern does. What cannot be listed has none.
func (t *transfer) matches(ctx context.Context, folder path.Path, pattern string) ([]path.Path, error) {
	if _, err := gopath.Match(pattern, ""); err != nil {
		return nil, nil
	}
	if t.listings++; t.listings > maxListings {
		return nil, errFolders
	}
	dir, err := t.FS.List(ctx, folder)
	if err != nil {
		return nil, nil
	}
	defer t.let(dir)
	var found []path.Path
	for {
		infos, err := dir.Next(membersAtOnce)
		for _, info := range infos {
			hidden := strings.HasPrefix(info.Name(), ".") && !strings.HasPrefix(pattern, ".")
			if ok, _ := gopath.Match(pattern, info.Name()); !ok || hidden {
				continue
			}
			if p, err := folder.Join(info.Name()); err == nil {
				found = append(found, p)
			}
			if len(found) > maxMatches {
				return nil, errMany
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return found, nil
		case err != nil:
			return found, err
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		}
	}
}
