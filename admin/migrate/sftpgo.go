package migrate

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"gatehouse/admin/document"
	"gatehouse/admin/record"
	"gatehouse/policy"
)

// dump is what its API writes: lists of records. What is not read here is counted.
type dump struct {
	Users   []user
	Folders []folder
	Groups  []group
	Admins  []administrator
	Others  map[string]int // records of other kinds
}

type user struct {
	Username       string       `json:"username"`
	Status         *int         `json:"status"`
	Email          string       `json:"email"`
	Description    string       `json:"description"`
	AdditionalInfo string       `json:"additional_info"`
	ExpirationDate int64        `json:"expiration_date"` // milliseconds
	Password       string       `json:"password"`
	PublicKeys     []string     `json:"public_keys"`
	VirtualFolders []folder     `json:"virtual_folders"`
	UID            int          `json:"uid"`
	GID            int          `json:"gid"`
	Filesystem     filesystem   `json:"filesystem"`
	Groups         []membership `json:"groups"`
	PasswordChange int64        `json:"last_password_change"` // milliseconds
	Role           string       `json:"role"`
	settings
}

// settings are what users and groups have in common.
type settings struct {
	HomeDir           string              `json:"home_dir"`
	MaxSessions       int                 `json:"max_sessions"`
	QuotaSize         int64               `json:"quota_size"`
	QuotaFiles        int64               `json:"quota_files"`
	Permissions       map[string][]string `json:"permissions"`
	UploadBandwidth   int64               `json:"upload_bandwidth"` // KiB per second
	DownloadBandwidth int64               `json:"download_bandwidth"`
	UploadTransfer    int64               `json:"upload_data_transfer"`
	DownloadTransfer  int64               `json:"download_data_transfer"`
	TotalTransfer     int64               `json:"total_data_transfer"`
	Filters           filters             `json:"filters"`
}

type filters struct {
	AllowedIP          []string                   `json:"allowed_ip"`
	DeniedIP           []string                   `json:"denied_ip"`
	DeniedLoginMethods []string                   `json:"denied_login_methods"`
	DeniedProtocols    []string                   `json:"denied_protocols"`
	MaxUploadFileSize  int64                      `json:"max_upload_file_size"`
	PasswordChange     bool                       `json:"require_password_change"`
	PasswordExpiration int                        `json:"password_expiration"`
	TwoFactorProtocols []string                   `json:"two_factor_protocols"`
	TOTP               totp                       `json:"totp_config"`
	FilePatterns       []json.RawMessage          `json:"file_patterns"`
	BandwidthLimits    []json.RawMessage          `json:"bandwidth_limits"`
	AccessTime         []json.RawMessage          `json:"access_time"`
	TLSCerts           []string                   `json:"tls_certs"`
	TLSUsername        string                     `json:"tls_username"`
	StartDirectory     string                     `json:"start_directory"`
	WebClient          []string                   `json:"web_client"`
	Hooks              map[string]json.RawMessage `json:"hooks"`
}

type filesystem struct {
	Provider int `json:"provider"`
}

type membership struct {
	Name string `json:"name"`
	Type int    `json:"type"`
}

type folder struct {
	Name        string     `json:"name"`
	MappedPath  string     `json:"mapped_path"`
	VirtualPath string     `json:"virtual_path"`
	QuotaSize   int64      `json:"quota_size"`
	QuotaFiles  int64      `json:"quota_files"`
	Filesystem  filesystem `json:"filesystem"`
}

type group struct {
	Name           string   `json:"name"`
	Description    string   `json:"description"`
	Settings       settings `json:"user_settings"`
	VirtualFolders []folder `json:"virtual_folders"`
}

// primary is the type of the one group whose settings a user takes over.
const primary = 1

// SFTPGo reads a dump of SFTPGo, as its dumpdata writes it.
func SFTPGo(r io.Reader, o Options) (*Import, error) {
	d, err := readDump(r)
	if err != nil {
		return nil, err
	}
	c := &converter{Import: newImport(), options: o, folders: map[string]folder{}, groups: map[string]group{}, bounds: bounds{}}
	for _, f := range d.Folders {
		c.folders[f.Name] = f
	}
	for _, g := range d.Groups {
		c.groups[g.Name] = g
		c.group(g)
	}
	for _, u := range d.Users {
		c.user(u)
	}
	for _, a := range d.Admins {
		c.administrator(a)
	}
	c.folderQuotas()
	for _, kind := range slices.Sorted(maps.Keys(d.Others)) {
		c.remark("site", "", "%d records of the kind %s are left out", d.Others[kind], kind)
	}
	return c.Import, nil
}

func readDump(r io.Reader) (dump, error) {
	var all map[string]json.RawMessage
	if err := json.NewDecoder(r).Decode(&all); err != nil {
		return dump{}, fmt.Errorf("this is no dump of SFTPGo: %w", err)
	}
	d := dump{Others: map[string]int{}}
	known := map[string]any{"users": &d.Users, "folders": &d.Folders, "groups": &d.Groups, "admins": &d.Admins}
	for key, raw := range all {
		into, ok := known[key]
		if !ok {
			var list []json.RawMessage
			if json.Unmarshal(raw, &list) == nil && len(list) > 0 {
				d.Others[key] = len(list)
			}
			continue
		}
		if err := json.Unmarshal(raw, into); err != nil {
			return d, fmt.Errorf("read the %s of the dump: %w", key, err)
		}
	}
	if _, ok := all["users"]; !ok {
		return d, fmt.Errorf("this is no dump of SFTPGo: it has no users")
	}
	return d, nil
}

// A converter makes a document of a dump.
type converter struct {
	*Import
	options Options
	folders map[string]folder
	groups  map[string]group
	bounds  bounds
}

func (c *converter) user(u user) {
	x := document.DocumentAccount{Username: u.Username, AdoptHome: c.options.AdoptHomes}
	x.Email, x.Notes = u.Email, strings.TrimSpace(u.Description+"\n"+u.AdditionalInfo)
	if u.Status != nil && *u.Status == 0 {
		x.Disabled, x.DisabledWhy = true, "inactive in SFTPGo"
	}
	if u.ExpirationDate > 0 {
		x.Expires = new(time.UnixMilli(u.ExpirationDate).UTC().Format(time.RFC3339))
	}
	if u.UID > 0 || u.GID > 0 {
		x.UID, x.GID = &u.UID, &u.GID
	}
	for _, g := range u.Groups {
		if g.Type == primary {
			u.settings = u.under(c.groups[g.Name].Settings, u.Username)
		}
		x.Groups = append(x.Groups, g.Name)
	}
	c.credentials(&x, u)
	c.network(&x, u.Filters)
	x.Limits = limitsOf(u.settings)
	c.home(&x, u)
	for _, f := range u.VirtualFolders {
		if g, ok := c.virtual("account", u.Username, f, u.Permissions); ok {
			x.Grants = append(x.Grants, g)
		}
	}
	c.leftOut("account", u.Username, u.settings)
	if u.Role != "" {
		c.remark("account", u.Username, "its role %q among administrators has no counterpart: see managed_by", u.Role)
	}
	c.add(x)
}

// under fills in what a user takes over from its primary group.
func (u user) under(g settings, name string) settings {
	s := u.settings
	if s.HomeDir == "" {
		s.HomeDir = strings.ReplaceAll(g.HomeDir, "%username%", name)
	}
	if len(s.Permissions) == 0 {
		s.Permissions = g.Permissions
	}
	return s
}

// credentials sets the password and keys that the user may log in with.
func (c *converter) credentials(x *document.DocumentAccount, u user) {
	var password, key bool // denied
	for _, method := range u.Filters.DeniedLoginMethods {
		switch method {
		case "password", "keyboard-interactive":
			password = password || method == "password"
		case "publickey":
			key = true
		default:
			c.remark("account", u.Username, "the denied login method %s has no counterpart", method)
		}
	}
	switch {
	case password && u.Password != "":
		c.remark("account", u.Username, "it may not log in with its password, which is left out")
	case u.Password != "":
		p := document.DocumentPassword{Hash: u.Password, MustChange: u.Filters.PasswordChange}
		if u.PasswordChange > 0 {
			p.Changed = time.UnixMilli(u.PasswordChange).UTC()
		}
		c.password(x, p)
	}
	if u.Filters.PasswordExpiration > 0 && x.Secrets != nil {
		x.PasswordMaxAge = &u.Filters.PasswordExpiration
	}
	c.factor(x, u.Filters.TOTP)
	if key && len(u.PublicKeys) > 0 {
		c.remark("account", u.Username, "it may not log in with a key: its keys are left out")
		return
	}
	for _, k := range u.PublicKeys {
		x.Keys = append(x.Keys, document.DocumentKey{PublicKey: strings.TrimSpace(k)})
	}
}

// doorsOf names the doors of each of its protocols.
var doorsOf = map[string][]policy.Door{
	"SSH": {policy.SFTP}, "FTP": {policy.FTP}, "DAV": {policy.WebDAV}, "HTTP": {policy.Web, policy.API},
}

func (c *converter) network(x *document.DocumentAccount, f filters) {
	x.AllowedIPs = f.AllowedIP
	if len(f.DeniedProtocols) == 0 {
		return
	}
	open := []string{}
	for _, protocol := range []string{"SSH", "FTP", "DAV", "HTTP"} {
		if !slices.Contains(f.DeniedProtocols, protocol) {
			for _, d := range doorsOf[protocol] {
				open = append(open, string(d))
			}
		}
	}
	x.Protocols = &open
}

func limitsOf(s settings) *policy.Limits {
	l := policy.Limits{
		Sessions: s.MaxSessions, UploadRate: s.UploadBandwidth << 10, DownloadRate: s.DownloadBandwidth << 10,
		LargestUpload: s.Filters.MaxUploadFileSize,
	}
	if l == (policy.Limits{}) {
		return nil
	}
	return &l
}

func quotaOf(bytes, files int64) *record.QuotaSettings {
	var q record.QuotaSettings
	if bytes > 0 {
		q.LimitBytes = &bytes
	}
	if files > 0 {
		q.LimitFiles = &files
	}
	if q == (record.QuotaSettings{}) {
		return nil
	}
	return &q
}

func (c *converter) group(g group) {
	out := document.DocumentGroup{Name: g.Name}
	out.Limits, out.Quota = limitsOf(g.Settings), quotaOf(g.Settings.QuotaSize, g.Settings.QuotaFiles)
	for _, f := range g.VirtualFolders {
		if grant, ok := c.virtual("group", g.Name, f, g.Settings.Permissions); ok {
			out.Grants = append(out.Grants, grant)
		}
	}
	if f := g.Settings.Filters; len(f.AllowedIP) > 0 || len(f.DeniedProtocols) > 0 {
		c.remark("group", g.Name, "addresses and protocols that it denies or allows its members have no counterpart: set them on the accounts")
	}
	c.leftOut("group", g.Name, g.Settings)
	c.Document.Groups = append(c.Document.Groups, out)
}

// leftOut names what of the settings has no counterpart.
func (c *converter) leftOut(kind, name string, s settings) {
	f := s.Filters
	hooks := false
	for _, v := range f.Hooks {
		hooks = hooks || string(v) == "true"
	}
	for _, left := range []struct {
		is   bool
		what string
	}{
		{len(f.DeniedIP) > 0, "denied addresses (denied_ip)"},
		{len(f.FilePatterns) > 0, "allowed and denied file patterns"},
		{len(f.BandwidthLimits) > 0, "bandwidth by source address"},
		{len(f.AccessTime) > 0, "access by time of day"},
		{len(f.TLSCerts) > 0 || f.TLSUsername != "" && f.TLSUsername != "None", "TLS client certificates"},
		{f.StartDirectory != "" && f.StartDirectory != "/", "start directory"},
		{len(f.WebClient) > 0, "restrictions of the web client"},
		{len(f.TwoFactorProtocols) > 0, "second factor by protocol"},
		{hooks, "disabled hooks"},
		{s.partly(), "permissions for files but not for folders, or the other way round"},
		{s.UploadTransfer > 0 || s.DownloadTransfer > 0 || s.TotalTransfer > 0, "limits of data transferred"},
	} {
		if left.is {
			c.remark(kind, name, "has no counterpart: %s", left.what)
		}
	}
}
