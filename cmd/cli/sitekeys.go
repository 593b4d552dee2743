package cli

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gatehouse/policy"
)

// How the value of a site key is written on a command line.
const (
	siteText = iota
	siteList
	siteNumber
	siteSize
	siteSwitch
)

// A siteKey is one setting of the site.
type siteKey struct {
	name    string
	kind    int
	meaning string
}

// siteKeys are all of them, in the order of their names.
var siteKeys = []siteKey{
	{"allowed_ips", siteList, "addresses or CIDR that people may come from; none: from anywhere"},
	{"audit.keep_days", siteNumber, "days that events are kept; 0: for ever"},
	{"audit.on_failure", siteText, "refuse or continue: logins, changes and file operations while the log takes no events"},
	{"ban.failures", siteNumber, "failures from one address until it is banned; 0: off"},
	{"ban.period", siteText, "how long a ban lasts and failures count, such as 30m"},
	{"disable_inactive_after_days", siteNumber, "an account that nobody used for so long is disabled; 0: off"},
	{"doors", siteList, "those that are open at all: sftp, ftp, webdav, web, api"},
	{"language", siteText, "of accounts that name none, such as en"},
	{"limits.bytes_per_day", siteSize, "up and down, of each account; 0: no limit"},
	{"limits.bytes_per_month", siteSize, "up and down, of each account; 0: no limit"},
	{"limits.download_rate", siteSize, "bytes a second, of each account; 0: no limit"},
	{"limits.largest_upload", siteSize, "bytes of one file; 0: no limit"},
	{"limits.ops_per_second", siteNumber, "of each account; 0: no limit"},
	{"limits.sessions", siteNumber, "open at once, of each account; 0: no limit"},
	{"limits.sessions_per_address", siteNumber, "open at once, from each address; 0: no limit"},
	{"limits.upload_rate", siteSize, "bytes a second, of each account; 0: no limit"},
	{"lock_profiles", siteSwitch, "administrators change names and e-mail addresses, not people their own; the rest is self_service's"},
	{"lockout.failures", siteNumber, "wrong passwords or codes in a row until an account is locked; 0: off"},
	{"lockout.period", siteText, "how long a lockout lasts and failures count, such as 15m"},
	{"lockout.scope", siteText, "passwords: keys, app passwords and tokens go on; all: nothing new comes in"},
	{"max_sessions", siteNumber, "open at once, of all accounts together; 0: no limit"},
	{"names", siteText, "any, or portable: new files only with names that every system can hold"},
	{"password.max_age_days", siteNumber, "days until a password must be changed; 0: never"},
	{"password.min_length", siteNumber, "characters that a new password has at least"},
	{"plain_ftp", siteText, "allow or deny: FTP without TLS"},
	{"second_factor", siteText, "optional or required"},
	{"self_service.email", siteSwitch, "people change their e-mail addresses"},
	{"self_service.keys", siteSwitch, "people add keys, app passwords, tokens and clients"},
	{"self_service.password", siteSwitch, "people change their passwords"},
	{"self_service.profile", siteSwitch, "people change name, language, time zone and theme"},
	{"ssh_user_cas", siteList, "public keys themselves of authorities that certify users: \"$(cat ca.pub)\", several with a comma between"},
	{"symlinks", siteText, "allow or deny: clients make links"},
	{"time_zone", siteText, "of accounts that name none, and of the days and months that limits count, such as Europe/Berlin"},
	{"uploads", siteText, "in-place (a broken upload can be resumed) or atomic (the old content stays until the new is whole)"},
}

// value makes of a text what the API takes; an empty one resets.
func (k siteKey) value(text string) (any, error) {
	if text == "" {
		return nil, nil
	}
	switch k.kind {
	case siteList:
		list := strings.Split(text, ",")
		if i := slices.IndexFunc(list, isKeyFile); k.name == "ssh_user_cas" && i >= 0 {
			return nil, usagef("ssh_user_cas: %q is no key; give the key itself: ssh_user_cas=\"$(cat ca.pub)\"", list[i])
		}
		return list, nil
	case siteNumber:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, usagef("%s: %q is no whole number", k.name, text)
		}
		return n, nil
	case siteSize:
		if text == "-1" {
			return -1, nil
		}
		return parseSize(k.name, text)
	case siteSwitch:
		yes, err := strconv.ParseBool(text)
		if err != nil {
			return nil, usagef("%s: %q is neither true nor false", k.name, text)
		}
		return yes, nil
	}
	return text, nil
}

// isKeyFile reports whether a text without a space, which each key's line has,
// stands where one should.
func isKeyFile(text string) bool { return !strings.Contains(strings.TrimSpace(text), " ") }

// in writes what the key has in a site, as set takes it.
func (k siteKey) in(site map[string]any) string {
	var value any = site
	for part := range strings.SplitSeq(k.name, ".") {
		inner, _ := value.(map[string]any)
		value = inner[part]
	}
	switch v := value.(type) {
	case nil:
		if k.kind == siteNumber || k.kind == siteSize {
			return "0" // limits are left out where they are none
		}
		return ""
	case []any:
		var list []string
		for _, one := range v {
			list = append(list, fmt.Sprint(one))
		}
		return strings.Join(list, ",")
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(value)
}

// siteChange reads KEY=VALUE into what the API takes.
func siteChange(body map[string]any, arg string) error {
	name, text, ok := strings.Cut(arg, "=")
	if !ok {
		return usagef("%q is not KEY=VALUE", arg)
	}
	i := slices.IndexFunc(siteKeys, func(k siteKey) bool { return k.name == name })
	if i < 0 {
		return usagef("%q is no key of the site: %s", name, siteKeysLike(name))
	}
	value, err := siteKeys[i].value(text)
	if err != nil {
		return err
	}
	parts := strings.Split(name, ".")
	for _, part := range parts[:len(parts)-1] {
		inner, ok := body[part].(map[string]any)
		if !ok {
			inner = map[string]any{}
			body[part] = inner
		}
		body = inner
	}
	body[parts[len(parts)-1]] = value
	return nil
}

// siteKeysLike names the keys that may have been meant.
func siteKeysLike(name string) string {
	section, _, _ := strings.Cut(name, ".")
	var like []string
	for _, k := range siteKeys {
		if strings.HasPrefix(k.name, section+".") || strings.HasSuffix(k.name, "."+name) {
			like = append(like, k.name)
		}
	}
	if like == nil {
		return "see gatehouse site set --help"
	}
	return "there is " + strings.Join(like, ", ")
}

// defaultSite is what nobody has changed, as the API would show it.
func defaultSite() map[string]any {
	var site map[string]any
	text, _ := json.Marshal(policy.DefaultSite())
	_ = json.Unmarshal(text, &site)
	return site
}

// siteKeysHelp lists the keys with what they are at first.
func siteKeysHelp() string {
	site := defaultSite()
	var list strings.Builder
	for _, k := range siteKeys {
		fmt.Fprintf(&list, "  %-36s %s\n", k.name+"="+k.in(site), k.meaning)
	}
	return list.String()
}
