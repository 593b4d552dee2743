package sftp

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/crypto/ssh"
)

// SharedHostKeys are the keys of nodes that clients take for one server: Ed25519,
// ECDSA and RSA. once returns what is kept for all nodes under a name; where
// nothing is, it is what the given function returns, of several nodes that of one.
// A key that is in the folder dir, from a time when this node was alone, is the
// first that all have; where all have another it is not looked at.
func SharedHostKeys(dir string, once func(name string, fill func() ([]byte, error)) ([]byte, error)) ([]ssh.Signer, error) {
	var keys []ssh.Signer
	for _, kind := range kinds {
		text, err := once(kind.file, func() ([]byte, error) {
			file := filepath.Join(dir, kind.file)
			if _, err := readHostKey(file); !errors.Is(err, fs.ErrNotExist) {
				if err != nil {
					return nil, err
				}
				return os.ReadFile(file)
			}
			return newKey(kind.generate)
		})
		if err != nil {
			return nil, fmt.Errorf("share the host key %s: %w", kind.file, err)
		}
		key, err := parseKey(text)
		if err != nil {
			return nil, fmt.Errorf("read the shared host key %s: %w", kind.file, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}
