package policy_test

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/policy"
	"gatehouse/policy/path"
)

// because is what a rule's own answer says of an attempt.
func because(e policy.Effective, a policy.Attempt, rule policy.Rule) string {
	for _, step := range e.Chain(a) {
		if step.Rule == rule {
			return step.Because
		}
	}
	return ""
}

// Each row of the truth table of addresses has words of its own.
func TestAddressesSayWhichListHolds(t *testing.T) {
	for _, tt := range []struct {
		site, own []string
		bypass    bool
		says      string
	}{
		{nil, nil, false, "neither site nor account has a list"},
		{nil, []string{"203.0.113.7"}, false, "the account's allowed_ips hold"},
		{nil, []string{"192.0.2.1"}, false, "the account's allowed_ips do not hold the address"},
		{nil, []string{"192.0.2.1"}, true, "the account's allowed_ips do not hold the address"},
		{[]string{"203.0.113.7"}, []string{"192.0.2.1"}, true, "and it bypasses the site's"},
		{[]string{"192.0.2.2"}, []string{"192.0.2.1"}, false, "neither the site's nor the account's"},
		{[]string{"203.0.113.7"}, []string{"192.0.2.1"}, false, "the site's allowed_ips hold"},
		{[]string{"192.0.2.2"}, nil, true, "the account bypasses"},
		{[]string{"192.0.2.2"}, nil, false, "the site's allowed_ips do not hold"},
	} {
		site, own := policy.DefaultSite(), bob()
		site.AllowedIPs, own.AllowedIPs, own.Bypass = prefixes(t, tt.site...), prefixes(t, tt.own...), tt.bypass
		got := because(policy.Resolve(site, nil, own), attempt(), policy.RuleAddress)
		if !strings.Contains(got, tt.says) || !strings.Contains(tt.says, "bypasses the site's") && strings.Contains(got, "and it bypasses") {
			t.Errorf("site %v, account %v, bypass %v: %q, want %q", tt.site, tt.own, tt.bypass, got, tt.says)
		}
	}
}

// IPv6 networks are themselves, however long; those that only begin as mapped
// IPv4 does are no IPv4.
func TestNetworksOfIPv6(t *testing.T) {
	for _, tt := range []struct {
		network, address string
		holds            bool
	}{
		{"2001:db8::1:0/112", "2001:db8::1:5", true}, {"2001:db8::1:0/112", "2001:db9::1:5", false},
		{"::ffff:0:0/90", "::ffc0:1:5", true}, {"::ffff:203.0.113.0/120", "203.0.113.9", true},
	} {
		own := bob()
		own.AllowedIPs = []netip.Prefix{netip.MustParsePrefix(tt.network)}
		a := attempt()
		a.Address = netip.MustParseAddr(tt.address)
		if d := policy.Resolve(policy.DefaultSite(), nil, own).Admit(a); d.Allowed != tt.holds {
			t.Errorf("%s and %s: %+v", tt.network, tt.address, d)
		}
	}
}

// What Admit says beside the rule: words and moments of its own.
func TestAdmitInWords(t *testing.T) {
	e := policy.Resolve(policy.DefaultSite(), nil, bob())
	local := attempt()
	local.Transport = policy.Local
	if chain := e.Chain(local); len(chain) != 1 || chain[0].Rule != policy.RuleLocalSocket {
		t.Errorf("the local socket: %+v", chain)
	}
	strange := attempt()
	strange.Door = "telnet"
	if got := because(e, strange, policy.RuleDoorSite); got != "there is no such door" {
		t.Errorf("a strange door: %q", got)
	}
	if got := because(e, attempt(), policy.RuleDoorAccount); !strings.Contains(got, "is among") {
		t.Errorf("a door of the account: %q", got)
	}
	for name, own := range map[string]policy.Account{"a name alone": {Name: "bob"}, "an id alone": {ID: "a1"}} {
		if got := because(policy.Resolve(policy.DefaultSite(), nil, own), attempt(), policy.RuleStatus); got != "the account is enabled" {
			t.Errorf("%s: %q", name, got)
		}
	}
	unresolved := bob()
	unresolved.Expires = &policy.Expiry{Date: "2030-01-01"}
	if got := because(policy.Resolve(policy.DefaultSite(), nil, unresolved), attempt(), policy.RuleExpiry); !strings.Contains(got, "not resolved") {
		t.Errorf("an expiry that is not resolved: %q", got)
	}
	app := through(policy.WebDAV, policy.KindAppPassword)
	app.Credential.Code = policy.CodeNeeded
	if got := because(e, app, policy.RuleSecondFactor); !strings.Contains(got, "missing or wrong") {
		t.Errorf("an app password with a code: %q", got)
	}
	// The first of what ends counts, in whatever order it is looked at.
	soon := bob()
	soon.Expires = &policy.Expiry{Instant: noon.Add(time.Hour)}
	a := attempt()
	a.Credential.Expires = noon.Add(2 * time.Hour)
	if d := policy.Resolve(policy.DefaultSite(), nil, soon).Admit(a); !d.Until.Equal(noon.Add(time.Hour)) {
		t.Errorf("it ends at %v", d.Until)
	}
}

// Somebody who need not change a password is let in for everything.
func TestWhoChangesNoPassword(t *testing.T) {
	e := policy.Resolve(policy.DefaultSite(), nil, bob())
	later := through(policy.Web, policy.KindPassword)
	later.Credential.Expires = noon.Add(time.Hour)
	if d := e.Admit(later); d.Rule != policy.RuleAdmitted {
		t.Errorf("a password that has not expired: %+v", d)
	}
	old := through(policy.Web, policy.KindCookie)
	old.Credential.Expires = noon.Add(-time.Hour)
	if d := e.Admit(old); d.Allowed || d.Rule != policy.RuleCredentialExpiry {
		t.Errorf("a cookie that has expired: %+v", d)
	}
}

// The earlier of two managers' ends comes first, whoever is named first.
func TestUntilTheFirstManagerExpires(t *testing.T) {
	ends := func(name string, after time.Duration) policy.Effective {
		m := named(name, grant("/team", policy.Read))
		m.Expires = &policy.Expiry{Instant: noon.Add(after)}
		return resolved(m)
	}
	x := around(ends("ada", 2*time.Hour), ends("ben", time.Hour))
	x.Time = noon
	e := policy.ResolveAround(policy.DefaultSite(), nil, guest(grant("/team", policy.Read)), x)
	if !e.Until().Equal(noon.Add(time.Hour)) {
		t.Errorf("until %v", e.Until())
	}
	if cuts := e.Cuts(); len(cuts) != 0 {
		t.Errorf("nothing is cut, and it says %+v", cuts)
	}
}

// What is left of a cut grant is said once, and a home is no grant of a group.
func TestWhatIsLeftIsSaidOnce(t *testing.T) {
	manager := resolved(named("ada", grant("/team", policy.ReadOnly), grant("/team/x", policy.Read), grant("/team/x/y", policy.List)))
	e := policy.ResolveAround(policy.DefaultSite(), nil, guest(grant("/team", policy.Full)), around(manager))
	cuts := e.Cuts()
	if len(cuts) != 1 || len(cuts[0].Left) != 1 || cuts[0].Left[0].Permissions != policy.ReadOnly {
		t.Errorf("cut to %+v", cuts)
	}
	nameless := policy.Group{Name: "club", Owner: "id-carol"}
	if got := resolved(named("ann"), nameless).Permissions(folder("/home/ann")); got != policy.Full {
		t.Errorf("the home gives %s", got)
	}
}

// The rule that is named is the one that refuses, not one beside it.
func TestTheRuleThatRefuses(t *testing.T) {
	if d := resolve(grant("/a/b", 0)).Decide(policy.OpStat, folder("/a")); d.Allowed {
		t.Errorf("the way to what gives nothing: %+v", d)
	}
	flatGrant := resolve(flat("/a", policy.Full)).Scoped(policy.Scope{ReadOnly: true})
	if d := flatGrant.DecideTree(policy.OpDelete, p("/a")); d.Rule != policy.RuleNoGrant {
		t.Errorf("a tree that the account itself has not: %+v", d)
	}
	manager := resolved(named("ada", flat("/a", policy.Read)))
	e := policy.ResolveAround(policy.DefaultSite(), nil, guest(flat("/a", policy.Full)), around(manager))
	if d := e.DecideTree(policy.OpDelete, p("/a")); d.Rule != policy.RuleNoGrant {
		t.Errorf("a tree that the grant was not for: %+v", d)
	}
	club := group("club", grant("/club", policy.Full))
	club.Owner = "id-carol"
	if d := resolved(named("ann"), club).Decide(policy.OpShare, file("/else")); d.Rule != policy.RuleNoGrant {
		t.Errorf("sharing, denied by nothing: %+v", d)
	}
	if s := policy.Rule("nope").Text(); s.Rule != "" && s.Asks != "" {
		t.Errorf("a rule that there is not: %+v", s)
	}
	top := path.Root
	for _, s := range []policy.Scope{{}, {Folder: &top}} {
		if got := resolve().Scoped(s).Scopes(); len(got) != 0 {
			t.Errorf("%+v narrows: %+v", s, got)
		}
	}
	only := resolve().Scoped(policy.Scope{Folder: &top, ReadOnly: true}).Scopes()
	if len(only) != 1 || only[0].Folder != nil {
		t.Errorf("the whole tree is no folder: %+v", only)
	}
}

// Moves ask for each right in turn, and name the first that is missing.
func TestMovesNameWhatIsMissing(t *testing.T) {
	blind := grant("/in", policy.List|policy.Delete|policy.Create)
	for name, tt := range map[string]struct {
		grants []policy.Grant
		decide func(policy.Effective) policy.Decision
		rule   policy.Rule
	}{
		"a target that takes nothing": {[]policy.Grant{blind, grant("/out", policy.Read)}, func(e policy.Effective) policy.Decision {
			return e.DecideRename(policy.Move{From: p("/in/f"), To: p("/out/f")})
		}, policy.RuleNoGrant},
		"a folder to below what is read": {[]policy.Grant{blind, grant("/out", policy.Full)}, func(e policy.Effective) policy.Decision {
			return e.DecideRename(policy.Move{From: p("/in/d"), To: p("/out/x/d"), Folder: true})
		}, policy.RuleWidens},
		"a folder that is only listed": {[]policy.Grant{blind, grant("/out", policy.Full)}, func(e policy.Effective) policy.Decision {
			return e.DecideCopy(policy.Move{From: p("/in/d"), To: p("/out/d"), Folder: true})
		}, policy.RuleNoGrant},
		"a link where nothing is made": {[]policy.Grant{grant("/in", policy.Read|policy.Write), grant("/out", policy.Delete)}, func(e policy.Effective) policy.Decision {
			return e.DecideLink(p("/in/f"), p("/out/f"))
		}, policy.RuleNoGrant},
	} {
		if d := tt.decide(resolve(tt.grants...)); d.Allowed || d.Rule != tt.rule {
			t.Errorf("%s: %+v, want %s", name, d, tt.rule)
		}
	}
}

func TestNamesThatAreNoDevices(t *testing.T) {
	site := policy.DefaultSite()
	site.Names = policy.NamesPortable
	for _, name := range []string{"1", "COMX", "LPTA", "²"} {
		if err := policy.Resolve(site, nil, bob()).ValidNewName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// The first group by name is named where several say the same.
func TestTiesGoToTheFirstName(t *testing.T) {
	with := func(name string) policy.Group {
		g := group(name)
		g.Limits.Sessions, g.Quota.Bytes = 5, figure(7)
		return g
	}
	e := resolved(named("ann"), with("beta"), with("alpha"))
	if got := e.HomeQuotaOrigin().BytesOrigin; got != "group alpha" {
		t.Errorf("the quota is that of %s", got)
	}
	i := slices.IndexFunc(e.LimitOrigins(), func(l policy.LimitOrigin) bool { return l.Value == 5 })
	if got := e.LimitOrigins()[i].Origin; got != "group alpha" {
		t.Errorf("the limit is that of %s", got)
	}
	twice := resolved(named("ann", at(grant("/x", policy.Read), "b"), at(grant("/x", policy.Read), "a"))).View(policy.SFTP)
	if seen, ok := twice.Seen(p("/x/f")); !ok || seen != p("/a/f") {
		t.Errorf("/x/f is seen as %s", seen)
	}
	groups := p("/groups")
	own := named("eve", at(grant("/groups/team", policy.Read), "team"), at(grant("/groups/team/sub", policy.Read), "sub"))
	own.Root = &groups
	if seen, ok := resolved(own).View(policy.SFTP).Seen(p("/groups/team/sub/f")); !ok || seen != p("/team/sub/f") {
		t.Errorf("what is in the root is seen as %s", seen)
	}
	shared := named("ann")
	shared.Shared = true
	if got := resolved(shared).SecondFactor().Origin; got != policy.OriginDefault {
		t.Errorf("a shared account is exempt from nothing, by %s", got)
	}
}

// A group's folder that is in the root, or is all there is, has no second name.
func TestFoldersWithoutASecondName(t *testing.T) {
	inside, all := group("inside", grant("/home/ann/x", policy.Read)), group("all", grant("/", policy.Read))
	f, top := p("/home/ann/x"), path.Root
	inside.Grants[0].At, inside.Folder, all.Folder = "", &f, &top
	if got := resolved(named("ann"), inside, all).View(policy.SFTP).Entries; len(got) != 0 {
		t.Errorf("got %+v", got)
	}
}

// What stands beside a problem is none.
func TestWhatIsNoProblem(t *testing.T) {
	site := policy.DefaultSite()
	site.Password.MaxAgeDays = 36500
	if got := site.Problems(); len(got) != 0 {
		t.Errorf("a hundred years: %v", got)
	}
	for name, do := range map[string]func(*policy.Site){
		"an empty authority": func(s *policy.Site) { s.SSHUserCAs = []string{" "} },
		"a period below 0":   func(s *policy.Site) { s.Ban.Failures, s.Ban.Period = 0, "-5m" },
	} {
		bad := policy.DefaultSite()
		if do(&bad); len(bad.Problems()) != 1 {
			t.Errorf("%s: %v", name, bad.Problems())
		}
	}
	for name, tt := range map[string]struct {
		do   func(*policy.Account)
		want int
	}{
		"two grants without a name": {func(a *policy.Account) {
			a.Grants = []policy.Grant{grant("/a", policy.Read), grant("/b", policy.Read)}
		}, 0},
		"an expiry that is resolved": {func(a *policy.Account) { a.Expires = &policy.Expiry{Instant: noon} }, 0},
		"a code with the key":        {func(a *policy.Account) { a.SecondFactor.WithKey = true }, 0},
		"exempt, and with the key": {func(a *policy.Account) {
			a.SecondFactor = policy.SecondFactor{WithKey: true, Required: policy.Deny}
		}, 1},
		"a user who manages":      {func(a *policy.Account) { a.Manage.Users = true }, 0},
		"an auditor":              {func(a *policy.Account) { a.Role = policy.RoleAuditor }, 0},
		"an auditor who manages":  {func(a *policy.Account) { a.Role, a.Manage.Users = policy.RoleAuditor, true }, 1},
		"a guest who manages":     {func(a *policy.Account) { a.Role, a.Manage.Users = policy.RoleGuest, true }, 1},
		"exempt without the key":  {func(a *policy.Account) { a.SecondFactor.Required = policy.Deny }, 0},
		"shared, without the key": {func(a *policy.Account) { a.Shared = true }, 0},
	} {
		own := bob()
		if tt.do(&own); len(own.Problems()) != tt.want {
			t.Errorf("%s: %v", name, own.Problems())
		}
	}
	f := p("/groups/team")
	g := policy.Group{Name: "team", Folder: &f, FolderQuota: policy.Quota{Bytes: figure(1)}}
	if got := g.Problems(); len(got) != 0 {
		t.Errorf("a folder with a quota: %v", got)
	}
	if _, err := (policy.Expiry{Instant: time.Date(1, 6, 1, 0, 0, 0, 0, time.UTC)}).Resolve(time.UTC); err != nil {
		t.Errorf("the year 1: %v", err)
	}
}

// What is empty is written as a list, for those who read it as one.
func TestEmptyListsAreLists(t *testing.T) {
	text, err := json.Marshal(resolved(named("ann")).Access())
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range []string{"grants", "cut", "entries", "shadowed", "managers", "site", "account"} {
		if strings.Contains(string(text), `"`+list+`":null`) {
			t.Errorf("%s is null in %s", list, text)
		}
	}
}
