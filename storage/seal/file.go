package seal

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// FileName is the key's name in the data folder.
const FileName = "secret.key"

// Unfinished is what a file of keys is called until it is whole and has its name.
const Unfinished = ".key-*"

// prefix begins each line of a key file: the present key, then older ones.
const prefix = "gatehouse-key-1 "

// Load reads a key file. One that others than its owner can read or write is
// refused; what is missing is fs.ErrNotExist.
func Load(path string) (*Sealer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the sealing key: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("look at the sealing key: %w", err)
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("the sealing key %s is not a regular file", path)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("the sealing key %s can be reached by others (mode %04o): chmod 600 it", path, info.Mode().Perm())
	case info.Size() > 64<<10:
		return nil, fmt.Errorf("%s is too long for a sealing key", path)
	}
	text := make([]byte, info.Size())
	if _, err := f.ReadAt(text, 0); err != nil {
		return nil, fmt.Errorf("read the sealing key: %w", err)
	}
	return parse(path, string(text))
}

// LoadOrMake reads a key file, which it makes, durable and whole, where it is missing.
func LoadOrMake(path string) (*Sealer, error) {
	s, err := Load(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	if err := makeFile(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make the sealing key: %w", err)
	}
	return Load(path)
}

func parse(path, text string) (*Sealer, error) {
	var keys [][]byte
	for line := range strings.Lines(text) {
		encoded, ok := strings.CutPrefix(strings.TrimSpace(line), prefix)
		if !ok {
			return nil, fmt.Errorf("%s is not a file of sealing keys", path)
		}
		k, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil || len(k) != KeySize {
			return nil, fmt.Errorf("a key in %s is damaged", path)
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("there is no key in %s", path)
	}
	return New(keys[0], keys[1:]...)
}

// makeFile writes a new key beside and links it in, so that of two who make it
// one wins and nobody ever sees a part; fs.ErrExist for the other.
func makeFile(path string) (err error) {
	root := make([]byte, KeySize)
	rand.Read(root) // never fails: it ends the program where the system has no randomness
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, Unfinished) // has mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.WriteString(prefix + base64.StdEncoding.EncodeToString(root) + "\n")
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
