package credentials

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/accounts/field"
)

// OpenDoors returns the doors that the credential may be used at: its own, or
// all that its kind may use. An app password never opens the API.
func (c Credential) OpenDoors() []policy.Door {
	if c.Doors != nil {
		return slices.Clone(c.Doors)
	}
	return c.Kind.Doors()
}

// Issue completes a new app password, token or client, and returns it with the
// text that proves it, which is nowhere kept. ID, Hash and Added are made here.
func Issue(c Credential) (Credential, string) {
	c = c.Clone()
	secret := randomText(secretSize)
	c.ID, c.Hash = randomText(idSize), HashSecret(secret)
	c.Added = time.Now().UTC().Truncate(time.Second)
	return c, secretText(c, secret)
}

// Check refuses, with a *field.Error, what cannot be a credential, and puts it
// into its stored form.
func (c *Credential) Check() error {
	if _, known := marks[c.Kind]; !known {
		return &field.Error{Field: "kind", Why: fmt.Sprintf("%q is none of app-password, token, client", c.Kind)}
	}
	if c.ID == "" || !isHash(c.Hash) {
		return &field.Error{Field: "credentials", Why: "hold one without id or secret"}
	}
	if why := cmp.Or(field.Text(c.Name, field.MaxName), field.Missing(c.Name)); why != "" {
		return &field.Error{Field: "name", Why: why}
	}
	c.Doors = field.Doors(c.Doors)
	if c.Doors != nil && len(c.Doors) == 0 {
		// It would be kept as a list that says nothing, which is every door.
		return &field.Error{Field: "doors", Why: "must name one at least: revoke what is to open none"}
	}
	for _, d := range c.Doors {
		if !c.Kind.Opens(d) {
			return &field.Error{Field: "doors", Why: fmt.Sprintf("%q is no door for the kind %s", d, c.Kind)}
		}
	}
	if c.Scope.Folder != nil && c.Kind == policy.KindToken {
		return &field.Error{Field: "folder", Why: "is for credentials of the file doors"}
	}
	if err := field.Sources(c.AllowedIPs); err != nil {
		return err
	}
	return c.checkDevice()
}
