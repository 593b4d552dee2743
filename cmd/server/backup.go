package server

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"gatehouse/storage/backup"
	"gatehouse/storage/installation"
	"gatehouse/storage/quota"
	"gatehouse/storage/seal"
	"gatehouse/storage/state"
	"gatehouse/storage/state/bolt"
)

// keptFiles are the small files of the data folder that a backup holds, as
// patterns: keys, certificates, the node's name and that of its installation.
var keptFiles = []string{seal.FileName, nodeName, installation.FileName, "ssh_host_*", "self-signed.pem", "acme/*"}

// backup writes a hot snapshot: state, events, and the small files.
func (g *gateway) backup(ctx context.Context, w io.Writer, passphrase string) error {
	files, err := filesToKeep(g.data)
	if err != nil {
		return err
	}
	_, err = backup.Write(ctx, w, passphrase, backup.Source{State: g.state, Files: files, Program: g.options.Version})
	return err
}

func filesToKeep(data string) ([]backup.File, error) {
	var files []backup.File
	for _, pattern := range keptFiles {
		found, err := fs.Glob(os.DirFS(data), pattern)
		if err != nil {
			return nil, fmt.Errorf("look for %s: %w", pattern, err)
		}
		for _, name := range slices.Sorted(slices.Values(found)) {
			files = append(files, backup.File{Name: name, Path: filepath.Join(data, filepath.FromSlash(name))})
		}
	}
	return files, nil
}

// Restore brings a backup back into an empty data folder.
func Restore(ctx context.Context, file, data, passphrase string) error {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("open the backup: %w", err)
	}
	defer func() { _ = f.Close() }()
	_, err = backup.Restore(ctx, f, passphrase, data, func(dir string) (state.Store, error) {
		return bolt.Open(dir, bolt.Options{})
	}, quota.Doubt) // the files need not be those of the backup's moment
	return err
}
