package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

// settings are the flags that add and set share.
type settings struct {
	texts, resettable         map[string]*string
	switches                  map[string]*bool
	quota                     string
	quotaFiles                int64
	protocols, allow, groups  []string
	managedBy, managedByGroup []string
	roots                     map[string]string
	limits                    map[string]string
	uid, gid, passwordMaxAge  int
}

// textFlags are set as they are given; an empty text resets.
var textFlags = [][2]string{
	{"email", "primary e-mail address"}, {"recovery-email", "e-mail address for recovery (default: the primary one)"},
	{"display-name", "name for people"}, {"language", "such as de or en-GB"}, {"theme", "of the web pages"},
	{"notes", "seen by administrators alone"}, {"role", "admin, auditor, user or guest"},
	{"home", "tree path of its home (default: /home/NAME)"}, {"time-zone", "the account's time zone, such as Europe/Berlin"},
	{"plain-ftp", "inherit, allow or deny FTP without TLS"}, {"uploads", "in-place, atomic or inherit"},
	{"share-links", "inherit, allow or deny"}, {"desktop-access", "inherit, allow or deny"},
	{"second-factor", "inherit, required or exempt"},
}

// switchFlags are yes or no; --flag=false takes back.
var switchFlags = [][2]string{
	{"bypass-site-allowed-ips", "the site's list does not hold for the account"}, {"shared", "a bot: changes none of its own credentials"},
	{"manage-users", "may make and change users that it manages"}, {"manage-guests", "may make and change guests that it manages"},
	{"manage-personal-groups", "may make groups of its own"},
	{"second-factor-with-key", "SFTP asks for a code after a key, too"},
}

// limitNames are the limits of --limit.
const limitNames = "sessions, sessions_per_address, upload_rate, download_rate, largest_upload, bytes_per_day, bytes_per_month, ops_per_second"

func (s *settings) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	s.texts, s.resettable, s.switches = map[string]*string{}, map[string]*string{}, map[string]*bool{}
	for _, flag := range textFlags {
		s.texts[flag[0]] = f.String(flag[0], "", flag[1])
	}
	for _, flag := range switchFlags {
		s.switches[flag[0]] = f.Bool(flag[0], false, flag[1])
	}
	s.resettable["root"] = f.String("root", "", "tree path that the account sees as / (default: its home)")
	s.resettable["expires"] = f.String("expires", "", "last day YYYY-MM-DD, or an RFC 3339 instant (\"never\")")
	f.IntVar(&s.uid, "uid", -1, "owner on disk of what the account makes (-1: the mount's)")
	f.IntVar(&s.gid, "gid", -1, "group on disk of what the account makes (-1: the mount's)")
	f.IntVar(&s.passwordMaxAge, "password-max-age", -1, "days until the password must be changed (0: never, -1: as the site says)")
	f.StringSliceVar(&s.protocols, "protocols", nil, "of sftp,ftp,webdav,web,api (\"inherit\" for the default)")
	f.StringSliceVar(&s.allow, "allow-ip", nil, "address or CIDR the account may come from (\"any\" for no list)")
	f.StringVar(&s.quota, "quota", "", "bytes its home may hold: 10GiB (\"none\" for unlimited)")
	f.Int64Var(&s.quotaFiles, "quota-files", -1, "files its home may hold (-1: unlimited)")
	f.StringSliceVar(&s.groups, "group", nil, "group it is a member of (\"none\" for no group)")
	f.StringSliceVar(&s.managedBy, "managed-by", nil, "account that manages it (\"none\" for nobody)")
	f.StringSliceVar(&s.managedByGroup, "managed-by-group", nil, "group whose managers manage it (\"none\" for no group)")
	f.StringToStringVar(&s.roots, "door-root", nil, "root at one door: sftp=/a,ftp=/b (an empty path takes it back)")
	f.StringToStringVar(&s.limits, "limit", nil, "NAME=FIGURE of "+limitNames+" (0: inherit); sizes such as 10MiB")
}

// body returns the settings that the command line named; null resets.
func (s *settings) body(cmd *cobra.Command) (map[string]any, error) {
	body := map[string]any{}
	changed := cmd.Flags().Changed
	for flag, value := range s.texts {
		if changed(flag) {
			body[key(flag)] = *value
		}
	}
	for flag, value := range s.switches {
		if changed(flag) {
			body[key(flag)] = *value
		}
	}
	for flag, reset := range map[string]string{"root": "", "expires": "never"} {
		if changed(flag) {
			body[flag] = orNull(*s.resettable[flag], reset)
		}
	}
	for flag, id := range map[string]int{"uid": s.uid, "gid": s.gid} {
		if changed(flag) {
			body[flag] = idOrNull(id)
		}
	}
	if changed("password-max-age") {
		body["password_max_age_days"] = idOrNull(s.passwordMaxAge)
	}
	// Most often an empty variable of a script: it must not open the account to all.
	if changed("allow-ip") && len(s.allow) == 0 {
		return nil, usagef("--allow-ip takes an address or CIDR, or \"any\" for no list")
	}
	s.listsBody(cmd, body)
	if err := s.limitsBody(cmd, body); err != nil {
		return nil, err
	}
	return body, s.quotaBody(cmd, body)
}

func key(flag string) string { return strings.ReplaceAll(flag, "-", "_") }

func (s *settings) listsBody(cmd *cobra.Command, body map[string]any) {
	changed := cmd.Flags().Changed
	lists := map[string]struct {
		key, reset string
		value      []string
	}{
		"protocols": {"protocols", "inherit", s.protocols}, "allow-ip": {"allowed_ips", "any", s.allow},
		"group": {"groups", "none", s.groups},
	}
	for flag, l := range lists {
		if changed(flag) {
			body[l.key] = listOrNull(l.value, l.reset)
		}
	}
	managers := map[string]any{}
	if changed("managed-by") {
		managers["accounts"] = listOrNull(s.managedBy, "none")
	}
	if changed("managed-by-group") {
		managers["groups"] = listOrNull(s.managedByGroup, "none")
	}
	if len(managers) > 0 {
		body["managed_by"] = managers
	}
	if changed("door-root") {
		roots := map[string]any{}
		for door, root := range s.roots {
			roots[door] = orNull(root, "")
		}
		body["roots"] = roots
	}
}

func (s *settings) limitsBody(cmd *cobra.Command, body map[string]any) error {
	if !cmd.Flags().Changed("limit") {
		return nil
	}
	limits := map[string]any{}
	for name, text := range s.limits {
		if text == "-1" {
			limits[name] = -1
			continue
		}
		n, err := parseSize(text)
		if err != nil {
			return err
		}
		limits[name] = n
	}
	body["limits"] = limits
	return nil
}

func (s *settings) quotaBody(cmd *cobra.Command, body map[string]any) error {
	limits := map[string]any{}
	if cmd.Flags().Changed("quota") {
		limits["limit_bytes"] = nil
		if s.quota != "none" {
			n, err := parseSize(s.quota)
			if err != nil {
				return err
			}
			limits["limit_bytes"] = n
		}
	}
	if cmd.Flags().Changed("quota-files") {
		limits["limit_files"] = nil
		if s.quotaFiles >= 0 {
			limits["limit_files"] = s.quotaFiles
		}
	}
	if len(limits) > 0 {
		body["quota"] = limits
	}
	return nil
}

func idOrNull(id int) any {
	if id < 0 {
		return nil
	}
	return id
}

func orNull(value, reset string) any {
	if value == reset {
		return nil
	}
	return value
}

func listOrNull(values []string, reset string) any {
	if len(values) == 1 && values[0] == reset {
		return nil
	}
	return values
}
