package server

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/state/memory"
)

// The first administrator's password lies in a file until it opens nothing any
// more; then the file must go, whoever has changed the password, also while the
// gateway was down.
func TestTheFirstPasswordIsForgotten(t *testing.T) {
	for name, c := range map[string]struct {
		before, during func(*accounts.Account)
	}{
		"changed while it runs":     {nil, func(a *accounts.Account) { a.Password.ID, a.Password.MustChange = "second", false }},
		"set anew by somebody else": {nil, func(a *accounts.Account) { a.Password.ID = "second" }},
		"changed while it was down": {func(a *accounts.Account) { a.Password.ID, a.Password.MustChange = "second", false }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			g, file := withFirstPassword(t)
			if c.before != nil {
				changeFirst(t, g, c.before)
			}
			done := forget(t.Context(), t, g)
			if c.during != nil {
				changeFirst(t, g, func(a *accounts.Account) { a.DisplayName = "something else" })
				changeFirst(t, g, c.during)
			}
			<-done
			if _, err := os.Stat(file); !os.IsNotExist(err) {
				t.Errorf("the file is there still: %v", err)
			}
		})
	}
}

// A gateway that stops before the password was changed leaves the file.
func TestTheFirstPasswordStaysUntilItIsChanged(t *testing.T) {
	g, file := withFirstPassword(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := forget(ctx, t, g)
	changeFirst(t, g, func(a *accounts.Account) { a.DisplayName = "something else" })
	cancel()
	<-done
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
}

func forget(ctx context.Context, t *testing.T, g *gateway) (done chan struct{}) {
	t.Helper()
	given, err := g.firstPassword(ctx)
	if err != nil {
		t.Fatal(err)
	}
	done = make(chan struct{})
	go func() { defer close(done); g.forgetPassword(ctx, given) }()
	return done
}

func withFirstPassword(t *testing.T) (g *gateway, file string) {
	t.Helper()
	store, err := accounts.Open(t.Context(), memory.New())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close(context.Background()) })
	a := accounts.Account{Password: &accounts.Password{ID: "first", Hash: "$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", MustChange: true}}
	a.Name, a.Role = firstName, policy.RoleAdmin
	if _, err := store.Create(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	file, err = keepPassword(data, "a password")
	if err != nil || file != filepath.Join(data, passwordName) {
		t.Fatal(file, err)
	}
	return &gateway{core: &core{data: data, accounts: store}, log: slog.New(slog.DiscardHandler)}, file
}

func changeFirst(t *testing.T, g *gateway, change func(*accounts.Account)) {
	t.Helper()
	_, err := g.accounts.Update(t.Context(), firstName, 0, func(a *accounts.Account) error { change(a); return nil }, accounts.Forced)
	if err != nil {
		t.Fatal(err)
	}
}
