package policy

import "slices"

// The rules of Admit, in the order in which they are asked and named.
const (
	RuleDoorSite          Rule = "door-site"
	RuleDoorAccount       Rule = "door-account"
	RuleDoorCredential    Rule = "door-credential"
	RuleDesktop           Rule = "desktop-access"
	RuleBan               Rule = "ban"
	RuleLockout           Rule = "lockout"
	RuleStatus            Rule = "status"
	RuleExpiry            Rule = "expiry"
	RuleManager           Rule = "manager"
	RuleAddress           Rule = "address"
	RuleCredentialAddress Rule = "credential-address"
	RuleTransport         Rule = "transport"
	RulePlainFTP          Rule = "plain-ftp"
	RuleCredential        Rule = "credential"
	RuleCredentialExpiry  Rule = "credential-expiry"
	RuleSecondFactor      Rule = "second-factor"
	RuleEnrol             Rule = "enrol"
	RuleMustChange        Rule = "must-change"
	RuleSessionsAccount   Rule = "sessions-account"
	RuleSessionsAddress   Rule = "sessions-address"
	RuleSessionsSite      Rule = "sessions-site"

	// RuleAdmitted is the answer where none of them refuses, RuleLocalSocket
	// that for the administrators' socket, which no account rule holds for, and
	// RuleLink that for a reset link or invitation.
	RuleAdmitted    Rule = "admitted"
	RuleLink        Rule = "link"
	RuleLocalSocket Rule = "local-socket"

	// RuleEnded and RuleShutdown are why a session ended that no rule refused.
	RuleEnded    Rule = "ended"
	RuleShutdown Rule = "shutdown"
)

// The rules of operations on files.
const (
	RuleRole    Rule = "role"
	RuleHome    Rule = "home"
	RuleGrant   Rule = "grant"
	RuleShell   Rule = "shell"
	RuleNoGrant Rule = "no-grant"
	RuleCut     Rule = "cut"
	RuleWidens  Rule = "widens"
	RuleKept    Rule = "kept"

	RuleShareLinks    Rule = "share-links"
	RuleReadOnly      Rule = "read-only"
	RuleFolder        Rule = "credential-folder"
	RuleSymlinks      Rule = "symlinks"
	RuleNames         Rule = "names"
	RuleUploads       Rule = "uploads"
	RuleLargestUpload Rule = "largest-upload"
	RuleBytesPerDay   Rule = "bytes-per-day"
	RuleBytesPerMonth Rule = "bytes-per-month"
	RuleReserved      Rule = "reserved"
	RuleAudit         Rule = "audit"

	// RuleQuota and RuleLock are no question of rights: what a folder may hold, and
	// what somebody else keeps as it is.
	RuleQuota Rule = "quota"
	RuleLock  Rule = "lock"
)

// The rules of what somebody may do for other accounts and for groups.
const (
	RuleAdministrator Rule = "administrator"
	RuleAuditor       Rule = "auditor"
	RuleGuest         Rule = "guest"
	RuleDelegate      Rule = "delegate"
	RuleManagedBy     Rule = "managed-by"
	RuleAdminField    Rule = "administrators-only"
	RuleGives         Rule = "gives-own"
	RuleGroupManager  Rule = "group-manager"
	RulePersonalGroup Rule = "personal-group"
	RuleOwnGroup      Rule = "own-group"
)

// A RuleText says what a rule asks, which setting it reads, and what lifts its
// refusal. The documents and explain are made of it.
type RuleText struct {
	Rule    Rule   `json:"rule"`
	Asks    string `json:"asks"`
	Setting string `json:"setting"`
	Remedy  string `json:"remedy"`
}

// Rules returns every rule, those of Admit first and in their order.
func Rules() []RuleText { return slices.Clone(ruleTexts) }

// Text returns what r asks; its zero value for a name that is no rule.
func (r Rule) Text() RuleText {
	i := slices.IndexFunc(ruleTexts, func(t RuleText) bool { return t.Rule == r })
	if i < 0 {
		return RuleText{}
	}
	return ruleTexts[i]
}

var ruleTexts = []RuleText{
	{RuleDoorSite, "Is the door open on this site?", "site doors", "open the door for the site"},
	{RuleDoorAccount, "May the account use this door?", "account protocols, else its groups' defaults", "add the door to the account's protocols"},
	{RuleDoorCredential, "Is the credential for this door?", "the credential's kind and doors", "use or make a credential for this door"},
	{RuleDesktop, "May the account use clients, that is, registered devices?", "account desktop_access", "set desktop_access to allow or inherit"},
	{RuleBan, "Is the address banned for failing too often?", "site ban.failures, ban.period", "wait until the ban ends, or lift it (gatehouse ban lift ADDRESS)"},
	{RuleLockout, "Is the account locked after too many failures?", "site lockout.failures, lockout.period, lockout.scope", "unlock the account, or wait until the period ends"},
	{RuleStatus, "Is the account enabled?", "account status", "enable the account, or create it"},
	{RuleExpiry, "Is the account's last day still to come?", "account expires", "set a later date"},
	{RuleManager, "Has a guest a manager who is enabled and not expired?", "account managed_by, and the status and expiry of those it names", "enable a manager, or name another one"},
	{RuleAddress, "May the account come from this address?", "site and account allowed_ips, account bypass_site_allowed_ips", "add the address to the site's or the account's list"},
	{RuleCredentialAddress, "May the credential be used from this address?", "the credential's addresses", "add the address to the credential's list"},
	{RuleTransport, "Does the connection keep the credential secret?", "none", "use https, or a trusted proxy that says https"},
	{RulePlainFTP, "May the account use FTP without encryption?", "account plain_ftp, else site plain_ftp", "use explicit TLS, or allow plain FTP for the account"},
	{RuleCredential, "Was the credential proved?", "the account's credentials, site ssh_user_cas", "use the right credential, or set a new one"},
	{RuleCredentialExpiry, "Is the credential still good?", "the credential's expiry, a certificate's validity, account password_max_age_days, else site password.max_age_days", "make a new credential, or change the password"},
	{RuleSecondFactor, "Was the code of the second factor right, where the credential needs one?", "the account's second factor, account second_factor.with_key", "give the code; on FTP and WebDAV, which cannot ask for one, use an app password"},
	{RuleEnrol, "Has the account the second factor that it must have?", "account second_factor.required, else site second_factor", "set up a second factor at /account/, or exempt the account"},
	{RuleMustChange, "Must the password be changed first?", "account must_change", "change the password at /account/, by web or API; that of a guest or of a shared account is set for it"},
	{RuleSessionsAccount, "Has the account a session left?", "limits.sessions of account, groups or site", "end a session, or raise the limit"},
	{RuleSessionsAddress, "Has the address a session left?", "limits.sessions_per_address of account, groups or site", "end a session, or raise the limit"},
	{RuleSessionsSite, "Has the site a session left?", "site max_sessions", "wait for sessions to end, or raise the limit"},
	{RuleAdmitted, "No rule refuses.", "none", ""},
	{RuleLink, "A reset link or an invitation opens the one page that it is for.", "none", ""},
	{RuleLocalSocket, "Who can open the local socket is an administrator.", "the mode of the socket", ""},
	{RuleEnded, "An administrator, or the account itself, ended the session.", "none", "log in again"},
	{RuleShutdown, "The gateway was shut down.", "none", "log in again once it is back"},

	{RuleRole, "Administrators have every right on the whole tree.", "account role", "change the role"},
	{RuleHome, "An account has every right on its home.", "account home", "change the home"},
	{RuleGrant, "A grant of the account or of one of its groups gives the right.", "grants of account and groups", "remove the grant"},
	{RuleShell, "A folder on the way to a granted one is visible.", "grants of account and groups", "remove the grant"},
	{RuleNoGrant, "No grant gives the right on this path.", "grants of account and groups", "add a grant on the path or on a folder above it"},
	{RuleCut, "A grant of a guest or of a personal group gives no more than the managers or the owner have.", "grants of the managers or the owner, and their status and expiry", "give the right to a manager or the owner, or grant it elsewhere"},
	{RuleWidens, "Moving gives no right on a file that the account did not have.", "grants of account and groups", "grant the missing right at the source"},
	{RuleKept, "The homes of deleted accounts, in .kept at the top of a mount, are for administrators alone.", "account role", "move it out of .kept as an administrator"},
	{RuleShareLinks, "May the account make share links? Guests may not.", "account role, share_links", "set share_links to allow or inherit"},
	{RuleReadOnly, "Is the credential read-only?", "the credential's scope", "use a credential that may write"},
	{RuleFolder, "Is the credential for this folder?", "the credential's folder", "use a credential for this folder"},
	{RuleSymlinks, "May clients make symbolic links?", "site symlinks", "allow symlinks for the site"},
	{RuleNames, "Is the new name one that every system can hold?", "site names", "use another name, or set names to any"},
	{RuleUploads, "May an upload be appended to or resumed?", "uploads of account or site", "set uploads to in-place, or send the file as a whole"},
	{RuleLargestUpload, "Is the upload within the largest allowed?", "limits.largest_upload of account, groups or site", "raise the limit"},
	{RuleBytesPerDay, "May the account move more bytes today? Uploads and downloads count together, in the site's time zone.", "limits.bytes_per_day of account, groups or site; site time_zone", "raise the limit, or wait until midnight there"},
	{RuleBytesPerMonth, "May the account move more bytes this month?", "limits.bytes_per_month of account, groups or site; site time_zone", "raise the limit, or wait until the month has ended"},
	{RuleReserved, "Is the name the gateway's own?", "none", "use another name"},
	{RuleAudit, "Can what is done be written to the event log?", "site audit.on_failure", "make room on the log's disk, or set audit.on_failure to continue"},
	{RuleQuota, "Is there room under every quota above the path?", "quota of account and groups, quotas of folders", "remove files, or raise the quota"},
	{RuleLock, "Does nobody else hold a lock on what is changed?", "the locks in force", "wait until the lock ends, or break it"},

	{RuleAdministrator, "Administrators may change everything.", "the caller's role", "ask an administrator"},
	{RuleAuditor, "Auditors read everything but secrets and exports, and change nothing.", "the caller's role", "ask an administrator"},
	{RuleGuest, "Guests make no accounts, groups or links, and change none.", "the caller's role", "ask the guest's manager"},
	{RuleDelegate, "Has the caller the right to manage accounts of this role? It never reaches administrators, auditors, and those who manage others themselves.", "the caller's manage_users, manage_guests", "ask an administrator"},
	{RuleManagedBy, "Is the account managed by the caller, or by a group that the caller manages?", "account managed_by", "have an administrator add the caller to managed_by"},
	{RuleAdminField, "Delegates never set role, manage rights, managed_by, home, roots, plain_ftp, bypass, or the age of passwords, and exempt nobody from a second factor.", "the caller's role", "leave the field as it is, or ask an administrator"},
	{RuleGives, "Delegates give only what they may give themselves: grants, groups, protocols, limits, quota, addresses.", "what the caller has itself", "give less, or have an administrator give more"},
	{RuleGroupManager, "The managers of a group add and remove its members; they change nothing else of it.", "group managers", "ask a manager of the group, or an administrator"},
	{RulePersonalGroup, "A personal group is changed by its owner, needs manage_personal_groups, and has neither defaults nor a folder. Its owner adds accounts that it manages or is in a user group with; members leave when they like.", "group owner, the owner's manage_personal_groups", "make the group a user group, or ask its owner"},
	{RuleOwnGroup, "Nobody who manages a group gives it to itself, or to an account that it manages, beyond what it has, nor leaves it, or takes such an account out of it, to be rid of its limits.", "the group's grants, what the caller has itself", "ask an administrator"},
}
