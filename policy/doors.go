package policy

import "slices"

// Doors returns every door that can be opened and closed.
func Doors() []Door { return []Door{SFTP, FTP, WebDAV, Web, API} }

func (d Door) known() bool { return d.IsFile() || d == Web || d == API }

// AccountPages is the door to the pages of /account/: a new password, a second
// factor, an invitation, how to connect. No list of doors or protocols names
// it, and none closes it.
const AccountPages Door = "account"

// Opens reports whether a credential of this kind can open the door at all,
// whatever it was made for.
func (k CredentialKind) Opens(d Door) bool {
	switch k {
	case KindPassword:
		return true
	case KindKey, KindCertificate:
		return d == SFTP
	case KindAppPassword:
		return d.IsFile()
	case KindClient:
		return d == WebDAV || d == Web || d == API
	case KindToken:
		return d == API
	case KindCookie:
		return d == Web || d == API || d == AccountPages
	case KindLink:
		return d == AccountPages
	}
	return false
}

// Doors returns the doors that a credential of this kind can be made for.
func (k CredentialKind) Doors() []Door {
	return slices.DeleteFunc(Doors(), func(d Door) bool { return !k.Opens(d) })
}

// IsFile reports whether d is a door to files, where a password cannot be
// changed.
func (d Door) IsFile() bool { return d == SFTP || d == FTP || d == WebDAV }

// A DoorOrigin says whether the account may use a door, and who says so.
type DoorOrigin struct {
	Door    Door   `json:"door"`
	Allowed bool   `json:"allowed"`
	Origin  string `json:"origin"`
}

// heldDoor has the text of a decision worked out before it is asked for.
type heldDoor struct {
	DoorOrigin
	because string
}

// Protocols returns for every door whether the account may use it: as the
// account says, else what any of its groups gives, else all of them. Doors
// that are closed for the whole site are not left out.
func (e Effective) Protocols() []DoorOrigin {
	held := e.get().doors
	list := make([]DoorOrigin, 0, len(held))
	for _, d := range held {
		list = append(list, d.DoorOrigin)
	}
	return list
}

func resolveDoors(own Account, groups []Group) []heldDoor {
	doors := make([]heldDoor, 0, len(Doors()))
	for _, d := range Doors() {
		o := resolveDoor(d, own, groups)
		because := string(d) + " is not among the protocols (" + o.Origin + ")"
		if o.Allowed {
			because = string(d) + " is among the protocols (" + o.Origin + ")"
		}
		doors = append(doors, heldDoor{o, because})
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

func (r *resolved) door(d Door) *heldDoor {
	for i := range r.doors {
		if r.doors[i].Door == d {
			return &r.doors[i]
		}
	}
	return &heldDoor{DoorOrigin{Door: d, Origin: OriginDefault}, "the account has no such protocol"}
}
