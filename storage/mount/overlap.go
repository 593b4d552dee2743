package mount

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A Folder is one of the machine's that the configuration names. Key is what
// the configuration calls it.
type Folder struct{ Key, Dir string }

// A Clash is a folder that cannot be mounted.
type Clash struct {
	Key string
	Why string
}

// Clashes finds mounted folders that overlap each other, and those that are or
// hold one of the private folders: the gateway's data and configuration. A mount
// inside a private folder is fine, as DATA/files is. Links and bind mounts are
// seen through; folders need not exist yet.
func Clashes(mounted, private []Folder) ([]Clash, error) {
	places := make(map[string][]identity)
	for _, f := range append(append([]Folder(nil), mounted...), private...) {
		way, err := ancestry(f.Dir)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Key, err)
		}
		places[f.Dir] = way
	}
	var clashes []Clash
	for i, f := range mounted {
		for _, other := range mounted[:i] {
			if holds(places[f.Dir], places[other.Dir]) || holds(places[other.Dir], places[f.Dir]) {
				clashes = append(clashes, Clash{f.Key, fmt.Sprintf("%s overlaps %s (%s)", f.Dir, other.Dir, other.Key)})
			}
		}
		for _, p := range private {
			if holds(places[f.Dir], places[p.Dir]) {
				clashes = append(clashes, Clash{f.Key, fmt.Sprintf("%s holds %s (%s)", f.Dir, p.Dir, p.Key)})
			}
		}
	}
	return clashes, nil
}

// An identity is a folder, whatever it is called: what the system says of the
// nearest one that exists, and the names that are still to be made below it.
type identity struct {
	info    os.FileInfo
	missing string
}

// ancestry is a folder and all those above it, itself first.
func ancestry(dir string) ([]identity, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	missing := ""
	for {
		real, err := filepath.EvalSymlinks(dir)
		if err == nil {
			return existing(real, missing)
		}
		if !errors.Is(err, fs.ErrNotExist) || dir == "/" {
			return nil, err
		}
		missing = filepath.Join("/", filepath.Base(dir), missing)
		dir = filepath.Dir(dir)
	}
}

func existing(dir, missing string) ([]identity, error) {
	var way []identity
	for {
		info, err := os.Stat(dir)
		if err != nil {
			return nil, err
		}
		for missing != "" {
			way = append(way, identity{info, missing})
			missing = strings.TrimSuffix(filepath.Dir(missing), "/")
		}
		way = append(way, identity{info, ""})
		if dir == "/" {
			return way, nil
		}
		dir = filepath.Dir(dir)
	}
}

// holds reports whether the folder that outer leads to is inner's or above it.
func holds(outer, inner []identity) bool {
	for _, i := range inner {
		if os.SameFile(outer[0].info, i.info) && outer[0].missing == i.missing {
			return true
		}
	}
	return false
}
