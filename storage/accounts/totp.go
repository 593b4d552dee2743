package accounts

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Bounds of recovery codes.
const (
	recoveryCodes = 10
	recoverySize  = 10 // bytes: 80 bits each
	maxRecovery   = 32
)

// HasCode reports whether the account has a second factor that counts.
func (a *Account) HasCode() bool { return a.TOTP != nil && a.TOTP.Confirmed }

// NewTOTPID makes the identity of a new enrolment, for which its secret is sealed
// beside the account's id.
func NewTOTPID() string { return newID() }

// EnrolTOTP gives an account a second factor that does not count until ConfirmTOTP.
// One that counts is refused: it is reset first.
func (s *Store) EnrolTOTP(ctx context.Context, account, id string, sealed []byte, o Option) (Account, error) {
	return s.Update(ctx, account, 0, func(a *Account) error {
		if a.HasCode() {
			return &InvalidError{Field: "totp", Why: "is set up already: reset it first"}
		}
		a.TOTP = &TOTP{ID: id, Sealed: slices.Clone(sealed), Added: time.Now().UTC().Truncate(time.Second)}
		return nil
	}, o)
}

// ConfirmTOTP makes the enrolment with this id count, and returns the account's
// recovery codes, which are shown once. ErrNotFound where another enrolment, or
// none, is there.
func (s *Store) ConfirmTOTP(ctx context.Context, account, id string, o Option) ([]string, Account, error) {
	return s.setRecovery(ctx, account, func(a *Account) error {
		if a.TOTP == nil || a.TOTP.ID != id || a.TOTP.Confirmed {
			return ErrNotFound
		}
		a.TOTP.Confirmed = true
		return nil
	}, o)
}

// RenewRecovery replaces all of an account's recovery codes and returns them;
// ErrNotFound where it has no second factor.
func (s *Store) RenewRecovery(ctx context.Context, account string, o Option) ([]string, Account, error) {
	return s.setRecovery(ctx, account, func(a *Account) error {
		if !a.HasCode() {
			return ErrNotFound
		}
		return nil
	}, o)
}

func (s *Store) setRecovery(ctx context.Context, account string, change func(*Account) error, o Option) ([]string, Account, error) {
	codes := make([]string, recoveryCodes)
	hashes := make([]string, recoveryCodes)
	for i := range codes {
		codes[i] = readable(randomText(recoverySize))
		hashes[i] = hashRecovery(codes[i])
	}
	a, err := s.Update(ctx, account, 0, func(a *Account) error {
		if err := change(a); err != nil {
			return err
		}
		a.TOTP.Recovery = slices.Clone(hashes)
		return nil
	}, o)
	if err != nil {
		return nil, Account{}, err
	}
	return codes, a, nil
}

// RemoveTOTP takes the second factor away, confirmed or not; ErrNotFound.
func (s *Store) RemoveTOTP(ctx context.Context, account string, o Option) (Account, error) {
	return s.Update(ctx, account, 0, func(a *Account) error {
		if a.TOTP == nil {
			return ErrNotFound
		}
		a.TOTP = nil
		return nil
	}, o)
}

// UseRecovery uses up one of an account's recovery codes. Of several tries at
// once, on whichever nodes, one gets nil; ErrUsed for all others and for what is
// none of them.
func (s *Store) UseRecovery(ctx context.Context, accountID, code string) error {
	hash := hashRecovery(code)
	e, ok := s.index.byID(accountID)
	if !ok {
		return ErrNotFound
	}
	_, err := s.Update(ctx, e.account.Name, 0, func(a *Account) error {
		if a.ID != accountID || !a.HasCode() {
			return ErrUsed
		}
		// Which of them it is, or how far one goes, takes no time to tell.
		found := -1
		for i, h := range a.TOTP.Recovery {
			if same(h, hash) {
				found = i
			}
		}
		if found < 0 {
			return ErrUsed
		}
		a.TOTP.Recovery = slices.Delete(a.TOTP.Recovery, found, found+1)
		return nil
	}, Guarded)
	return err
}

// readable groups a code for reading it aloud.
func readable(code string) string {
	var groups []string
	for part := range slices.Chunk([]byte(code), 4) {
		groups = append(groups, string(part))
	}
	return strings.Join(groups, "-")
}

// hashRecovery hashes a code as people write it: with dashes and spaces or
// without, in either case.
func hashRecovery(code string) string {
	code = strings.ToLower(strings.Map(func(r rune) rune {
		if r == '-' || r == ' ' {
			return -1
		}
		return r
	}, code))
	return HashSecret(code)
}

// isHash reports whether s is what HashSecret returns.
func isHash(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 32
}

func validateTOTP(a *Account) error {
	if a.TOTP == nil {
		return nil
	}
	switch {
	case a.TOTP.ID == "" || len(a.TOTP.Sealed) == 0:
		return &InvalidError{Field: "totp", Why: "has no id or no secret"}
	case len(a.TOTP.Recovery) > maxRecovery:
		return &InvalidError{Field: "recovery_codes", Why: fmt.Sprintf("are more than %d", maxRecovery)}
	case slices.ContainsFunc(a.TOTP.Recovery, func(h string) bool { return !isHash(h) }):
		return &InvalidError{Field: "recovery_codes", Why: "hold what is no hash"}
	}
	return nil
}
