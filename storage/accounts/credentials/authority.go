package credentials

import (
	"errors"
	"fmt"
	"strings"

	"gatehouse/storage/accounts/field"
)

// maxCAs is how many authorities for SSH certificates a site has.
const maxCAs = 100

// CheckAuthorities asks for public keys such as accounts may have: an authority is no
// weaker than what it vouches for, and no certificate itself.
func CheckAuthorities(lines []string) error {
	if len(lines) > maxCAs {
		return &field.Error{Field: "ssh_user_cas", Why: fmt.Sprintf("are more than %d", maxCAs)}
	}
	seen := make(map[string]bool, len(lines))
	for i, line := range lines {
		k, err := ParseKey(line)
		var invalid *field.Error
		if errors.As(err, &invalid) {
			return &field.Error{Field: "ssh_user_cas", Why: fmt.Sprintf("line %d %s", i+1, invalid.Why)}
		}
		if err != nil {
			return err
		}
		if seen[k.Fingerprint] {
			return &field.Error{Field: "ssh_user_cas", Why: fmt.Sprintf("line %d is there already", i+1)}
		}
		seen[k.Fingerprint] = true
		lines[i] = strings.TrimSpace(k.PublicKey + " " + k.Name)
	}
	return nil
}
