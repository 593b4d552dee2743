package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// writeWhole writes a file that is there whole and durable, or not at all. Nobody
// but its owner can read it.
func writeWhole(name string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".gatehouse-*") // 0600
	if err != nil {
		return err
	}
	if err := fill(f, write); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if err := syncFolder(filepath.Dir(name)); err != nil {
		return fmt.Errorf("%s is written, but a loss of power may take it away again: %w", name, err)
	}
	return nil
}

// fill writes, syncs and closes a file.
func fill(f *os.File, write func(io.Writer) error) error {
	out := bufio.NewWriter(f)
	err := write(out)
	if err == nil {
		err = out.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncFolder makes the names in a folder durable.
func syncFolder(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// absent refuses a file that would be overwritten; instead says what to do then.
func absent(name, instead string) error {
	if _, err := os.Lstat(name); err == nil {
		return fmt.Errorf("%s is there already: %s", name, instead)
	}
	return nil
}

// exposed names the file that out goes to, where others can read it: a shell has
// made it, with the rights that files have usually.
func exposed(out io.Writer) (warnings []string) {
	f, ok := out.(*os.File)
	if !ok {
		return nil
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	return []string{fmt.Sprintf("the secrets go to a file that others can read (mode %04o): take its rights away, or use --output FILE", info.Mode().Perm())}
}
