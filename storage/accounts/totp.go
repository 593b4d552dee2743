package accounts

import (
	"context"
	"slices"
	"time"

	"gatehouse/storage/accounts/codes"
	"gatehouse/storage/accounts/credentials"
	"gatehouse/storage/state/typed"
)

// NewTOTPID makes the identity of a new enrolment, for which its secret is sealed
// beside the account's id.
func NewTOTPID() string { return typed.NewID() }

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
	texts, hashes := credentials.NewRecovery()
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
	return texts, a, nil
}

// RemoveTOTP takes the second factor away, confirmed or not; ErrNotFound.
func (s *Store) RemoveTOTP(ctx context.Context, account string, revision uint64, o Option) (Account, error) {
	return s.Update(ctx, account, revision, func(a *Account) error {
		if a.TOTP == nil {
			return ErrNotFound
		}
		a.TOTP = nil
		return nil
	}, o)
}

// UseRecovery uses up one of an account's recovery codes. Of several tries at
// once, on whichever nodes, one gets nil; codes.ErrUsed for all others and for what is
// none of them.
func (s *Store) UseRecovery(ctx context.Context, accountID, code string) error {
	e, ok := s.index.ByID(accountID)
	if !ok {
		return ErrNotFound
	}
	_, err := s.Update(ctx, e.Account.Name, 0, func(a *Account) error {
		if a.ID != accountID || !a.HasCode() || !a.TOTP.UseRecovery(code) {
			return codes.ErrUsed
		}
		return nil
	}, Guarded)
	return err
}
