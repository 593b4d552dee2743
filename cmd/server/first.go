package server

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// firstAdmin makes the account admin while there is none of that role. A password
// from the environment need not be changed; a generated one must be.
func firstAdmin(ctx context.Context, store *accounts.Store, sessions *session.Manager, given string) (made string, err error) {
	admins, _, err := store.List(ctx, accounts.Query{Role: policy.RoleAdmin, Limit: 1})
	if err != nil || len(admins) > 0 {
		return "", err
	}
	password, mustChange := given, false
	if password == "" {
		password, mustChange = strings.ToLower(rand.Text()), true
		made = password
	}
	a := accounts.Account{}
	a.Name, a.Role = "admin", policy.RoleAdmin
	if _, err := sessions.CreateAccount(ctx, a, password, mustChange, true); err != nil {
		return "", fmt.Errorf("make the first administrator: %w", err)
	}
	return made, nil
}

// keepPassword writes a generated password for its owner alone.
func keepPassword(dir, password string) (string, error) {
	name := filepath.Join(dir, passwordName)
	if err := os.WriteFile(name, []byte(password+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keep the first administrator's password: %w", err)
	}
	return name, nil
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
