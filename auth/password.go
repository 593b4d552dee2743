package auth

import (
	"bufio"
	"context"
	"crypto/rand"
	_ "embed"
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/cases"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/accounts/credentials"
)

// common are passwords that everybody tries first, one a line, folded.
//
//go:embed common.txt
var common string

// NewPassword makes what is kept of an account's new password. It returns an
// *accounts.InvalidError where the site's rules refuse it.
func (z *Authenticator) NewPassword(ctx context.Context, a accounts.Account, password string) (*accounts.Password, error) {
	site, err := z.accounts.Site(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the rules for passwords: %w", err)
	}
	if why := refusedPassword(a, site.Password, password); why != "" {
		return nil, &accounts.InvalidError{Field: "password", Why: why}
	}
	if err := z.slots.acquire(ctx, netip.Prefix{}); err != nil {
		return nil, fmt.Errorf("hash a password: %w", err)
	}
	defer z.slots.release()
	return &accounts.Password{
		ID:      strings.ToLower(rand.Text()),
		Hash:    z.hasher.hash(prepare(password)),
		Changed: time.Now().UTC().Truncate(time.Second),
	}, nil
}

// refusedPassword says why a password cannot be set, "" where it can.
func refusedPassword(a accounts.Account, rule policy.PasswordRule, password string) string {
	folded := cases.Fold().String(password)
	switch n := utf8.RuneCountInString(password); {
	case password == "":
		return "must not be empty"
	case n < rule.MinLength:
		return fmt.Sprintf("is shorter than %d characters", rule.MinLength)
	case len(password) > longest:
		return fmt.Sprintf("is longer than %d bytes", longest)
	case strings.ContainsAny(password, "\x00\r\n"):
		return "holds a line end or NUL, which not every client can send"
	}
	if _, _, ok := credentials.ParseSecret(password); ok {
		return "has the form of an app password, for which it would be taken"
	}
	for _, own := range []string{a.Name, a.Email} {
		if own != "" && folded == cases.Fold().String(own) {
			return "is the username or e-mail address"
		}
	}
	if isCommon(folded) {
		return "is one that everybody tries first"
	}
	return ""
}

func isCommon(folded string) bool {
	first, _ := utf8.DecodeRuneInString(folded)
	if !strings.ContainsFunc(folded, func(r rune) bool { return r != first }) {
		return true
	}
	lines := bufio.NewScanner(strings.NewReader(common))
	for lines.Scan() {
		if lines.Text() == folded {
			return true
		}
	}
	return false
}

// HasPassword reports whether this is the account's password, whoever asks. It
// costs a hash and counts nothing.
func (z *Authenticator) HasPassword(ctx context.Context, a accounts.Account, password string) (bool, error) {
	if a.Password == nil {
		return false, nil
	}
	return z.hashOnce(ctx, &Proof{Account: a}, Attempt{Password: password}, a.Password.Hash)
}
