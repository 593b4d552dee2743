package session

import "gatehouse/storage/accounts"

// OpensFactor reports whether the secret of an account's second factor, brought
// from elsewhere, can be read here.
func (m *Manager) OpensFactor(a accounts.Account) bool { return m.auth.OpensFactor(a) }
