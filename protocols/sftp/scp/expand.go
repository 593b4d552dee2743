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

// maxMatches bounds what a pattern may stand for.
const maxMatches = 10_000

// expand returns the paths that a word stands for. A pattern that nothing matches
// stands for itself, as in a shell.
func (t *transfer) expand(ctx context.Context, w words.Word) ([]path.Path, error) {
	literal, err := parsePath(w)
	if w.Pattern == "" {
		return []path.Path{literal}, err
	}
	found := []path.Path{path.Root}
	for element := range strings.SplitSeq(w.Pattern, "/") {
		if found, err = t.below(ctx, found, element); err != nil {
			return nil, err
		}
	}
	if len(found) == 0 {
		return []path.Path{literal}, nil
	}
	return found, nil
}

// below returns what matches one element of a pattern in folders.
func (t *transfer) below(ctx context.Context, folders []path.Path, element string) ([]path.Path, error) {
	var found []path.Path
	for _, folder := range folders {
		switch {
		case element == "" || element == ".":
			found = append(found, folder)
		case element == "..":
			found = append(found, folder.Dir())
		default:
			matches, err := t.matches(ctx, folder, element)
			if err != nil {
				return nil, err
			}
			found = append(found, matches...)
		}
		if len(found) > maxMatches {
			return nil, errMany
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
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return found, err
		}
	}
}
