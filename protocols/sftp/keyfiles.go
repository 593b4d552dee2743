package sftp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/crypto/ssh"
)

// rsaBits is the size of generated RSA keys, rsaLeast that of given ones.
const (
	rsaBits  = 3072
	rsaLeast = 2048
)

// Unfinished is what the file of a host key is called until it is whole and has its name.
const Unfinished = ".key-*"

// kinds are the host keys of a folder, the preferred one first.
var kinds = []struct {
	file     string
	generate func() (crypto.PrivateKey, error)
}{
	{"ssh_host_ed25519_key", func() (crypto.PrivateKey, error) {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}},
	{"ssh_host_ecdsa_key", func() (crypto.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }},
	{"ssh_host_rsa_key", func() (crypto.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, rsaBits) }},
}

// HostKeys reads the keys in files, in their order. Without files it is the keys
// of the folder dir, Ed25519, ECDSA and RSA: what is missing there is generated,
// never replacing a key that is there.
func HostKeys(dir string, files []string) ([]ssh.Signer, error) {
	if len(files) == 0 {
		return ownKeys(dir)
	}
	var keys []ssh.Signer
	for _, file := range files {
		key, err := readHostKey(file)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func ownKeys(dir string) ([]ssh.Signer, error) {
	var keys []ssh.Signer
	for _, kind := range kinds {
		file := filepath.Join(dir, kind.file)
		key, err := readHostKey(file)
		if errors.Is(err, fs.ErrNotExist) {
			if err := generate(file, kind.generate); err != nil {
				return nil, fmt.Errorf("generate the host key %s: %w", file, err)
			}
			key, err = readHostKey(file)
		}
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// readHostKey reads a private key in OpenSSH or PEM format. One that others can
// read is refused.
func readHostKey(file string) (ssh.Signer, error) {
	key, err := readKey(file)
	if err != nil {
		return nil, fmt.Errorf("read the host key %s: %w", file, err)
	}
	return key, nil
}

func readKey(file string) (ssh.Signer, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("others can read it (mode %04o): run chmod 600", info.Mode().Perm())
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return parseKey(text)
}

func parseKey(text []byte) (ssh.Signer, error) {
	key, err := ssh.ParsePrivateKey(text)
	var encrypted *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &encrypted):
		return nil, errors.New("it is encrypted: a host key has no passphrase")
	case err != nil:
		return nil, err
	}
	return key, strongEnough(key.PublicKey())
}

func strongEnough(key ssh.PublicKey) error {
	k, ok := key.(ssh.CryptoPublicKey)
	if !ok {
		return fmt.Errorf("a key of type %s cannot be a host key", key.Type())
	}
	if public, ok := k.CryptoPublicKey().(*rsa.PublicKey); ok && public.N.BitLen() < rsaLeast {
		return fmt.Errorf("an RSA key of %d bits is too weak, %d is the least", public.N.BitLen(), rsaLeast)
	}
	return nil
}

// generate writes a new key whole or not at all, and not over another.
func generate(file string, make func() (crypto.PrivateKey, error)) error {
	text, err := newKey(make)
	if err != nil {
		return err
	}
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, Unfinished) // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := writeSynced(f, text); err != nil {
		return err
	}
	if err := os.Link(f.Name(), file); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(dir)
}

// newKey returns a new key as a file has it.
func newKey(make func() (crypto.PrivateKey, error)) ([]byte, error) {
	key, err := make()
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(key, "gatehouse")
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(block), nil
}

func writeSynced(f *os.File, text []byte) error {
	_, err := f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Fingerprints returns those of keys, in their order, as people compare them:
// "SHA256:... (ssh-ed25519)".
func Fingerprints(keys []ssh.Signer) []string {
	list := make([]string, 0, len(keys))
	for _, key := range keys {
		list = append(list, ssh.FingerprintSHA256(key.PublicKey())+" ("+key.PublicKey().Type()+")")
	}
	return list
}
