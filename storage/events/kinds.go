package events

import (
	"slices"
	"strings"
)

// A KindText says what a kind of event tells of. The documents are made of it.
type KindText struct {
	Kind  Kind   `json:"kind"`
	Tells string `json:"tells"`
}

// Kinds returns every kind of event, by subject.
func Kinds() []KindText {
	var list []KindText
	for _, s := range kindSections {
		list = append(list, s.kinds...)
	}
	return list
}

// Asks reports whether a filter is one that some event may pass: a kind, or the
// beginning of one up to a dot.
func (k Kind) Asks() bool {
	return slices.ContainsFunc(Kinds(), func(t KindText) bool { return t.Kind.Under(k) })
}

// Under reports whether a kind is a filter's, or stands below it: login.refused
// is under login. A dot at the filter's end leaves out the filter itself.
func (k Kind) Under(filter Kind) bool {
	rest, ok := strings.CutPrefix(string(k), string(filter))
	return ok && (rest == "" || rest[0] == '.' || strings.HasSuffix(string(filter), "."))
}

type kindSection struct {
	title, about string
	kinds        []KindText
}

var kindSections = []kindSection{
	{"Coming in", "Durable before the client hears the answer; `logout`, which nobody waits for, within a second. A session of requests (WebDAV, the API) has one login and one logout, not one for each request.", []KindText{
		{Login, "somebody was let in at a door"},
		{Refused, "somebody was not let in: rule and reference say why"},
		{"login.code", "everything was right so far, and the code of the second factor was asked for"},
		{Logout, "a session ended by itself, or its client ended it"},
		{Cut, "a session was ended from outside: a rule holds no more, or somebody ended it"},
		{"account.lockout", "an account was locked after too many failures"},
		{"address.ban", "an address was banned after too many failures"},
	}},
	{"Files", "One event for each handle, tree operation or download, whichever the door; on the disk within a second.", []KindText{
		{Upload, "a file was written, with the bytes received"},
		{Download, "a file was read, with the bytes sent"},
		{ListFolder, "a folder was listed"},
		{Mkdir, "a folder was made"},
		{Delete, "a file or a folder was removed"},
		{Rename, "a file or a folder was moved to target"},
		{Copy, "a file or a folder was copied to target"},
		{SetAttr, "times, modes or the size of a file were changed"},
		{Link, "a link to target was made"},
		{Property, "WebDAV properties were changed"},
		{LockTree, "a lock was taken"},
		{Unlock, "a lock was given back"},
	}},
	{"Accounts", "Changes over the API and the local socket: before and after hold the fields that differ. Of a secret they say that it was set, replaced or removed, and nothing of what it is.", []KindText{
		{"account.create", "an account was made"},
		{"account.clone", "an account was made like another"},
		{"account.change", "settings of an account were changed"},
		{"account.profile", "somebody changed what is its own: name, language, time zone, e-mails"},
		{"account.delete", "an account was deleted"},
		{"account.disable", "an account was disabled, by hand or for being unused"},
		{"account.enable", "an account was enabled again"},
		{"account.unlock", "a lockout was lifted"},
		{"account.export", "the list of accounts was taken as CSV"},
		{"account.password", "a password was set or replaced"},
		{"account.reset-link", "a link for a new password was handed out"},
		{"account.key.add", "an SSH key was added"},
		{"account.key.remove", "an SSH key was removed"},
		{"account.app-password.add", "an app password was made"},
		{"account.app-password.remove", "an app password was revoked"},
		{"account.token.add", "a token was made"},
		{"account.token.remove", "a token was revoked"},
		{"account.client.add", "a client was registered"},
		{"account.client.remove", "a client was revoked"},
		{"account.sync.add", "a client's sync was added"},
		{"account.sync.change", "a client's sync was changed"},
		{"account.sync.remove", "a client's sync was removed"},
		{"account.totp.enrol", "a second factor was set up"},
		{"account.totp.remove", "somebody took its own second factor away"},
		{"account.totp.reset", "an administrator took a second factor away"},
		{"account.recovery-codes", "new recovery codes were made"},
		{"account.grant.add", "a grant was given to an account"},
		{"account.grant.remove", "a grant was taken from an account"},
		{"invitation.create", "somebody was invited"},
		{"invitation.revoke", "an invitation was revoked"},
		{"invitation.accept", "an invitation was accepted, and an account made"},
	}},
	{"Groups, site and what is shared by all", "As for accounts.", []KindText{
		{"group.create", "a group was made"},
		{"group.change", "settings of a group were changed"},
		{"group.delete", "a group was deleted"},
		{"group.member.add", "an account was put into a group"},
		{"group.member.remove", "an account was taken out of a group"},
		{"group.grant.add", "a grant was given to a group"},
		{"group.grant.remove", "a grant was taken from a group"},
		{"site.change", "the site's policy was changed"},
		{"session.end", "somebody ended a session"},
		{"lock.break", "somebody broke a lock"},
		{"quota.set", "the quota of a folder was set"},
		{"quota.rescan", "a folder was counted anew"},
		{QuotaDrift, "a check found that a folder was changed behind the gateway's back, and set its quota right: before and after hold the use"},
		{"address.unban", "a ban was lifted"},
		{"export", "accounts, groups and site were exported"},
		{"document.apply", "a document of accounts, groups and site was applied: after has how many records were changed and refused, and each change has an event of its own before this one"},
		{"change.intent", "a change is about to be made; after names its kind. Where no event of that kind follows, it was refused, or the gateway was ended in the middle of it"},
	}},
	{"Webhooks", "Addresses are told without their query, which may hold a secret of the other side's; of the webhook's own secret nothing is told.", []KindText{
		{"webhook.create", "a webhook was made"},
		{"webhook.change", "settings of a webhook were changed; without an actor: the gateway disabled it, as the other side is gone for good"},
		{"webhook.delete", "a webhook was removed"},
		{"webhook.rotate", "a webhook was given a new secret"},
		{"webhook.retry", "messages that had been given up are tried again"},
		{"webhook.drop", "messages that had been given up were forgotten"},
		{"webhook.missed", "events were older than the trail keeps before a webhook had them; after has the first and the last position. That webhook hears of it whatever its filter"},
	}},
	{"The trail itself", "", []KindText{
		{Lost, "events before this one could not be kept"},
		{Resumed, "the store takes events again after it had failed"},
		{Signed, "a signed checkpoint of the chain before it"},
		{Broken, "the trail was found changed in what its age removes"},
		{Unreadable, "an entry that is no event any more"},
	}},
}

// KindsPage is the list of kinds as a Markdown page for administrators.
func KindsPage() string {
	var b strings.Builder
	b.WriteString(kindsHead)
	for _, s := range kindSections {
		b.WriteString("\n## " + s.title + "\n\n")
		if s.about != "" {
			b.WriteString(s.about + "\n\n")
		}
		b.WriteString("| kind | tells that |\n| --- | --- |\n")
		for _, t := range s.kinds {
			b.WriteString("| `" + string(t.Kind) + "` | " + t.Tells + " |\n")
		}
	}
	return b.String()
}

const kindsHead = `# The kinds of events

What ` + "`gatehouse event list --kind`" + ` and ` + "`GET /events?kind=`" + ` take. A kind stands for itself and for what is below it: ` + "`login`" + ` is
every login, let in or refused, ` + "`login.refused`" + ` the refused ones alone, ` + "`account`" + ` every change of accounts. What each event holds
beside its kind, and how long it is kept, is told in [audit.md](audit.md). This page is made from the program itself.
`
