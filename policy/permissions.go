package policy

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

var permissionNames = []struct {
	bit  Permissions
	name string
}{
	{List, "list"}, {Read, "read"}, {Create, "create"},
	{Write, "write"}, {Delete, "delete"}, {Share, "share"},
}

var presets = []struct {
	name        string
	permissions Permissions
}{
	{"full", Full}, {"read-only", ReadOnly}, {"upload-only", UploadOnly},
}

// ParsePermissions makes a set of names such as list and read.
func ParsePermissions(names []string) (Permissions, error) {
	var p Permissions
	for _, name := range names {
		bit := bitOf(name)
		if bit == 0 {
			return 0, fmt.Errorf("%q is no permission: list, read, create, write, delete and share are", name)
		}
		p |= bit
	}
	return p, nil
}

func bitOf(name string) Permissions {
	for _, n := range permissionNames {
		if n.name == name {
			return n.bit
		}
	}
	return 0
}

// Preset returns the permissions of full, read-only or upload-only.
func Preset(name string) (Permissions, error) {
	for _, preset := range presets {
		if preset.name == name {
			return preset.permissions, nil
		}
	}
	return 0, fmt.Errorf("%q is no preset: full, read-only and upload-only are", name)
}

// Names returns the rights of p by name, in a fixed order.
func (p Permissions) Names() []string {
	names := make([]string, 0, len(permissionNames))
	for _, n := range permissionNames {
		if p&n.bit != 0 {
			names = append(names, n.name)
		}
	}
	return names
}

// String is p in short: the name of a preset, or the rights separated by commas.
func (p Permissions) String() string {
	for _, preset := range presets {
		if preset.permissions == p {
			return preset.name
		}
	}
	if p == 0 {
		return "none"
	}
	return strings.Join(p.Names(), ",")
}

// Has reports whether p gives every right of q; Write gives Create.
func (p Permissions) Has(q Permissions) bool { return q&^p.expand() == 0 }

// expand adds the rights that others include.
func (p Permissions) expand() Permissions {
	if p&Write != 0 {
		return p | Create
	}
	return p
}

// speaks is the bit of a grant that gives any right at all, also where a
// credential's scope has taken all of them: what it speaks of exists.
const speaks Permissions = 1 << 7

// held is what a grant of p gives.
func (p Permissions) held() Permissions {
	if p &= Full; p == 0 {
		return 0
	}
	return p.expand() | speaks
}

// MarshalJSON writes the names of the rights.
func (p Permissions) MarshalJSON() ([]byte, error) {
	if p&^Full != 0 {
		return nil, fmt.Errorf("permissions %#x hold what is no permission", uint8(p))
	}
	return json.Marshal(p.Names())
}

// UnmarshalJSON reads a list of names.
func (p *Permissions) UnmarshalJSON(b []byte) error {
	var names []string
	if err := json.Unmarshal(b, &names); err != nil {
		return fmt.Errorf("permissions are a list of names: %w", err)
	}
	q, err := ParsePermissions(names)
	if err != nil {
		return err
	}
	*p = q
	return nil
}

// oneOf reports whether v is among the values, for validation.
func oneOf[T comparable](v T, values ...T) bool { return slices.Contains(values, v) }
