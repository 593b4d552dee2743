package policy

import (
	"net/netip"
	"time"

	"gatehouse/policy/path"
)

// A Door is a way in, a protocol. FTP and FTPS are one door with two transports.
type Door string

// The doors.
const (
	SFTP   Door = "sftp"
	FTP    Door = "ftp"
	WebDAV Door = "webdav"
	Web    Door = "web"
	API    Door = "api"
)

// A Transport says how the bytes of an attempt travel.
type Transport string

// The transports. Local is the administrators' socket. TLSProxied is clear
// HTTP from a trusted proxy that says the client spoke https.
const (
	Clear      Transport = "clear"
	TLS        Transport = "tls"
	TLSProxied Transport = "tls-proxied"
	SSH        Transport = "ssh"
	Local      Transport = "local"
)

// A Choice overrides a wider setting or leaves it be. The zero value inherits.
type Choice string

// The choices.
const (
	Inherit Choice = "inherit"
	Allow   Choice = "allow"
	Deny    Choice = "deny"
)

// A Role is what an account is to the site.
type Role string

// The roles.
const (
	RoleAdmin   Role = "admin"
	RoleAuditor Role = "auditor"
	RoleUser    Role = "user"
	RoleGuest   Role = "guest"
)

// Permissions is a set of rights on a path.
type Permissions uint8

// The rights. Write includes Create.
const (
	List Permissions = 1 << iota
	Read
	Create
	Write
	Delete
	Share

	Full       = List | Read | Create | Write | Delete | Share
	ReadOnly   = List | Read
	UploadOnly = Create
)

// A Grant gives rights on a folder. Grants add up; nothing denies.
type Grant struct {
	ID          string      `json:"id"`
	Path        path.Path   `json:"path"`
	Permissions Permissions `json:"permissions"`
	// Recursive grants cover the whole tree below Path, others the folder and
	// its direct files.
	Recursive bool `json:"recursive"`
	// At is the name under which the folder appears inside the account's root.
	At string `json:"at,omitempty"`
}

// A Quota bounds what a folder may hold; nil inherits, and where nothing wider
// is set is unlimited. A negative figure is unlimited whatever the groups say.
type Quota struct {
	Bytes *int64 `json:"bytes"`
	Files *int64 `json:"files"`
}

// Limits bound the use of an account; 0 inherits, and where nothing wider is
// set is unlimited. A negative figure is unlimited whatever the wider ones say.
// Resolved limits have no negative figures: 0 is unlimited.
type Limits struct {
	Sessions       int   `json:"sessions,omitempty"`
	UploadRate     int64 `json:"upload_rate,omitempty"`   // bytes per second
	DownloadRate   int64 `json:"download_rate,omitempty"` // bytes per second
	LargestUpload  int64 `json:"largest_upload,omitempty"`
	BytesPerDay    int64 `json:"bytes_per_day,omitempty"`
	BytesPerMonth  int64 `json:"bytes_per_month,omitempty"`
	OpsPerSecond   int   `json:"ops_per_second,omitempty"`
	AddressSession int   `json:"sessions_per_address,omitempty"`
}

// Site is the policy of the whole installation.
type Site struct {
	AllowedIPs []netip.Prefix `json:"allowed_ips"`
	// Doors that are open at all; empty means all of them.
	Doors        []Door       `json:"doors"`
	PlainFTP     Choice       `json:"plain_ftp"` // Allow or Deny
	Lockout      Lockout      `json:"lockout"`
	Ban          Ban          `json:"ban"`
	Password     PasswordRule `json:"password"`
	SecondFactor string       `json:"second_factor"` // optional | required
	Inactive     int          `json:"disable_inactive_after_days"`
	LockProfiles bool         `json:"lock_profiles"`
	SelfService  SelfService  `json:"self_service"`
	Uploads      Uploads      `json:"uploads"`
	Symlinks     Choice       `json:"symlinks"` // Allow or Deny: may clients make links
	Names        string       `json:"names"`    // any | portable
	TimeZone     string       `json:"time_zone"`
	Language     string       `json:"language"`
	Audit        Audit        `json:"audit"`
	Limits       Limits       `json:"limits"`
	MaxSessions  int          `json:"max_sessions"` // over all accounts, 0 is unlimited
	// SSHUserCAs are the public keys (authorized_keys form) that certify users.
	SSHUserCAs []string `json:"ssh_user_cas"`
}

// Lockout stops new password logins after consecutive failures.
type Lockout struct {
	Failures int    `json:"failures"` // 0 is off
	Period   string `json:"period"`   // a Go duration
	Scope    string `json:"scope"`    // passwords | all
}

// Ban stops an address that keeps failing.
type Ban struct {
	Failures int    `json:"failures"` // 0 is off
	Period   string `json:"period"`   // a Go duration
}

// PasswordRule is what the site asks of passwords.
type PasswordRule struct {
	MinLength  int `json:"min_length"`
	MaxAgeDays int `json:"max_age_days"` // 0 is never
}

// SelfService switches what accounts may change of themselves.
type SelfService struct {
	Profile  bool `json:"profile"`
	Email    bool `json:"email"`
	Password bool `json:"password"`
	Keys     bool `json:"keys"`
}

// Audit says how long events are kept and what a full disk does.
type Audit struct {
	KeepDays  int    `json:"keep_days"`  // 0 is for ever
	OnFailure string `json:"on_failure"` // refuse | continue
}

// Uploads says what a cut upload leaves behind. Empty inherits.
type Uploads string

// The ways of an upload.
const (
	InPlace Uploads = "in-place"
	Atomic  Uploads = "atomic"
)

// Status says whether an account may come in, who said so, when and why.
type Status struct {
	Disabled bool      `json:"disabled"`
	By       string    `json:"by,omitempty"`
	At       time.Time `json:"at,omitzero"`
	Why      string    `json:"why,omitempty"`
}

// Expiry ends an account's access. Date and Zone are what was set (a date means
// through that day, there); Instant is the moment they resolve to.
type Expiry struct {
	Date    string    `json:"date,omitempty"` // YYYY-MM-DD
	Zone    string    `json:"zone,omitempty"` // tzdata name
	Instant time.Time `json:"instant,omitzero"`
}

// Account is what policy reads of an account.
type Account struct {
	ID        string             `json:"id"`
	Name      string             `json:"username"`
	Role      Role               `json:"role"`
	Status    Status             `json:"status"`
	Expires   *Expiry            `json:"expires"`
	Home      path.Path          `json:"home"`
	Root      *path.Path         `json:"root"` // nil: the home, an admin's is "/"
	Roots     map[Door]path.Path `json:"roots,omitempty"`
	Grants    []Grant            `json:"grants"`
	Groups    []string           `json:"groups"`    // group ids
	Protocols []Door             `json:"protocols"` // nil inherits; empty is none
	PlainFTP  Choice             `json:"plain_ftp"`

	AllowedIPs []netip.Prefix `json:"allowed_ips"`
	Bypass     bool           `json:"bypass_site_allowed_ips"`

	Quota   Quota   `json:"quota"`
	Limits  Limits  `json:"limits"`
	Uploads Uploads `json:"uploads,omitempty"`

	Manage Manage `json:"manage"`
	// ManagedBy are the ids of the accounts and groups that manage the account.
	ManagedBy  []string `json:"managed_by,omitempty"`
	ShareLinks Choice   `json:"share_links,omitempty"`
	Desktop    Choice   `json:"desktop_access,omitempty"`
	// Shared accounts (bots) change none of their own credentials.
	Shared       bool         `json:"shared,omitempty"`
	SecondFactor SecondFactor `json:"second_factor"`
	// PasswordAge overrides the site's password.max_age_days: nil inherits, 0 is never.
	PasswordAge *int `json:"password_max_age_days,omitempty"`
}

// Manage is what a delegate may do for others.
type Manage struct {
	Users          bool `json:"manage_users,omitempty"`
	Guests         bool `json:"manage_guests,omitempty"`
	PersonalGroups bool `json:"manage_personal_groups,omitempty"`
}

// SecondFactor is what an account asks for beside its first credential.
type SecondFactor struct {
	// Required: allow is required, deny exempt, inherit as the site says.
	Required Choice `json:"required,omitempty"`
	// WithKey asks for a code after an SSH key or certificate, too.
	WithKey bool `json:"with_key,omitempty"`
}

// A Scope narrows what a credential may do; its zero value narrows nothing.
type Scope struct {
	ReadOnly bool `json:"read_only,omitempty"`
	// Folder is the tree path that the credential is for; nil is all. It changes no root.
	Folder *path.Path `json:"folder,omitempty"`
}

// Group is what policy reads of a group.
type Group struct {
	ID        string  `json:"id"`
	Name      string  `json:"name"`
	Grants    []Grant `json:"grants"`
	Protocols []Door  `json:"protocols"` // nil: no default
	Limits    Limits  `json:"limits"`
	Quota     Quota   `json:"quota"` // of each member's home
	// Owner is the id of the account whose personal group it is, "" of a user
	// group. Its grants give no more than the owner has.
	Owner string `json:"owner,omitempty"`
	// Folder is the group's own, with a quota of its own; its members have what
	// the grants on it say.
	Folder      *path.Path `json:"folder,omitempty"`
	FolderQuota Quota      `json:"folder_quota"`
}
