package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// firstName is the first administrator's.
const firstName = "admin"

// firstAdmin makes the account admin while there is none of that role. A password
// from the environment need not be changed; a generated one must be, and secret
// says where it is. It is kept before the account is made: a gateway that is
// killed in between must not leave an account whose password nobody knows.
func (g *gateway) firstAdmin(ctx context.Context) (secret string, err error) {
	admins, _, err := g.accounts.List(ctx, accounts.Query{Role: policy.RoleAdmin, Limit: 1})
	if err != nil || len(admins) > 0 {
		return "", err
	}
	password, err := adminPassword(g.options.Getenv)
	if err != nil {
		return "", err
	}
	mustChange := password == ""
	if mustChange {
		password = strings.ToLower(rand.Text())
		if secret, err = g.passwordText(password); err != nil {
			return "", err
		}
	}
	a := accounts.Account{}
	a.Name, a.Role = firstName, policy.RoleAdmin
	_, err = g.sessions.CreateAccount(ctx, a, password, mustChange, true)
	if errors.Is(err, accounts.ErrExists) {
		return "", errors.Join(g.anotherWasFaster(ctx, err), g.dropPassword(mustChange))
	}
	if err != nil {
		return "", fmt.Errorf("make the first administrator: %w", err)
	}
	return secret, nil
}

// anotherWasFaster is no error where another node, which was started at the same
// time, has made the first administrator.
func (g *gateway) anotherWasFaster(ctx context.Context, taken error) error {
	admins, _, err := g.accounts.List(ctx, accounts.Query{Role: policy.RoleAdmin, Limit: 1})
	if err == nil && len(admins) == 0 {
		err = fmt.Errorf("make the first administrator: %w", taken)
	}
	return err
}

// dropPassword takes out a password that was made, and opens nothing.
func (g *gateway) dropPassword(made bool) error {
	if !made {
		return nil
	}
	if err := os.Remove(filepath.Join(g.data, passwordName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("take out a password that opens nothing: %w", err)
	}
	return nil
}

// keepPassword writes a generated password for its owner alone.
func keepPassword(dir, password string) (name string, err error) {
	name = filepath.Join(dir, passwordName)
	defer func() {
		if err != nil {
			err = fmt.Errorf("keep the first administrator's password: %w", err)
		}
	}()
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(password + "\n")
	return name, errors.Join(err, f.Sync(), f.Close())
}

// adminPassword reads the password that the environment sets for the first
// administrator, or the file that it names.
func adminPassword(getenv func(string) string) (string, error) {
	if name := getenv("GATEHOUSE_ADMIN_PASSWORD_FILE"); name != "" {
		text, err := os.ReadFile(name)
		if err != nil {
			return "", fmt.Errorf("read the first administrator's password: %w", err)
		}
		return strings.TrimSpace(string(text)), nil
	}
	return getenv("GATEHOUSE_ADMIN_PASSWORD"), nil
}
