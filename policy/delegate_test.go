package policy_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"gatehouse/policy"
	"gatehouse/policy/path"
)

// What a delegate sets of an account that it manages, field by field.
func TestWhatADelegateGives(t *testing.T) {
	type change func(*policy.Account)
	days, root := 5, path.Root
	tests := map[string]struct {
		change
		field string // "" where it may
		rule  policy.Rule
	}{
		"nothing":                {func(*policy.Account) {}, "", ""},
		"what it has":            {func(a *policy.Account) { a.Grants = []policy.Grant{flat("/team/x", policy.ReadOnly)} }, "", ""},
		"what its group gives":   {func(a *policy.Account) { a.Grants = []policy.Grant{grant("/help/x", policy.Full)} }, "", ""},
		"its own home":           {func(a *policy.Account) { a.Grants = []policy.Grant{grant("/home/dora/x", policy.Full)} }, "", ""},
		"more rights":            {func(a *policy.Account) { a.Grants = []policy.Grant{grant("/team", policy.Write)} }, "grants", policy.RuleGives},
		"a folder above":         {func(a *policy.Account) { a.Grants = []policy.Grant{grant("/", policy.List)} }, "grants", policy.RuleGives},
		"a group it only heads":  {func(a *policy.Account) { a.Grants = []policy.Grant{grant("/desk", policy.Read)} }, "grants", policy.RuleGives},
		"its own group":          {func(a *policy.Account) { a.Groups = []string{"id-help"} }, "", ""},
		"the group it manages":   {func(a *policy.Account) { a.Groups = []string{"id-desk"} }, "groups", policy.RuleGives},
		"a group of others":      {func(a *policy.Account) { a.Groups = []string{"id-shop"} }, "groups", policy.RuleGives},
		"a personal group":       {func(a *policy.Account) { a.Groups = []string{"id-club"} }, "groups", policy.RuleGives},
		"fewer protocols":        {func(a *policy.Account) { a.Protocols = []policy.Door{policy.SFTP} }, "", ""},
		"the role guest":         {func(a *policy.Account) { a.Role = policy.RoleGuest }, "role", policy.RuleAdminField},
		"the role admin":         {func(a *policy.Account) { a.Role = policy.RoleAdmin }, "role", policy.RuleAdminField},
		"manage rights":          {func(a *policy.Account) { a.Manage.Guests = true }, "manage", policy.RuleAdminField},
		"another manager":        {func(a *policy.Account) { a.ManagedBy = append(a.ManagedBy, "id-carol") }, "managed_by", policy.RuleAdminField},
		"a home":                 {func(a *policy.Account) { a.Home = p("/home/dora") }, "home", policy.RuleAdminField},
		"a root":                 {func(a *policy.Account) { a.Root = &root }, "root", policy.RuleAdminField},
		"a door's root":          {func(a *policy.Account) { a.Roots = map[policy.Door]path.Path{policy.FTP: root} }, "roots", policy.RuleAdminField},
		"bypass":                 {func(a *policy.Account) { a.Bypass = true }, "bypass_site_allowed_ips", policy.RuleAdminField},
		"plain FTP":              {func(a *policy.Account) { a.PlainFTP = policy.Allow }, "plain_ftp", policy.RuleAdminField},
		"no plain FTP":           {func(a *policy.Account) { a.PlainFTP = policy.Deny }, "plain_ftp", policy.RuleAdminField},
		"plain FTP as inherited": {func(a *policy.Account) { a.PlainFTP = policy.Inherit }, "", ""},
		"an age of passwords":    {func(a *policy.Account) { a.PasswordAge = &days }, "password_max_age_days", policy.RuleAdminField},
		"no second factor":       {func(a *policy.Account) { a.SecondFactor.Required = policy.Deny }, "second_factor.required", policy.RuleAdminField},
		"a second factor":        {func(a *policy.Account) { a.SecondFactor = policy.SecondFactor{Required: policy.Allow, WithKey: true} }, "", ""},
		"an end":                 {func(a *policy.Account) { a.Expires = &policy.Expiry{Instant: noon} }, "", ""},
		"disabled":               {func(a *policy.Account) { a.Status.Disabled = true }, "", ""},
		"addresses, of any":      {func(a *policy.Account) { a.AllowedIPs = prefixes(t, "192.0.2.1") }, "", ""},
		"uploads":                {func(a *policy.Account) { a.Uploads = policy.Atomic }, "", ""},
	}
	club := group("club")
	club.Owner = "id-carol"
	all := []policy.Group{group("help", grant("/help", policy.Full)), group("desk", grant("/desk", policy.Full)), group("shop"), club}
	with := func(a policy.Account) policy.Effective {
		return resolved(a, slices.DeleteFunc(slices.Clone(all), func(g policy.Group) bool { return !slices.Contains(a.Groups, g.ID) })...)
	}
	for name, tt := range tests {
		after := managed(tt.change)
		got := dora().MayChange(with(managed()), with(after))
		want := tt.rule
		if want == "" {
			want = policy.RuleGives
		}
		check(t, name, got, tt.rule == "", want, tt.field)
		if got := actor(policy.RoleAdmin).MayChange(with(managed()), with(after)); !got.Allowed {
			t.Errorf("%s, by an administrator: %+v", name, got)
		}
		if tt.field == "role" || tt.field == "manage" || tt.field == "managed_by" {
			continue // asked for otherwise where the account is new
		}
		if got := dora().MayCreate(with(after)); got.Allowed != (tt.rule == "") || got.Field != tt.field {
			t.Errorf("%s, of a new account: %+v, want field %q", name, got, tt.field)
		}
		if got := dora().MayClone(managed(), with(after)); got.Allowed != (tt.rule == "") {
			t.Errorf("%s, of a clone: %+v", name, got)
		}
	}
}

func figure(v int64) *int64 { return &v }

// What stands already a delegate leaves or narrows, though it could not give it.
func TestADelegateKeepsWhatStands(t *testing.T) {
	rich := managed(func(a *policy.Account) {
		a.Grants = []policy.Grant{grant("/secret", policy.Full)}
		a.PlainFTP, a.Bypass = policy.Allow, true
		a.AllowedIPs = prefixes(t, "192.0.2.0/24")
		a.SecondFactor.Required, a.Shared = policy.Deny, true
		a.Limits.Sessions = 50
		a.Quota = policy.Quota{Bytes: figure(1000), Files: figure(1000)}
	})
	shop := group("shop", grant("/shop", policy.Full))
	poor := dora(func(a *policy.Account) {
		a.Limits.Sessions, a.Protocols = 2, []policy.Door{policy.API}
		a.Quota = policy.Quota{Bytes: figure(10), Files: figure(10)}
	})
	change := func(do func(*policy.Account)) policy.Verdict {
		after := rich
		after.Grants = slices.Clone(rich.Grants)
		do(&after)
		return poor.MayChange(resolved(rich, shop), resolved(after, shop))
	}
	for name, do := range map[string]func(*policy.Account){
		"status":           func(a *policy.Account) { a.Status.Disabled = true },
		"a narrower grant": func(a *policy.Account) { a.Grants = []policy.Grant{flat("/secret/x", policy.Read)} },
		"no grant":         func(a *policy.Account) { a.Grants = nil },
		"fewer sessions":   func(a *policy.Account) { a.Limits.Sessions = 49 },
		"fewer doors":      func(a *policy.Account) { a.Protocols = []policy.Door{policy.SFTP} },
	} {
		if got := change(do); !got.Allowed {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for field, do := range map[string]func(*policy.Account){
		"grants":          func(a *policy.Account) { a.Grants = append(a.Grants, grant("/secrets", policy.Read)) },
		"limits.sessions": func(a *policy.Account) { a.Limits.Sessions = 51 },
		"quota.bytes":     func(a *policy.Account) { a.Quota.Bytes = figure(1001) },
		"quota.files":     func(a *policy.Account) { a.Quota.Files = figure(1001) },
	} {
		if got := change(do); got.Allowed || got.Field != field {
			t.Errorf("%s: %+v", field, got)
		}
	}
}

// A delegate gives no protocol, limit or quota that it does not have itself,
// neither by setting it nor by leaving it to be inherited; Fit narrows these.
func TestADelegateGivesNoWiderLimits(t *testing.T) {
	poor := dora(func(a *policy.Account) {
		a.Protocols = []policy.Door{policy.SFTP, policy.API}
		a.Limits = policy.Limits{Sessions: 3, BytesPerDay: 1000}
		a.Quota = policy.Quota{Bytes: figure(500), Files: figure(7)}
	})
	tests := map[string]func(*policy.Account){
		"protocols":            func(a *policy.Account) { a.Protocols = []policy.Door{policy.SFTP, policy.FTP} },
		"limits.sessions":      func(a *policy.Account) { a.Limits.Sessions = 4 },
		"limits.bytes_per_day": func(a *policy.Account) { a.Limits.BytesPerDay = -1 },
		"quota.bytes":          func(a *policy.Account) { a.Quota.Bytes = figure(501) },
		"quota.files":          func(a *policy.Account) { a.Quota.Files = figure(-1) },
	}
	fitted := poor.Fit(resolved(managed()))
	if got := poor.MayCreate(resolved(fitted)); !got.Allowed {
		t.Fatalf("what was made to fit is refused: %+v", got)
	}
	if want := []policy.Door{policy.SFTP, policy.API}; !slices.Equal(fitted.Protocols, want) || fitted.Limits.Sessions != 3 || *fitted.Quota.Bytes != 500 || *fitted.Quota.Files != 7 {
		t.Errorf("it was made to fit as %+v", fitted)
	}
	if got := poor.MayCreate(resolved(managed())); got.Allowed || got.Field != "protocols" {
		t.Errorf("inherited: %+v", got)
	}
	for field, do := range tests {
		after := fitted
		do(&after)
		if got := poor.MayCreate(resolved(after)); got.Allowed || got.Field != field || got.Rule != policy.RuleGives {
			t.Errorf("%s: %+v", field, got)
		}
		if got := poor.MayChange(resolved(fitted), resolved(after)); got.Allowed || got.Field != field {
			t.Errorf("%s, changed: %+v", field, got)
		}
	}
	wide := policy.Quota{Bytes: figure(501), Files: figure(8)}
	set := poor.Fit(resolved(managed(func(a *policy.Account) { a.Limits.Sessions, a.Quota = 50, wide })))
	if set.Limits.Sessions != 50 || set.Quota != wide {
		t.Errorf("what was set was changed instead of refused: %+v, %+v", set.Limits, set.Quota)
	}
	site := policy.DefaultSite()
	site.Limits.Sessions = 1
	if got := poor.Fit(policy.Resolve(site, nil, managed())); got.Limits.Sessions != 0 || got.Limits.OpsPerSecond != 0 {
		t.Errorf("what is inherited narrower was set: %+v", got.Limits)
	}
	if got := dora().Fit(resolved(managed())); got.Protocols != nil || got.Limits != (policy.Limits{}) {
		t.Errorf("what fits was narrowed: %+v", got)
	}
}

// Setting addresses is no way around the site's list: with both set either lets
// in, and without one of its own a bypassing account comes from anywhere.
func TestADelegateOpensNoAddresses(t *testing.T) {
	tests := map[string]struct {
		site, was, is, own []string
		bypass, ownBypass  bool
		may                bool
	}{
		"no list of the site":           {nil, nil, []string{"192.0.2.1"}, nil, false, false, true},
		"inside of the site's":          {[]string{"10.0.0.0/8"}, nil, []string{"10.1.0.0/16"}, nil, false, false, true},
		"beside the site's":             {[]string{"10.0.0.0/8"}, nil, []string{"192.0.2.1"}, nil, false, false, false},
		"more than the site's":          {[]string{"10.0.0.0/16"}, nil, []string{"10.0.0.0/8"}, nil, false, false, false},
		"the whole world":               {[]string{"10.0.0.0/8"}, nil, []string{"0.0.0.0/0"}, nil, false, false, false},
		"beside, but its own":           {[]string{"10.0.0.0/8"}, nil, []string{"192.0.2.1"}, []string{"192.0.2.0/24"}, false, false, true},
		"its own bypass does not count": {[]string{"10.0.0.0/8"}, nil, []string{"192.0.2.1"}, nil, false, true, false},
		"what stood there":              {[]string{"10.0.0.0/8"}, []string{"192.0.2.0/24"}, []string{"192.0.2.1"}, nil, false, false, true},
		"away with a bypasser's list":   {[]string{"10.0.0.0/8"}, []string{"192.0.2.1"}, nil, nil, true, false, false},
		"away with a list":              {[]string{"10.0.0.0/8"}, []string{"192.0.2.1"}, nil, nil, false, false, true},
		"from one list to another":      {nil, []string{"192.0.2.1"}, []string{"198.51.100.1"}, nil, false, false, true},
		"its own list binds":            {nil, []string{"192.0.2.1"}, nil, []string{"192.0.2.0/24"}, false, false, false},
	}
	for name, tt := range tests {
		site := policy.DefaultSite()
		site.AllowedIPs = prefixes(t, tt.site...)
		own := dora().Effective.Account()
		own.AllowedIPs, own.Bypass = prefixes(t, tt.own...), tt.ownBypass
		was := managed(func(a *policy.Account) { a.AllowedIPs, a.Bypass = prefixes(t, tt.was...), tt.bypass })
		is := was
		is.AllowedIPs = prefixes(t, tt.is...)
		got := policy.Actor{Effective: policy.Resolve(site, nil, own)}.MayChange(policy.Resolve(site, nil, was), policy.Resolve(site, nil, is))
		if got.Allowed != tt.may || !tt.may && got.Field != "allowed_ips" {
			t.Errorf("%s: %+v, want %v", name, got, tt.may)
		}
	}
}

// Nobody makes what it could not manage, hands it to others, or puts it where
// somebody's home may be.
func TestWhomADelegateMakes(t *testing.T) {
	tests := map[string]struct {
		change func(*policy.Account)
		field  string
	}{
		"a user":                     {func(*policy.Account) {}, ""},
		"without a home yet":         {func(a *policy.Account) { a.Home = path.Root }, ""},
		"a guest":                    {func(a *policy.Account) { a.Role = policy.RoleGuest }, ""},
		"of a group it manages":      {func(a *policy.Account) { a.ManagedBy = []string{"id-desk"} }, ""},
		"of a group it is only in":   {func(a *policy.Account) { a.ManagedBy = []string{"id-help"} }, "managed_by"},
		"an admin":                   {func(a *policy.Account) { a.Role = policy.RoleAdmin }, "role"},
		"an auditor":                 {func(a *policy.Account) { a.Role = policy.RoleAuditor }, "role"},
		"a delegate":                 {func(a *policy.Account) { a.Manage.Users = true }, "manage"},
		"nobody's":                   {func(a *policy.Account) { a.ManagedBy = nil }, "managed_by"},
		"somebody else's":            {func(a *policy.Account) { a.ManagedBy = []string{"id-carol"} }, "managed_by"},
		"its own and somebody's":     {func(a *policy.Account) { a.ManagedBy = []string{"id-dora", "id-carol"} }, "managed_by"},
		"somebody's and its own":     {func(a *policy.Account) { a.ManagedBy = []string{"id-carol", "id-dora"} }, "managed_by"},
		"in the home of somebody":    {func(a *policy.Account) { a.Home = p("/home/carol") }, "home"},
		"exempt, where one is asked": {func(a *policy.Account) { a.Shared = true }, "shared"},
	}
	site := policy.DefaultSite()
	site.SecondFactor = policy.SecondFactorRequired
	for name, tt := range tests {
		got := dora().MayCreate(policy.Resolve(site, nil, managed(tt.change)))
		if got.Allowed != (tt.field == "") || got.Field != tt.field {
			t.Errorf("%s: %+v, want field %q", name, got, tt.field)
		}
	}
	if got := dora().MayClone(named("eve"), resolved(managed())); got.Allowed || got.Rule != policy.RuleManagedBy {
		t.Errorf("a clone of somebody it does not manage: %+v", got)
	}
}

// A second factor that is asked of an account stays; what exempts it stays, too.
func TestADelegateTakesNoSecondFactorAway(t *testing.T) {
	const inherit, allow, deny = policy.Inherit, policy.Allow, policy.Deny
	tests := []struct {
		was, is policy.SecondFactor
		field   string
	}{
		{policy.SecondFactor{Required: allow}, policy.SecondFactor{Required: allow}, ""},
		{policy.SecondFactor{Required: allow}, policy.SecondFactor{Required: inherit}, "second_factor.required"},
		{policy.SecondFactor{Required: allow}, policy.SecondFactor{Required: deny}, "second_factor.required"},
		{policy.SecondFactor{Required: inherit}, policy.SecondFactor{Required: deny}, "second_factor.required"},
		{policy.SecondFactor{Required: inherit}, policy.SecondFactor{Required: allow}, ""},
		{policy.SecondFactor{Required: deny}, policy.SecondFactor{Required: deny}, ""},
		{policy.SecondFactor{Required: deny}, policy.SecondFactor{Required: inherit}, ""},
		{policy.SecondFactor{WithKey: true}, policy.SecondFactor{WithKey: true}, ""},
		{policy.SecondFactor{WithKey: true}, policy.SecondFactor{}, "second_factor.with_key"},
		{policy.SecondFactor{}, policy.SecondFactor{WithKey: true}, ""},
	}
	for _, tt := range tests {
		was, is := managed(), managed()
		was.SecondFactor, is.SecondFactor = tt.was, tt.is
		if got := dora().MayChange(resolved(was), resolved(is)); got.Allowed != (tt.field == "") || got.Field != tt.field {
			t.Errorf("%+v to %+v: %+v, want field %q", tt.was, tt.is, got, tt.field)
		}
	}
	bot := managed(func(a *policy.Account) { a.Shared = true })
	site := policy.DefaultSite()
	site.SecondFactor = policy.SecondFactorRequired
	if got := dora().MayChange(policy.Resolve(site, nil, bot), policy.Resolve(site, nil, bot)); !got.Allowed {
		t.Errorf("what is exempt already: %+v", got)
	}
	if got := dora().MayCreate(resolved(bot)); !got.Allowed {
		t.Errorf("shared where no factor is asked for: %+v", got)
	}
}

// What the delegate itself is denied it does not give: links, devices.
func TestADelegateDeniedLinksGivesNone(t *testing.T) {
	denied := dora(func(a *policy.Account) { a.ShareLinks, a.Desktop = policy.Deny, policy.Deny })
	less := managed(func(a *policy.Account) { a.ShareLinks, a.Desktop = policy.Deny, policy.Deny })
	if got := denied.MayCreate(resolved(less)); !got.Allowed {
		t.Errorf("denied: %+v", got)
	}
	for field, do := range map[string]func(*policy.Account){
		"share_links":    func(a *policy.Account) { a.ShareLinks = policy.Allow },
		"desktop_access": func(a *policy.Account) { a.Desktop = "" },
	} {
		after := less
		do(&after)
		if got := denied.MayCreate(resolved(after)); got.Allowed || got.Field != field {
			t.Errorf("%s: %+v", field, got)
		}
		if got := denied.MayChange(resolved(less), resolved(after)); got.Allowed || got.Field != field {
			t.Errorf("%s, changed: %+v", field, got)
		}
	}
}

// Links, devices and room that an account has are raised as far as the delegate
// has them itself, whatever they were before.
func TestHowFarADelegateRaises(t *testing.T) {
	const inherit, allow, deny = policy.Inherit, policy.Allow, policy.Deny
	choice := func(field string, c policy.Choice) func(*policy.Account) {
		return func(a *policy.Account) {
			if field == "share_links" {
				a.ShareLinks = c
			} else {
				a.Desktop = c
			}
		}
	}
	for _, field := range []string{"share_links", "desktop_access"} {
		for _, tt := range []struct {
			own, was, is policy.Choice
			may          bool
		}{
			{inherit, deny, allow, true}, {inherit, deny, inherit, true}, {inherit, inherit, allow, true}, {allow, deny, allow, true},
			{deny, deny, deny, true}, {deny, deny, inherit, false}, {deny, deny, allow, false}, {deny, inherit, allow, false},
			{deny, "", inherit, true}, {deny, allow, allow, true}, {deny, allow, inherit, false}, {deny, allow, deny, true},
		} {
			who := dora(choice(field, tt.own))
			got := who.MayChange(resolved(managed(choice(field, tt.was))), resolved(managed(choice(field, tt.is))))
			if got.Allowed != tt.may || !tt.may && (got.Field != field || got.Rule != policy.RuleGives) {
				t.Errorf("%s of %q from %q to %q: %+v", field, tt.own, tt.was, tt.is, got)
			}
		}
	}
	for name, tt := range map[string]struct {
		own, was, is *int64
		may          bool
	}{
		"within its own":         {new(int64(100)), new(int64(10)), new(int64(100)), true},
		"beyond its own":         {new(int64(100)), new(int64(10)), new(int64(101)), false},
		"to no bound":            {new(int64(100)), new(int64(10)), new(int64(-1)), false},
		"by inheriting none":     {new(int64(100)), new(int64(10)), nil, false},
		"less of what was more":  {new(int64(100)), new(int64(300)), new(int64(200)), true},
		"more of what was more":  {new(int64(100)), new(int64(300)), new(int64(400)), false},
		"without a bound itself": {nil, new(int64(10)), new(int64(-1)), true},
		"nothing to itself":      {new(int64(0)), new(int64(0)), new(int64(1)), false},
	} {
		for field, of := range map[string]func(*policy.Account) **int64{
			"quota.bytes": func(a *policy.Account) **int64 { return &a.Quota.Bytes },
			"quota.files": func(a *policy.Account) **int64 { return &a.Quota.Files },
		} {
			set := func(v *int64) func(*policy.Account) { return func(a *policy.Account) { *of(a) = v } }
			got := dora(set(tt.own)).MayChange(resolved(managed(set(tt.was))), resolved(managed(set(tt.is))))
			if got.Allowed != tt.may || !tt.may && got.Field != field {
				t.Errorf("%s %s: %+v", field, name, got)
			}
		}
	}
}

// To lift a denial of share links gives the right to share all that the account
// has: the delegate must have it there itself.
func TestADelegateLiftsNoMoreThanItShares(t *testing.T) {
	share := policy.Read | policy.Share
	was := managed(func(a *policy.Account) {
		a.ShareLinks = policy.Deny
		a.Grants = []policy.Grant{grant("/desk/x", share), grant("/vault", policy.Full)}
	})
	is := was
	is.ShareLinks = policy.Inherit
	with := func(grants ...policy.Grant) policy.Actor { return dora(func(a *policy.Account) { a.Grants = grants }) }
	if got := with(grant("/desk", share)).MayChange(resolved(was), resolved(is)); got.Allowed || got.Field != "share_links" {
		t.Errorf("the vault is not the delegate's: %+v", got)
	}
	if got := with(grant("/desk", share), grant("/vault", policy.Read)).MayChange(resolved(was), resolved(is)); got.Allowed {
		t.Errorf("the vault is not the delegate's to share: %+v", got)
	}
	if got := with(grant("/desk", share), grant("/vault", share)).MayChange(resolved(was), resolved(is)); !got.Allowed {
		t.Errorf("it shares both: %+v", got)
	}
}

// Fit denies what its delegate is denied, where nothing was said.
func TestFitDeniesWhatTheDelegateIsDenied(t *testing.T) {
	denied := dora(func(a *policy.Account) { a.ShareLinks, a.Desktop = policy.Deny, policy.Deny })
	if got := denied.Fit(resolved(managed())); got.ShareLinks != policy.Deny || got.Desktop != policy.Deny {
		t.Errorf("got %q and %q", got.ShareLinks, got.Desktop)
	}
	asked := managed(func(a *policy.Account) { a.ShareLinks = policy.Allow })
	if got := denied.Fit(resolved(asked)); got.ShareLinks != policy.Allow {
		t.Errorf("what was asked for is to be refused, not changed: %q", got.ShareLinks)
	}
	if got := dora().Fit(resolved(managed())); got.ShareLinks == policy.Deny || got.Desktop == policy.Deny {
		t.Errorf("got %q and %q", got.ShareLinks, got.Desktop)
	}
}

// Whatever a delegate is allowed to make has, beside its home, nothing on any
// path that the delegate has not.
func TestADelegateNeverWidens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		own, made := drawAccount(t), drawAccount(t)
		own.Role, own.Manage.Users, own.ID = policy.RoleUser, true, "d"
		made.Role, made.ManagedBy, made.Home, made.Root, made.ID = policy.RoleUser, []string{"d"}, path.Root, nil, "m"
		groups := drawGroups(t)
		for i := range groups {
			made.Groups = append(made.Groups, groups[i].ID)
		}
		who := policy.Actor{Effective: policy.Resolve(policy.DefaultSite(), groups[:len(groups)/2], own)}
		if rapid.Bool().Draw(t, "manages them") {
			who.Heads = groups
		}
		after := policy.Resolve(policy.DefaultSite(), groups, made)
		if !who.MayCreate(after).Allowed {
			return
		}
		target := drawTarget(t)
		if wider := after.Permissions(target) &^ who.Effective.Permissions(target); wider != 0 {
			t.Fatalf("it made somebody with %s on %+v", wider, target)
		}
		for i, d := range after.Protocols() {
			if d.Allowed && !who.Effective.Protocols()[i].Allowed {
				t.Fatalf("it made somebody with %s", d.Door)
			}
		}
	})
}

// Whatever a delegate is allowed to change, the account has afterwards on no path
// more than it had or the delegate has.
func TestADelegatesChangesNeverWiden(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		own, was := drawAccount(t), drawAccount(t)
		own.Role, own.Manage.Users, own.ID = policy.RoleUser, true, "d"
		was.Role, was.ManagedBy, was.ID = policy.RoleUser, []string{"d"}, "m"
		is := was
		is.Grants = append(slices.Clone(was.Grants), rapid.SliceOfN(rapid.Custom(drawGrant), 0, 2).Draw(t, "new grants")...)
		if n := rapid.IntRange(0, len(is.Grants)).Draw(t, "dropped"); n < len(is.Grants) {
			is.Grants = slices.Delete(is.Grants, n, n+1)
		}
		choices := rapid.SampledFrom([]policy.Choice{policy.Inherit, policy.Allow, policy.Deny})
		was.ShareLinks, is.ShareLinks = choices.Draw(t, "links before"), choices.Draw(t, "links after")
		groups := drawGroups(t)
		who := policy.Actor{Effective: policy.Resolve(policy.DefaultSite(), groups[:len(groups)/2], own)}
		before, after := policy.Resolve(policy.DefaultSite(), groups[:len(groups)/3], was), policy.Resolve(policy.DefaultSite(), groups, is)
		if !who.MayChange(before, after).Allowed {
			return
		}
		target := drawTarget(t)
		if was.Home.Contains(target.Path) {
			return // its owner may always be given it
		}
		if wider := after.Permissions(target) &^ (before.Permissions(target) | who.Effective.Permissions(target)); wider != 0 {
			t.Fatalf("the account has %s more on %+v", wider, target)
		}
	})
}
