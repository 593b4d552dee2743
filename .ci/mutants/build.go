package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// A builder makes test binaries with mutants in them.
type builder struct {
	dir     string
	target  target
	mutants []mutant

	once   sync.Once
	suites []binary
	err    error
}

// kill names the test that fails with the mutant, "" where it survives.
func (b *builder) kill(all binary, i int, timeout time.Duration) (string, error) {
	if b.mutants[i].fixed {
		own, err := b.build(b.target.dir, i)
		if err != nil {
			return "", err
		}
		own.slow, own.took = all.slow, all.took
		return own.run(-1, timeout)
	}
	killer, err := all.run(i, timeout)
	if killer != "" || err != nil || equivalent[b.mutants[i].key()] != "" {
		return killer, err
	}
	b.once.Do(func() {
		for _, s := range b.target.suites {
			suite, err := b.build(s, -1)
			if err == nil {
				suite, err = suite.sound(timeout)
			}
			b.suites, b.err = append(b.suites, suite), errors.Join(b.err, err)
		}
	})
	if b.err != nil {
		return "", b.err
	}
	for _, suite := range b.suites {
		if killer, err := suite.run(i, timeout); killer != "" || err != nil {
			return killer, err
		}
	}
	return "", nil
}

// build builds the tests of a package with a fixed mutant, or without.
func (b *builder) build(pkg string, fixed int) (binary, error) {
	dir, err := os.MkdirTemp(b.dir, "build")
	if err != nil {
		return binary{}, err
	}
	replace := make(map[string]string)
	put := func(at string, text []byte) error {
		abs, err := filepath.Abs(at)
		replace[abs] = filepath.Join(dir, filepath.Base(at))
		return errors.Join(err, os.WriteFile(replace[abs], text, 0o600))
	}
	var files []string
	for _, m := range b.mutants {
		if !slices.Contains(files, m.file) {
			files = append(files, m.file)
		}
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			return binary{}, err
		}
		if err := put(file, b.change(file, source, fixed)); err != nil {
			return binary{}, err
		}
	}
	if err := put(filepath.Join(b.target.dir, "mutants.go"), []byte("package "+filepath.Base(b.target.dir)+helpers)); err != nil {
		return binary{}, err
	}
	overlay := filepath.Join(dir, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err := errors.Join(err, os.WriteFile(overlay, text, 0o600)); err != nil {
		return binary{}, err
	}
	file := filepath.Join(dir, "tests")
	cmd := exec.Command("go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", file, "./"+filepath.Clean(pkg))
	if out, err := cmd.CombinedOutput(); err != nil {
		return binary{}, fmt.Errorf("build the mutants of %s: %w\n%s", b.target.dir, err, out)
	}
	err = os.CopyFS(filepath.Join(dir, "testdata"), os.DirFS(filepath.Join(pkg, "testdata")))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return binary{}, err
	}
	return binary{file: file, dir: dir}, nil
}

// helpers say in a package with mutants which one lives.
const helpers = `

import "os"

var mutantAlive = os.Getenv("MUTANT")

func mutant(n string) bool { return mutantAlive == n }

func mutantNone[T any](n string, v T) T {
	if mutant(n) {
		var none T
		return none
	}
	return v
}
`

// change wraps what is mutated in a file, outer before inner.
func (b *builder) change(file string, source []byte, fixed int) []byte {
	type edit struct {
		at, length int
		text       string
		order      [2]int // among those at the same place
	}
	var edits []edit
	for i, m := range b.mutants {
		number := fmt.Sprintf("%q", fmt.Sprint(i))
		switch {
		case m.file != file || m.fixed && i != fixed:
		case m.fixed:
			edits = append(edits, edit{m.from, m.to - m.from, m.before, [2]int{0, 0}})
		default:
			edits = append(edits,
				edit{m.from, 0, strings.ReplaceAll(m.before, "#", number), [2]int{-m.to, i}},
				edit{m.to, 0, strings.ReplaceAll(m.after, "#", number), [2]int{-m.from - 1<<30, -i}})
		}
	}
	slices.SortStableFunc(edits, func(x, y edit) int {
		return cmp.Or(cmp.Compare(x.at, y.at), cmp.Compare(x.order[0], y.order[0]), cmp.Compare(x.order[1], y.order[1]))
	})
	var out bytes.Buffer
	at := 0
	for _, e := range edits {
		out.Write(source[at:e.at])
		out.WriteString(e.text)
		at = e.at + e.length
	}
	out.Write(source[at:])
	return out.Bytes()
}
