// Package policy decides from plain values, and says why: who may come in
// (Admit), what an account may do where (Decide), and what it sees (View).
// It knows no time, network, disk or global; those who ask bring the moment.
package policy

import (
	"net/netip"
	"time"

	"gatehouse/policy/path"
)

// A Rule names what decided. The names are part of the interface: events,
// explain and the documents use them.
type Rule string

// A Decision is an answer with its reason.
type Decision struct {
	Allowed bool
	Rule    Rule
	// Because is for administrators: the setting that decided, and where it is set.
	Because string
	// Until is the moment at which time alone changes the answer; zero is never.
	Until time.Time
}

// A Step is one rule of a chain, for explain.
type Step struct {
	Rule    Rule   `json:"rule"`
	Allowed bool   `json:"allowed"`
	Because string `json:"because"`
}

// An Attempt is what Admit judges: somebody at a door with a credential.
type Attempt struct {
	Door      Door
	Address   netip.Addr // the zero value is refused unless Transport is Local
	Transport Transport
	Time      time.Time
	// Credential is the limits of what was proved, not its proof.
	Credential Credential
	// What the world says: present bans, locks and counts.
	Banned, Locked bool
	Sessions       Sessions
}

// Credential is what policy reads of a credential.
type Credential struct {
	ID         string
	Kind       CredentialKind
	Doors      []Door // nil: any
	AllowedIPs []netip.Prefix
	Begins     time.Time // of a certificate; zero: always good until Expires
	Expires    time.Time // zero: never
	// MustChange says that the account's password must be changed first, whatever
	// credential this is.
	MustChange bool
	// Code says how it stands with the second factor.
	Code  CodeState
	Scope Scope
	// Proved is false where the proof failed: rule "credential" then refuses.
	Proved bool
}

// CredentialKind names what an account was proved with.
type CredentialKind string

// The kinds of credentials.
const (
	KindPassword    CredentialKind = "password"
	KindKey         CredentialKind = "key"
	KindCertificate CredentialKind = "certificate"
	KindAppPassword CredentialKind = "app-password"
	KindToken       CredentialKind = "token"
	KindCookie      CredentialKind = "cookie"
	KindSocket      CredentialKind = "socket"
	KindClient      CredentialKind = "client"
	// KindLink is a reset link or an invitation: it opens the one page it is for.
	KindLink CredentialKind = "link"
)

// CodeState is how it stands with an account's second factor in an attempt.
type CodeState string

// The states of the second factor. The zero value asks for none.
const (
	CodeNone   CodeState = ""
	CodeNeeded CodeState = "needed" // the account has one; no code was given, or a wrong one
	CodeProved CodeState = "proved"
	CodeEnrol  CodeState = "enrol" // required, and the account has none yet
)

// Sessions counts what is open now, this attempt left out.
type Sessions struct{ Account, Address, All int }

// An Operation is what somebody wants to do to a path.
type Operation string

// The operations that Decide judges. What happens between two paths is made of
// them: see DecideRename, DecideCopy and DecideLink.
const (
	OpStat   Operation = "stat" // any grant on the path, or a folder on the way to one
	OpList   Operation = "list" // the folder's entries
	OpRead   Operation = "read"
	OpCreate Operation = "create" // a new file or folder
	OpWrite  Operation = "write"  // change, truncate, replace, times, modes, properties
	OpDelete Operation = "delete"
	OpShare  Operation = "share"
)

// OpRename and OpCopy are between two paths: Decide refuses them.
const (
	OpRename Operation = "rename"
	OpCopy   Operation = "copy"
)

// A Target is a tree path and whether it is, or is to be, a folder: grants
// that are not recursive cover a folder's direct files only.
type Target struct {
	Path   path.Path
	Folder bool
}
