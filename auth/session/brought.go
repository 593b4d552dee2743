package session

import "gatehouse/storage/accounts"

// OpensFactor reports whether the secret of an account's second factor, brought
// from elsewhere, can be read here.
func (m *Manager) OpensFactor(a accounts.Account) bool { return m.auth.OpensFactor(a) }

// BringFactor makes a second factor of a secret that counted elsewhere (see
// auth.Authenticator.BringFactor).
func (m *Manager) BringFactor(a accounts.Account, secret string) (*accounts.TOTP, error) {
	return m.auth.BringFactor(a, secret)
}
