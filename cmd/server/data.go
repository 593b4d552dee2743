package server

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gatehouse/configs"
	"gatehouse/protocols/sftp"
	"gatehouse/storage/installation"
	"gatehouse/storage/seal"
)

// Files of the data folder.
const (
	socketName   = "gatehouse.sock"
	passwordName = "initial-password"
	nodeName     = "node"
)

// Socket is where the local socket of a data folder stands.
func Socket(data string) string { return filepath.Join(data, socketName) }

// prepareData makes the data folder, for its owner alone.
func prepareData(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("look at the data folder: %w", err)
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return fmt.Errorf("the data folder %s is open to others and cannot be closed: %w", dir, err)
	}
	return nil
}

// unfinished are the names of files in a data folder that are not whole, or not yet
// under their own name.
var unfinished = []string{installation.Unfinished, seal.Unfinished, sftp.Unfinished}

// clearData removes what a kill has left of such files, keys among them. Nobody else
// makes any in a folder that is this gateway's.
func clearData(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		left := slices.ContainsFunc(unfinished, func(pattern string) bool { is, _ := filepath.Match(pattern, e.Name()); return is })
		if left && e.Type().IsRegular() {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	if err != nil {
		return fmt.Errorf("clear the data folder: %w", err)
	}
	return nil
}

// node returns this gateway's name among nodes: the configuration's, else one that
// is made once.
func node(conf *configs.Loaded) (string, error) {
	if conf.Node.Name != "" {
		return conf.Node.Name, nil
	}
	name := filepath.Join(conf.Data, nodeName)
	text, err := os.ReadFile(name)
	if err == nil && len(strings.TrimSpace(string(text))) > 0 {
		return strings.TrimSpace(string(text)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the node's name: %w", err)
	}
	made := hex.EncodeToString(randomBytes(6))
	if err := os.WriteFile(name, []byte(made+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keep the node's name: %w", err)
	}
	return made, nil
}

// epoch names this run of the node.
func epoch() string { return hex.EncodeToString(randomBytes(6)) }

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program first
	return b
}
