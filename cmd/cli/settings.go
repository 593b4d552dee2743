package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// settings are the flags that add and set of accounts share.
type settings struct {
	texts, resettable         map[string]*string
	switches                  map[string]*bool
	quota                     string
	quotaFiles                int64
	protocols                 *[]string
	allow, groups             []string
	managedBy, managedByGroup []string
	roots                     map[string]string
	limits                    map[string]string
	uid, gid, passwordMaxAge  int
}

// A textFlag is set as it is given; an empty text resets. With words it takes
// one of them alone.
type textFlag struct {
	name, usage string
	words       []string
}

var textFlags = []textFlag{
	{name: "email", usage: "primary e-mail `ADDRESS`"},
	{name: "recovery-email", usage: "e-mail `ADDRESS` for recovery (default: the primary one)"},
	{name: "display-name", usage: "`NAME` for people"},
	{name: "language", usage: "`LANGUAGE` such as de or en-GB"},
	{name: "theme", usage: "`NAME` of the look of the web pages"},
	{name: "notes", usage: "`TEXT` that administrators alone see"},
	{"role", "", []string{"admin", "auditor", "user", "guest"}},
	{name: "home", usage: "tree `PATH` of its home (default: /home/NAME)"},
	{name: "time-zone", usage: "its time `ZONE`, such as Europe/Berlin"},
	{"plain-ftp", "FTP without TLS", []string{"inherit", "allow", "deny"}},
	{"uploads", "what a broken upload leaves", []string{"inherit", "in-place", "atomic"}},
	{"share-links", "may make links for others", []string{"inherit", "allow", "deny"}},
	{"desktop-access", "programs that sync", []string{"inherit", "allow", "deny"}},
	{"second-factor", "", []string{"inherit", "required", "exempt"}},
}

// switchFlags are yes or no; --flag=false takes back.
var switchFlags = [][2]string{
	{"bypass-site-allowed-ips", "the site's list does not hold for the account"}, {"shared", "a bot: changes none of its own credentials"},
	{"manage-users", "may make and change users that it manages"}, {"manage-guests", "may make and change guests that it manages"},
	{"manage-personal-groups", "may make groups of its own"},
	{"second-factor-with-key", "SFTP asks for a code after a key, too"},
}

// doorNames are the doors that accounts and groups may use.
var doorNames = []string{"sftp", "ftp", "webdav", "web", "api"}

// limitNames are the limits of --limit.
var limitNames = []string{
	"sessions", "sessions_per_address", "upload_rate", "download_rate", "largest_upload", "bytes_per_day", "bytes_per_month", "ops_per_second",
}

// flags defines them all but those named: these the command cannot carry out.
func (s *settings) flags(cmd *cobra.Command, without ...string) {
	f := cmd.Flags()
	s.texts, s.resettable, s.switches = map[string]*string{}, map[string]*string{}, map[string]*bool{}
	for _, flag := range textFlags {
		switch {
		case slices.Contains(without, flag.name):
		case flag.words != nil:
			s.texts[flag.name] = oneOf(f, flag.name, flag.usage, flag.words...)
		default:
			s.texts[flag.name] = f.String(flag.name, "", flag.usage)
		}
	}
	for _, flag := range switchFlags {
		if !slices.Contains(without, flag[0]) {
			s.switches[flag[0]] = f.Bool(flag[0], false, flag[1])
		}
	}
	s.resettable["root"] = f.String("root", "", "tree `PATH` that the account sees as / (default: its home)")
	s.resettable["expires"] = f.String("expires", "", "last `DAY` YYYY-MM-DD in its time zone, or an RFC 3339 instant (\"never\")")
	f.IntVar(&s.uid, "uid", -1, "`ID` of the owner on disk of what the account makes (-1: the mount's)")
	f.IntVar(&s.gid, "gid", -1, "`ID` of the group on disk of what the account makes (-1: the mount's)")
	f.IntVar(&s.passwordMaxAge, "password-max-age", -1, "`DAYS` until the password must be changed (0: never, -1: as the site says)")
	s.protocols = someOf(f, "protocols", "doors it may use", append(slices.Clone(doorNames), "inherit")...)
	f.StringSliceVar(&s.allow, "allow-ip", nil, "address or `CIDR` the account may come from (\"any\" for no list)")
	f.StringVar(&s.quota, "quota", "", "`BYTES` its home may hold: 10GiB (\"none\" for unlimited)")
	f.Int64Var(&s.quotaFiles, "quota-files", -1, "`FILES` its home may hold (-1: unlimited)")
	f.StringSliceVar(&s.groups, "group", nil, "`GROUP` it is a member of (\"none\" for no group)")
	f.StringSliceVar(&s.managedBy, "managed-by", nil, "`ACCOUNT` that manages it (\"none\" for nobody)")
	f.StringSliceVar(&s.managedByGroup, "managed-by-group", nil, "`GROUP` whose managers manage it (\"none\" for no group)")
	pairsFlag(f, &s.roots, "door-root", "`DOOR=PATH` root at one door: sftp=/a,ftp=/b (an empty path takes it back)")
	pairsFlag(f, &s.limits, "limit", limitUsage)
}

const limitUsage = "`NAME=FIGURE` of sessions, sessions_per_address, upload_rate, download_rate, largest_upload, bytes_per_day, bytes_per_month,\n" +
	"ops_per_second; sizes such as 10MiB, rates in bytes a second (0: inherit, -1: unlimited, whatever groups and site say)"

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
		"protocols": {"protocols", "inherit", *s.protocols}, "allow-ip": {"allowed_ips", "any", s.allow},
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
		if !slices.Contains(limitNames, name) {
			return usagef("--limit: %q is no limit; there are %s", name, strings.Join(limitNames, ", "))
		}
		if text == "-1" {
			limits[name] = -1
			continue
		}
		n, err := parseSize("limit "+name, text)
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
		n, err := sizeOrNull("quota", s.quota)
		if err != nil {
			return err
		}
		limits["limit_bytes"] = n
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

// sizeOrNull reads the size that a flag was given; "none" is null.
func sizeOrNull(flag, text string) (any, error) {
	if text == "none" {
		return nil, nil
	}
	return parseSize(flag, text)
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
