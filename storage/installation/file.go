package installation

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// FileName is the file of a data folder that says which installation it serves.
const FileName = "installation"

// Unfinished is what such a file is called until it is whole.
const Unfinished = ".installation-*"

// Recall returns the installation that a data folder has served, "" for none.
func Recall(dir string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, FileName))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("recall the installation: %w", err)
	}
	id := strings.TrimSpace(string(text))
	if id == "" {
		return "", fmt.Errorf("recall the installation: %s is empty", filepath.Join(dir, FileName))
	}
	return id, nil
}

// Remember has a data folder serve this installation alone. It is durable, and
// whole at any moment.
func Remember(dir, id string) error {
	if err := remember(dir, id); err != nil {
		return fmt.Errorf("remember the installation: %w", err)
	}
	return nil
}

func remember(dir, id string) (err error) {
	f, err := os.CreateTemp(dir, Unfinished) // has mode 0600
	if err != nil {
		return err
	}
	_, err = f.WriteString(id + "\n")
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, FileName))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
