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
	"gatehouse/storage/state/typed"
)

// firstName is the first administrator's.
const firstName = "admin"

// A newcomer is the first administrator that a start is to make. It stays the same
// over all tries: one of which the answer was lost may have made it.
type newcomer struct {
	id, password string
	generated    bool   // the password, which then must be changed
	text         string // where a generated one is
}

// firstAdmin makes the account admin while there is none of that role. A password
// from the environment need not be changed; a generated one must be, and secret
// says where it is. It is kept before the account is made: a gateway that is
// killed in between must not leave an account whose password nobody knows.
func (g *gateway) firstAdmin(ctx context.Context) (secret string, err error) {
	there, err := g.hasAdmin(ctx)
	if err != nil {
		return "", err
	}
	if there {
		return g.madeBefore(ctx)
	}
	if g.first == nil {
		first, err := g.newFirst()
		if err != nil {
			return "", err
		}
		g.first = first
	}
	a := accounts.Account{}
	a.ID, a.Name, a.Role = g.first.id, firstName, policy.RoleAdmin
	_, err = g.provision.Create(ctx, a, g.first.password, g.first.generated, true)
	if errors.Is(err, accounts.ErrExists) {
		return g.anotherWasFaster(ctx, err)
	}
	if err != nil {
		return "", fmt.Errorf("make the first administrator: %w", err)
	}
	return g.first.text, nil
}

func (g *gateway) hasAdmin(ctx context.Context) (bool, error) {
	admins, _, err := g.accounts.List(ctx, accounts.Query{Role: policy.RoleAdmin, Limit: 1})
	return len(admins) > 0, err
}

func (g *gateway) newFirst() (*newcomer, error) {
	password, err := adminPassword(g.options.Getenv)
	if err != nil || password != "" {
		return &newcomer{id: typed.NewID(), password: password}, err
	}
	password = strings.ToLower(rand.Text())
	text, err := g.passwordText(password)
	return &newcomer{id: typed.NewID(), password: password, generated: true, text: text}, err
}

// madeBefore is for an installation that has an administrator. One that a former try
// of this start has made is told of; a password that was made for none opens nothing.
func (g *gateway) madeBefore(ctx context.Context) (secret string, err error) {
	if g.first == nil {
		return "", nil
	}
	a, err := g.accounts.Account(ctx, firstName)
	switch {
	case err == nil && a.ID == g.first.id:
		return g.first.text, nil
	case errors.Is(err, accounts.ErrNotFound):
		err = nil
	}
	return "", errors.Join(err, g.dropPassword(g.first.generated))
}

// anotherWasFaster is no error where another node, which was started at the same
// time, has made the first administrator, of which this one may hear a moment later.
func (g *gateway) anotherWasFaster(ctx context.Context, taken error) (secret string, err error) {
	ctx, cancel := context.WithTimeout(ctx, closing)
	defer cancel()
	changes := g.accounts.Changes(ctx)
	for {
		there, err := g.hasAdmin(ctx)
		if err == nil && there {
			return g.madeBefore(ctx)
		}
		_, unknown := g.accounts.Account(ctx, firstName)
		if err == nil && errors.Is(unknown, accounts.ErrNotFound) {
			if _, more := <-changes; more {
				continue
			}
		}
		if err == nil {
			err = fmt.Errorf("make the first administrator: %w", taken)
		}
		return "", errors.Join(err, g.dropPassword(g.first.generated))
	}
}

// tellOfFirst says where the first administrator's password is after a start that
// failed when it made the account: it may have been made.
func (g *gateway) tellOfFirst() error {
	if g.first == nil || g.first.text == "" {
		return nil
	}
	_, err := fmt.Fprintf(g.options.Out, "The first administrator may have been made: %s\n", g.first.text)
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
