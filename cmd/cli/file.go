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
func writeWhole(name string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), ".gatehouse-*") // 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}()
	out := bufio.NewWriter(f)
	if err = write(out); err != nil {
		return err
	}
	if err = out.Flush(); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), name); err != nil {
		return err
	}
	return f.Close()
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
