package policy

import "slices"

// Doors returns every door there is.
func Doors() []Door { return []Door{SFTP, FTP, WebDAV, Web, API} }

// IsFile reports whether d is a door to files, where a password cannot be
// changed.
func (d Door) IsFile() bool { return d == SFTP || d == FTP || d == WebDAV }

// A DoorOrigin says whether the account may use a door, and who says so.
type DoorOrigin struct {
	Door    Door   `json:"door"`
	Allowed bool   `json:"allowed"`
	Origin  string `json:"origin"`
}

// Protocols returns for every door whether the account may use it: as the
// account says, else what any of its groups gives, else all of them. Doors
// that are closed for the whole site are not left out.
func (e Effective) Protocols() []DoorOrigin { return slices.Clone(e.get().doors) }

func resolveDoors(own Account, groups []Group) []DoorOrigin {
	doors := make([]DoorOrigin, 0, len(Doors()))
	for _, d := range Doors() {
		doors = append(doors, resolveDoor(d, own, groups))
	}
	return doors
}

func resolveDoor(d Door, own Account, groups []Group) DoorOrigin {
	if own.Protocols != nil {
		return DoorOrigin{d, slices.Contains(own.Protocols, d), OriginAccount}
	}
	answer := DoorOrigin{d, true, OriginDefault}
	for _, g := range groups {
		if g.Protocols == nil {
			continue
		}
		if slices.Contains(g.Protocols, d) {
			return DoorOrigin{d, true, groupOrigin(g)}
		}
		if answer.Allowed {
			answer = DoorOrigin{d, false, groupOrigin(g)}
		}
	}
	return answer
}

func (r *resolved) door(d Door) DoorOrigin {
	for _, o := range r.doors {
		if o.Door == d {
			return o
		}
	}
	return DoorOrigin{Door: d, Origin: OriginDefault}
}
