package policy_test

import (
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"gatehouse/policy"
	"gatehouse/policy/path"
)

func TestProtocols(t *testing.T) {
	sftp, ftp := []policy.Door{policy.SFTP}, []policy.Door{policy.FTP}
	staff := policy.Group{ID: "1", Name: "staff", Protocols: sftp}
	zoo := policy.Group{ID: "2", Name: "zoo", Protocols: ftp}
	none := policy.Group{ID: "3", Name: "none", Protocols: []policy.Door{}}
	silent := policy.Group{ID: "4", Name: "silent"}
	tests := map[string]struct {
		own    []policy.Door
		groups []policy.Group
		sftp   policy.DoorOrigin
		ftp    policy.DoorOrigin
	}{
		"nothing set": {nil, nil,
			policy.DoorOrigin{Door: policy.SFTP, Allowed: true, Origin: "default"},
			policy.DoorOrigin{Door: policy.FTP, Allowed: true, Origin: "default"}},
		"a group without a default": {nil, []policy.Group{silent},
			policy.DoorOrigin{Door: policy.SFTP, Allowed: true, Origin: "default"},
			policy.DoorOrigin{Door: policy.FTP, Allowed: true, Origin: "default"}},
		"the account's own": {sftp, []policy.Group{zoo},
			policy.DoorOrigin{Door: policy.SFTP, Allowed: true, Origin: "account"},
			policy.DoorOrigin{Door: policy.FTP, Origin: "account"}},
		"a group's": {nil, []policy.Group{staff, silent},
			policy.DoorOrigin{Door: policy.SFTP, Allowed: true, Origin: "group staff"},
			policy.DoorOrigin{Door: policy.FTP, Origin: "group staff"}},
		"groups add up": {nil, []policy.Group{zoo, none, staff},
			policy.DoorOrigin{Door: policy.SFTP, Allowed: true, Origin: "group staff"},
			policy.DoorOrigin{Door: policy.FTP, Allowed: true, Origin: "group zoo"}},
		"a group that gives none": {nil, []policy.Group{none},
			policy.DoorOrigin{Door: policy.SFTP, Origin: "group none"},
			policy.DoorOrigin{Door: policy.FTP, Origin: "group none"}},
	}
	for name, tt := range tests {
		own := bob()
		own.Protocols = tt.own
		got := policy.Resolve(policy.DefaultSite(), tt.groups, own).Protocols()
		if got[0] != tt.sftp || got[1] != tt.ftp {
			t.Errorf("%s: %+v", name, got[:2])
		}
	}
}

func TestLimits(t *testing.T) {
	tests := map[string]struct {
		own, site int
		groups    []int
		want      policy.LimitOrigin
	}{
		"nothing set":             {0, 0, nil, policy.LimitOrigin{Value: 0, Origin: "default"}},
		"the site's":              {0, 5, []int{0}, policy.LimitOrigin{Value: 5, Origin: "site"}},
		"the most generous group": {0, 5, []int{2, 4, 3}, policy.LimitOrigin{Value: 4, Origin: "group 1"}},
		"a group without limit":   {0, 5, []int{2, -1, 3}, policy.LimitOrigin{Value: 0, Origin: "group 1"}},
		"the account's own":       {1, 5, []int{2}, policy.LimitOrigin{Value: 1, Origin: "account"}},
		"an account without":      {-1, 5, []int{2}, policy.LimitOrigin{Value: 0, Origin: "account"}},
	}
	for name, tt := range tests {
		own, site := bob(), policy.DefaultSite()
		own.Limits.Sessions, site.Limits.Sessions = tt.own, tt.site
		var groups []policy.Group
		for i, n := range tt.groups {
			id := string(rune('0' + i))
			groups = append(groups, policy.Group{ID: id, Name: id, Limits: policy.Limits{Sessions: n}})
		}
		e := policy.Resolve(site, groups, own)
		tt.want.Name = "sessions"
		if got := e.LimitOrigins()[0]; got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
		if got := e.Limits().Sessions; int64(got) != tt.want.Value {
			t.Errorf("%s: Limits has %d", name, got)
		}
	}
}

// A field that is added to Limits and forgotten in resolving would be no limit.
func TestEveryLimitIsResolved(t *testing.T) {
	own := bob()
	v := reflect.ValueOf(&own.Limits).Elem()
	for i := range v.NumField() {
		v.Field(i).SetInt(int64(i + 1))
	}
	e := policy.Resolve(policy.DefaultSite(), nil, own)
	if e.Limits() != own.Limits {
		t.Errorf("got %+v, want %+v", e.Limits(), own.Limits)
	}
	for i, l := range e.LimitOrigins() {
		tag, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		if l.Name != tag || l.Value != int64(i+1) {
			t.Errorf("limit %d is %+v, its field %q", i, l, tag)
		}
	}
}

func TestHomeQuota(t *testing.T) {
	tests := map[string]struct {
		own    *int64
		groups []*int64
		want   *int64
		origin string
	}{
		"nothing set":             {nil, nil, nil, "default"},
		"the account's own":       {figure(1), []*int64{figure(9)}, figure(1), "account"},
		"an own of nothing":       {figure(0), nil, figure(0), "account"},
		"an account without":      {figure(-1), []*int64{figure(9)}, nil, "account"},
		"the most generous group": {nil, []*int64{figure(3), nil, figure(9), figure(4)}, figure(9), "group 2"},
		"a group without limit":   {nil, []*int64{figure(3), figure(-1)}, nil, "group 1"},
		"a group of nothing":      {nil, []*int64{figure(0)}, figure(0), "group 0"},
	}
	for name, tt := range tests {
		own := bob()
		own.Quota.Bytes = tt.own
		var groups []policy.Group
		for i, q := range tt.groups {
			id := string(rune('0' + i))
			groups = append(groups, policy.Group{ID: id, Name: id, Quota: policy.Quota{Bytes: q}})
		}
		got := policy.Resolve(policy.DefaultSite(), groups, own).HomeQuotaOrigin()
		if !reflect.DeepEqual(got.Bytes, tt.want) || got.BytesOrigin != tt.origin || got.Files != nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestUploads(t *testing.T) {
	tests := []struct {
		own, site policy.Uploads
		door      policy.Door
		want      policy.Uploads
	}{
		{"", "", policy.SFTP, policy.InPlace},
		{"", policy.Atomic, policy.SFTP, policy.Atomic},
		{policy.InPlace, policy.Atomic, policy.FTP, policy.InPlace},
		{policy.Atomic, policy.InPlace, policy.FTP, policy.Atomic},
		{policy.InPlace, policy.InPlace, policy.WebDAV, policy.Atomic},
		{policy.InPlace, policy.InPlace, policy.API, policy.Atomic},
	}
	for _, tt := range tests {
		own, site := bob(), policy.DefaultSite()
		own.Uploads, site.Uploads = tt.own, tt.site
		if got := policy.Resolve(site, nil, own).Uploads(tt.door); got != tt.want {
			t.Errorf("%+v: got %s", tt, got)
		}
	}
}

func TestValidNewName(t *testing.T) {
	portable := policy.DefaultSite()
	portable.Names = policy.NamesPortable
	tests := []struct {
		name     string
		portable bool
	}{
		{"report.txt", true}, {"Ünïcode 日本", true}, {".hidden", true}, {"console", true}, {"COM", true}, {"COM10", true},
		{"nullify", true}, {"a.b.c", true}, {"...x", true}, {"LPT", true},
		{"Icon\r", false}, {"\xff", false}, {"tab\there", false}, {"del\x7f", false}, {"nel\u0085", false},
		{"a:b", false}, {`a\b`, false}, {"a*", false}, {"what?", false}, {`"q"`, false}, {"<", false}, {">", false}, {"|", false},
		{"dot.", false}, {"space ", false}, {"nul", false}, {"NUL.txt", false}, {"Con", false}, {"com1", false}, {"LPT9.a.b", false},
		{"aux .txt", false}, {"COM¹", false}, {"conin$", false},
	}
	anyNames, some := policy.Resolve(policy.DefaultSite(), nil, bob()), policy.Resolve(portable, nil, bob())
	for _, tt := range tests {
		if err := anyNames.ValidNewName(tt.name); err != nil {
			t.Errorf("any: %q: %v", tt.name, err)
		}
		err := some.ValidNewName(tt.name)
		if (err == nil) != tt.portable || err != nil && !errors.Is(err, policy.ErrName) {
			t.Errorf("portable: %q: %v", tt.name, err)
		}
	}
	for _, e := range []policy.Effective{anyNames, some} {
		for _, name := range []string{"", ".", "..", "a/b", "a\x00", strings.Repeat("n", 256)} {
			if err := e.ValidNewName(name); err == nil {
				t.Errorf("%.10q can be a name", name)
			}
		}
	}
}

func TestMayMakeLinks(t *testing.T) {
	site := policy.DefaultSite()
	if d := policy.Resolve(site, nil, bob()).MayMakeLinks(); d.Allowed || d.Rule != policy.RuleSymlinks {
		t.Errorf("by default: %+v", d)
	}
	site.Symlinks = policy.Allow
	if d := policy.Resolve(site, nil, bob()).MayMakeLinks(); !d.Allowed {
		t.Errorf("where the site allows it: %+v", d)
	}
}

// The same group twice is one; two of one name are two.
func TestGroupsAreTakenOnce(t *testing.T) {
	a := policy.Group{ID: "1", Name: "staff", Grants: []policy.Grant{grant("/a", policy.Read)}}
	b := policy.Group{ID: "2", Name: "staff", Grants: []policy.Grant{grant("/b", policy.Read)}}
	e := policy.Resolve(policy.DefaultSite(), []policy.Group{a, b, a, b}, bob())
	if got := e.Groups(); len(got) != 2 || got[0].ID != "1" || got[1].ID != "2" {
		t.Errorf("groups %+v", got)
	}
	if got := len(e.Grants()); got != 3 {
		t.Errorf("%d grants, want home, /a and /b", got)
	}
}

func TestDefaultsHaveNoProblems(t *testing.T) {
	if p := policy.DefaultSite().Problems(); len(p) > 0 {
		t.Errorf("site: %v", p)
	}
	if p := bob().Problems(); len(p) > 0 {
		t.Errorf("account: %v", p)
	}
	admin, disabled := bob(), bob()
	admin.Role, disabled.Status.Disabled = policy.RoleAdmin, true
	for _, a := range []policy.Account{admin, disabled} {
		if p := a.Problems(); len(p) > 0 {
			t.Errorf("%+v: %v", a, p)
		}
	}
	site := policy.DefaultSite()
	site.AllowedIPs = prefixes(t, "10.0.0.0/8")
	site.Lockout = policy.Lockout{Period: "0s", Scope: policy.LockoutAll}
	if p := site.Problems(); len(p) > 0 {
		t.Errorf("site with lockout off: %v", p)
	}
}

func TestProblemsNameTheField(t *testing.T) {
	site := map[string]func(*policy.Site){
		"doors":                 func(s *policy.Site) { s.Doors = []policy.Door{"telnet"} },
		"plain_ftp":             func(s *policy.Site) { s.PlainFTP = policy.Inherit },
		"symlinks":              func(s *policy.Site) { s.Symlinks = "" },
		"names":                 func(s *policy.Site) { s.Names = "some" },
		"uploads":               func(s *policy.Site) { s.Uploads = "" },
		"second_factor":         func(s *policy.Site) { s.SecondFactor = "x" },
		"lockout.scope":         func(s *policy.Site) { s.Lockout.Scope = "" },
		"lockout.failures":      func(s *policy.Site) { s.Lockout.Failures = -1 },
		"allowed_ips":           func(s *policy.Site) { s.AllowedIPs = []netip.Prefix{{}} },
		"lockout.period":        func(s *policy.Site) { s.Lockout.Period = "soon" },
		"ban.period":            func(s *policy.Site) { s.Ban.Period = "0s" },
		"password.min_length":   func(s *policy.Site) { s.Password.MinLength = -1 },
		"password.max_age_days": func(s *policy.Site) { s.Password.MaxAgeDays = -1 },
		"audit.on_failure":      func(s *policy.Site) { s.Audit.OnFailure = "shrug" },
		"audit.keep_days":       func(s *policy.Site) { s.Audit.KeepDays = -1 },
		"max_sessions":          func(s *policy.Site) { s.MaxSessions = -1 },
		"ssh_user_cas":          func(s *policy.Site) { s.SSHUserCAs = []string{"ssh-ed25519 AAAA\nssh-rsa AAAA"} },
	}
	for field, change := range site {
		s := policy.DefaultSite()
		change(&s)
		if p := s.Problems(); len(p) != 1 || p[0].Field != field {
			t.Errorf("site %s: %v", field, p)
		}
	}
	account := map[string]func(*policy.Account){
		"role":      func(a *policy.Account) { a.Role = "root" },
		"status":    func(a *policy.Account) { a.Role, a.Status.Disabled = policy.RoleAdmin, true },
		"expires":   func(a *policy.Account) { a.Expires = &policy.Expiry{Date: "2026-01-01"} },
		"roots":     func(a *policy.Account) { a.Roots = map[policy.Door]path.Path{policy.Web: {}} },
		"protocols": func(a *policy.Account) { a.Protocols = []policy.Door{""} },
		"plain_ftp": func(a *policy.Account) { a.PlainFTP = "maybe" },
		"uploads":   func(a *policy.Account) { a.Uploads = "never" },
		"grants":    func(a *policy.Account) { a.Grants = []policy.Grant{{Path: p("/a")}} },

		"share_links":            func(a *policy.Account) { a.ShareLinks = "x" },
		"desktop_access":         func(a *policy.Account) { a.Desktop = "x" },
		"second_factor.required": func(a *policy.Account) { a.SecondFactor.Required = "x" },
		"second_factor.with_key": func(a *policy.Account) { a.Shared, a.SecondFactor.WithKey = true, true },
		"password_max_age_days":  func(a *policy.Account) { a.Shared, a.PasswordAge = true, days(1) },
		"manage":                 func(a *policy.Account) { a.Role, a.Manage.Guests = policy.RoleGuest, true },
	}
	for field, change := range account {
		a := bob()
		change(&a)
		if p := a.Problems(); len(p) != 1 || p[0].Field != field {
			t.Errorf("account %s: %v", field, p)
		}
	}
	for _, n := range []int{-1, 36501} {
		a := bob()
		a.PasswordAge = days(n)
		if p := a.Problems(); len(p) != 1 || p[0].Field != "password_max_age_days" {
			t.Errorf("a password that lasts %d days: %v", n, p)
		}
	}
	never := bob()
	never.Shared, never.PasswordAge = true, days(0)
	if p := never.Problems(); len(p) != 0 {
		t.Errorf("a shared account whose password is never due: %v", p)
	}
}

func days(n int) *int { return &n }

func TestProblemsOfGroups(t *testing.T) {
	some, top := p("/groups/a"), path.Root
	tests := map[string]struct {
		change func(*policy.Group)
		user   bool // a user group may have it
	}{
		"protocols":    {func(g *policy.Group) { g.Protocols = []policy.Door{} }, true},
		"limits":       {func(g *policy.Group) { g.Limits.Sessions = 1 }, true},
		"quota":        {func(g *policy.Group) { g.Quota.Bytes = new(int64) }, true},
		"folder":       {func(g *policy.Group) { g.Folder = &some }, true},
		"folder_quota": {func(g *policy.Group) { g.FolderQuota.Files = new(int64) }, false},
		"grants":       {func(g *policy.Group) { g.Grants = []policy.Grant{{Path: some}} }, false},
	}
	for field, tt := range tests {
		g := group("staff")
		tt.change(&g)
		if p := g.Problems(); (len(p) == 0) != tt.user || !tt.user && p[0].Field != field {
			t.Errorf("a user group with %s: %v", field, p)
		}
		g.Owner = "id-alice"
		if p := g.Problems(); len(p) != 1 || p[0].Field != field {
			t.Errorf("a personal group with %s: %v", field, p)
		}
	}
	g := group("staff")
	g.Folder = &top
	if p := g.Problems(); len(p) != 1 || p[0].Field != "folder" {
		t.Errorf("a group that has the whole tree: %v", p)
	}
}

func TestGrantValidate(t *testing.T) {
	good := grant("/a", policy.Full)
	for _, name := range []string{"", "team", "Ünï", "a b", ".x"} {
		if err := at(good, name).Validate(); err != nil {
			t.Errorf("at %q: %v", name, err)
		}
	}
	for _, name := range []string{".", "..", "a/b", "a\nb", "\xff", strings.Repeat("n", 256)} {
		if err := at(good, name).Validate(); err == nil {
			t.Errorf("at %q is taken", name)
		}
	}
	if err := grant("/a", 1<<7).Validate(); err == nil {
		t.Error("a permission that is none is taken")
	}
	clash := bob()
	clash.Grants = []policy.Grant{at(grant("/a", policy.Read), "x"), at(grant("/b", policy.Read), "x")}
	if p := clash.Problems(); len(p) != 1 {
		t.Errorf("two folders under one name: %v", p)
	}
	clash.Grants[1].Path = p("/a")
	if p := clash.Problems(); len(p) != 0 {
		t.Errorf("two grants on one folder: %v", p)
	}
}
