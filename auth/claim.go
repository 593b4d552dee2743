package auth

import (
	"cmp"

	"gatehouse/policy"
	"gatehouse/storage/accounts/credentials"
)

// claim is the credential that an attempt ending before any work names, for the
// rules about doors, which come before a ban: a secret's id says which it would
// be. Nothing of it is proved, and the event does not name it.
func claim(p Proof, a Attempt) policy.Credential {
	c := policy.Credential{Kind: kindOf(a)}
	if c.Kind != policy.KindToken && c.Kind != policy.KindAppPassword {
		return c
	}
	if x, found := p.Account.Credential(a.Claims()); found {
		c.Kind, c.Doors = x.Kind, x.OpenDoors()
	}
	if a.Token == "" {
		c.Doors = typedDoors(c.Doors, a.Door)
	}
	return c
}

// typedDoors are the doors of a secret that came in the place of a password. A
// login at any but a file door is a person's, with the main password.
func typedDoors(doors []policy.Door, at policy.Door) []policy.Door {
	if at.IsFile() {
		return doors
	}
	return []policy.Door{}
}

// Claims returns the id of the secret that an attempt brings, whether there is
// such a credential or not; empty for anything else.
func (a Attempt) Claims() string {
	id, _, _ := credentials.ParseSecret(cmp.Or(a.Token, a.Password))
	return id
}
