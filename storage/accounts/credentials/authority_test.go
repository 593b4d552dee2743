package credentials

import (
	"errors"
	"slices"
	"testing"

	"gatehouse/storage/accounts/field"
)

// A weak authority, or a certificate in the place of one, would vouch for anybody.
func TestAuthoritiesForCertificates(t *testing.T) {
	one := newEd25519(t)
	for name, lines := range map[string][]string{
		"no key": {"here"}, "weak": {line(t, rsaOf(1024))}, "twice": {one, one + " again"}, "options": {"cert-authority " + one},
		"two in one": {one + "\n" + newEd25519(t)}, "many": slices.Repeat([]string{one}, maxCAs+1),
	} {
		var invalid *field.Error
		if err := CheckAuthorities(lines); !errors.As(err, &invalid) || invalid.Field != "ssh_user_cas" {
			t.Errorf("%s: got %v, want a refusal of ssh_user_cas", name, err)
		}
	}
	list := []string{"  " + one + " office  ", line(t, rsaOf(2048))}
	if err := CheckAuthorities(list); err != nil || list[0] != one+" office" {
		t.Errorf("got %q %v", list, err)
	}
}
