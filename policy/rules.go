package policy

import "slices"

// The rules of Admit, in the order in which they are asked and named.
const (
	RuleDoorSite          Rule = "door-site"
	RuleDoorAccount       Rule = "door-account"
	RuleDoorCredential    Rule = "door-credential"
	RuleBan               Rule = "ban"
	RuleLockout           Rule = "lockout"
	RuleStatus            Rule = "status"
	RuleExpiry            Rule = "expiry"
	RuleAddress           Rule = "address"
	RuleCredentialAddress Rule = "credential-address"
	RuleTransport         Rule = "transport"
	RulePlainFTP          Rule = "plain-ftp"
	RuleCredential        Rule = "credential"
	RuleCredentialExpiry  Rule = "credential-expiry"
	RuleMustChange        Rule = "must-change"
	RuleSessionsAccount   Rule = "sessions-account"
	RuleSessionsAddress   Rule = "sessions-address"
	RuleSessionsSite      Rule = "sessions-site"

	// RuleAdmitted is the answer where none of them refuses, RuleLocalSocket
	// that for the administrators' socket, which no account rule holds for.
	RuleAdmitted    Rule = "admitted"
	RuleLocalSocket Rule = "local-socket"
)

// The rules of operations on files.
const (
	RuleRole    Rule = "role"
	RuleHome    Rule = "home"
	RuleGrant   Rule = "grant"
	RuleShell   Rule = "shell"
	RuleNoGrant Rule = "no-grant"
	RuleWidens  Rule = "widens"

	RuleReadOnly      Rule = "read-only"
	RuleFolder        Rule = "credential-folder"
	RuleSymlinks      Rule = "symlinks"
	RuleNames         Rule = "names"
	RuleUploads       Rule = "uploads"
	RuleLargestUpload Rule = "largest-upload"
	RuleReserved      Rule = "reserved"
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
	{RuleDoorCredential, "Is the credential for this door?", "the credential's doors", "use or make a credential for this door"},
	{RuleBan, "Is the address banned for failing too often?", "site ban.failures, ban.period", "wait until the ban ends"},
	{RuleLockout, "Is the account locked after too many failures?", "site lockout.failures, lockout.period, lockout.scope", "unlock the account, or wait until the period ends"},
	{RuleStatus, "Is the account enabled?", "account status", "enable the account"},
	{RuleExpiry, "Is the account's last day still to come?", "account expires", "set a later date"},
	{RuleAddress, "May the account come from this address?", "site and account allowed_ips, account bypass_site_allowed_ips", "add the address to the site's or the account's list"},
	{RuleCredentialAddress, "May the credential be used from this address?", "the credential's addresses", "add the address to the credential's list"},
	{RuleTransport, "Does the connection keep the credential secret?", "none", "use https, or a trusted proxy that says https"},
	{RulePlainFTP, "May the account use FTP without encryption?", "account plain_ftp, else site plain_ftp", "use explicit TLS, or allow plain FTP for the account"},
	{RuleCredential, "Was the credential proved?", "the account's credentials", "use the right credential, or set a new one"},
	{RuleCredentialExpiry, "Is the credential still good?", "the credential's expiry, site password.max_age_days", "make a new credential, or change the password"},
	{RuleMustChange, "Must the password be changed first?", "account password, must change", "change the password by web or API"},
	{RuleSessionsAccount, "Has the account a session left?", "limits.sessions of account, groups or site", "end a session, or raise the limit"},
	{RuleSessionsAddress, "Has the address a session left?", "limits.sessions_per_address of account, groups or site", "end a session, or raise the limit"},
	{RuleSessionsSite, "Has the site a session left?", "site max_sessions", "wait for sessions to end, or raise the limit"},
	{RuleAdmitted, "No rule refuses.", "none", ""},
	{RuleLocalSocket, "Who can open the local socket is an administrator.", "the mode of the socket", ""},

	{RuleRole, "Administrators have every right on the whole tree.", "account role", "change the role"},
	{RuleHome, "An account has every right on its home.", "account home", "change the home"},
	{RuleGrant, "A grant of the account or of one of its groups gives the right.", "grants of account and groups", "remove the grant"},
	{RuleShell, "A folder on the way to a granted one is visible.", "grants of account and groups", "remove the grant"},
	{RuleNoGrant, "No grant gives the right on this path.", "grants of account and groups", "add a grant on the path or on a folder above it"},
	{RuleWidens, "Moving gives no right on a file that the account did not have.", "grants of account and groups", "grant the missing right at the source"},
	{RuleReadOnly, "Is the credential read-only?", "the credential's scope", "use a credential that may write"},
	{RuleFolder, "Is the credential for this folder?", "the credential's folder", "use a credential for this folder"},
	{RuleSymlinks, "May clients make symbolic links?", "site symlinks", "allow symlinks for the site"},
	{RuleNames, "Is the new name one that every system can hold?", "site names", "use another name, or set names to any"},
	{RuleUploads, "May an upload be appended to or resumed?", "uploads of account or site", "set uploads to in-place, or send the file as a whole"},
	{RuleLargestUpload, "Is the upload within the largest allowed?", "limits.largest_upload of account, groups or site", "raise the limit"},
	{RuleReserved, "Is the name the gateway's own?", "none", "use another name"},
}
