package policy_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"gatehouse/policy"
	"gatehouse/policy/path"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func bob() policy.Account {
	return policy.Account{ID: "a1", Name: "bob", Role: policy.RoleUser, Home: path.MustParse("/home/bob")}
}

func prefixes(t testing.TB, list ...string) []netip.Prefix {
	t.Helper()
	p, err := policy.ParsePrefixes(list)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// transports are what each door is opened over.
var transports = map[policy.Door]policy.Transport{
	policy.SFTP: policy.SSH, policy.FTP: policy.TLS, policy.WebDAV: policy.TLS,
	policy.Web: policy.TLS, policy.API: policy.TLS, policy.AccountPages: policy.TLS,
}

// through is attempt at another door with another kind of credential.
func through(door policy.Door, kind policy.CredentialKind) policy.Attempt {
	a := attempt()
	a.Door, a.Transport, a.Credential.Kind = door, transports[door], kind
	return a
}

// attempt is one that nothing refuses.
func attempt() policy.Attempt {
	return policy.Attempt{
		Door: policy.SFTP, Transport: policy.SSH, Time: noon,
		Address:    netip.MustParseAddr("203.0.113.7"),
		Credential: policy.Credential{ID: "c1", Kind: policy.KindPassword, Proved: true},
	}
}

// Each rule refuses exactly where it should, and is the one that is named.
func TestAdmitRules(t *testing.T) {
	type change func(*policy.Site, *policy.Account, *policy.Attempt)
	expired := &policy.Expiry{Instant: noon}
	tests := map[string]struct {
		change change
		rule   policy.Rule // admitted where it is RuleAdmitted or RuleMustChange
	}{
		"nothing refuses": {func(*policy.Site, *policy.Account, *policy.Attempt) {}, policy.RuleAdmitted},
		"door closed on the site": {func(s *policy.Site, _ *policy.Account, _ *policy.Attempt) {
			s.Doors = []policy.Door{policy.FTP}
		}, policy.RuleDoorSite},
		"no doors means all of them": {func(s *policy.Site, _ *policy.Account, _ *policy.Attempt) { s.Doors = nil }, policy.RuleAdmitted},
		"no such door":               {func(_ *policy.Site, _ *policy.Account, a *policy.Attempt) { a.Door = "telnet" }, policy.RuleDoorSite},
		"door not the account's": {func(_ *policy.Site, o *policy.Account, _ *policy.Attempt) {
			o.Protocols = []policy.Door{policy.WebDAV}
		}, policy.RuleDoorAccount},
		"only another door": {func(_ *policy.Site, o *policy.Account, _ *policy.Attempt) {
			o.Protocols = []policy.Door{policy.FTP}
		}, policy.RuleDoorAccount},
		"only this door": {func(_ *policy.Site, o *policy.Account, _ *policy.Attempt) {
			o.Protocols = []policy.Door{policy.SFTP}
		}, policy.RuleAdmitted},
		"no protocols at all": {func(_ *policy.Site, o *policy.Account, _ *policy.Attempt) { o.Protocols = []policy.Door{} }, policy.RuleDoorAccount},
		"door not the credential's": {func(_ *policy.Site, _ *policy.Account, a *policy.Attempt) {
			a.Credential.Doors = []policy.Door{policy.WebDAV}
		}, policy.RuleDoorCredential},
		"banned": {func(_ *policy.Site, _ *policy.Account, a *policy.Attempt) { a.Banned = true }, policy.RuleBan},
		"locked": {func(_ *policy.Site, _ *policy.Account, a *policy.Attempt) { a.Locked = true }, policy.RuleLockout},
		"locked, but a key": {func(_ *policy.Site, _ *policy.Account, a *policy.Attempt) {
			a.Locked, a.Credential.Kind = true, policy.KindKey
		}, policy.RuleAdmitted},
		"locked for all, and a key": {func(s *policy.Site, _ *policy.Account, a *policy.Attempt) {
			a.Locked, a.Credential.Kind, s.Lockout.Scope = true, policy.KindKey, policy.LockoutAll
		}, policy.RuleLockout},
		"disabled":               {func(_ *policy.Site, o *policy.Account, _ *policy.Attempt) { o.Status.Disabled = true }, policy.RuleStatus},
		"expired to the instant": {func(_ *policy.Site, o *policy.Account, _ *policy.Attempt) { o.Expires = expired }, policy.RuleExpiry},
		"not yet expired": {func(_ *policy.Site, o *policy.Account, a *policy.Attempt) {
			o.Expires, a.Time = expired, noon.Add(-1)
		}, policy.RuleAdmitted},
		"expiry never resolved": {func(_ *policy.Site, o *policy.Account, _ *policy.Attempt) {
			o.Expires = &policy.Expiry{Date: "2099-01-01"}
		}, policy.RuleExpiry},
		"no address": {func(_ *policy.Site, _ *policy.Account, a *policy.Attempt) { a.Address = netip.Addr{} }, policy.RuleAddress},
		"credential from elsewhere": {func(_ *policy.Site, _ *policy.Account, a *policy.Attempt) {
			a.Credential.AllowedIPs = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		}, policy.RuleCredentialAddress},
		"credential from its network": {func(_ *policy.Site, _ *policy.Account, a *policy.Attempt) {
			a.Credential.AllowedIPs = []netip.Prefix{netip.MustParsePrefix("::ffff:203.0.113.0/120")}
		}, policy.RuleAdmitted},
		"SFTP without SSH": {func(_ *policy.Site, _ *policy.Account, a *policy.Attempt) { a.Transport = policy.TLS }, policy.RuleTransport},
		"plain FTP": {func(_ *policy.Site, _ *policy.Account, a *policy.Attempt) {
			a.Door, a.Transport = policy.FTP, policy.Clear
		}, policy.RulePlainFTP},
		"plain FTP allowed on the site": {func(s *policy.Site, _ *policy.Account, a *policy.Attempt) {
			a.Door, a.Transport, s.PlainFTP = policy.FTP, policy.Clear, policy.Allow
		}, policy.RuleAdmitted},
		"plain FTP allowed for the account": {func(_ *policy.Site, o *policy.Account, a *policy.Attempt) {
			a.Door, a.Transport, o.PlainFTP = policy.FTP, policy.Clear, policy.Allow
		}, policy.RuleAdmitted},
		"plain FTP denied for the account": {func(s *policy.Site, o *policy.Account, a *policy.Attempt) {
			a.Door, a.Transport, s.PlainFTP, o.PlainFTP = policy.FTP, policy.Clear, policy.Allow, policy.Deny
		}, policy.RulePlainFTP},
		"plain FTP inherited": {func(s *policy.Site, o *policy.Account, a *policy.Attempt) {
			a.Door, a.Transport, s.PlainFTP, o.PlainFTP = policy.FTP, policy.Clear, policy.Allow, policy.Inherit
		}, policy.RuleAdmitted},
		"FTP over TLS": {func(_ *policy.Site, _ *policy.Account, a *policy.Attempt) {
			a.Door, a.Transport = policy.FTP, policy.TLS
		}, policy.RuleAdmitted},
		"clear HTTP from afar": {func(_ *policy.Site, _ *policy.Account, a *policy.Attempt) {
			a.Door, a.Transport = policy.WebDAV, policy.Clear
		}, policy.RuleTransport},
		"clear HTTP from loopback": {func(_ *policy.Site, _ *policy.Account, a *policy.Attempt) {
			a.Door, a.Transport, a.Address = policy.WebDAV, policy.Clear, netip.MustParseAddr("::ffff:127.0.0.1")
		}, policy.RuleAdmitted},
		"https at a trusted proxy": {func(_ *policy.Site, _ *policy.Account, a *policy.Attempt) {
			a.Door, a.Transport = policy.API, policy.TLSProxied
		}, policy.RuleAdmitted},
		"a transport that is none": {func(_ *policy.Site, _ *policy.Account, a *policy.Attempt) {
			a.Door, a.Transport = policy.WebDAV, ""
		}, policy.RuleTransport},
		"not proved": {func(_ *policy.Site, _ *policy.Account, a *policy.Attempt) { a.Credential.Proved = false }, policy.RuleCredential},
		"credential expired": {func(_ *policy.Site, _ *policy.Account, a *policy.Attempt) {
			a.Credential.Expires = noon
		}, policy.RuleCredentialExpiry},
		"password expired, on the web": {func(_ *policy.Site, _ *policy.Account, a *policy.Attempt) {
			a.Door, a.Transport, a.Credential.Expires = policy.Web, policy.TLS, noon
		}, policy.RuleMustChange},
		"token expired": {func(_ *policy.Site, _ *policy.Account, a *policy.Attempt) {
			a.Door, a.Transport, a.Credential.Kind, a.Credential.Expires = policy.API, policy.TLS, policy.KindToken, noon
		}, policy.RuleCredentialExpiry},
		"must change, by key": {func(_ *policy.Site, _ *policy.Account, a *policy.Attempt) {
			a.Credential.MustChange, a.Credential.Kind = true, policy.KindKey
		}, policy.RuleMustChange},
		"too many sessions of the account": {func(s *policy.Site, _ *policy.Account, a *policy.Attempt) {
			s.Limits.Sessions, a.Sessions.Account = 2, 2
		}, policy.RuleSessionsAccount},
		"one session left": {func(s *policy.Site, _ *policy.Account, a *policy.Attempt) {
			s.Limits.Sessions, a.Sessions.Account = 2, 1
		}, policy.RuleAdmitted},
		"too many sessions of the address": {func(s *policy.Site, _ *policy.Account, a *policy.Attempt) {
			s.Limits.AddressSession, a.Sessions.Address = 1, 5
		}, policy.RuleSessionsAddress},
		"too many sessions in all": {func(s *policy.Site, _ *policy.Account, a *policy.Attempt) {
			s.MaxSessions, a.Sessions.All = 100, 100
		}, policy.RuleSessionsSite},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			site, own, a := policy.DefaultSite(), bob(), attempt()
			tt.change(&site, &own, &a)
			got := policy.Resolve(site, nil, own).Admit(a)
			admitted := tt.rule == policy.RuleAdmitted || tt.rule == policy.RuleMustChange && !a.Door.IsFile()
			if got.Rule != tt.rule || got.Allowed != admitted {
				t.Errorf("got %+v, want allowed %v by %s", got, admitted, tt.rule)
			}
			if got.Because == "" {
				t.Error("the decision has no reason")
			}
		})
	}
}

// Where everything refuses at once, rules are named one after the other in the
// order of section 4, as each obstacle is lifted.
func TestRefusalsAreNamedInOrder(t *testing.T) {
	site, own, a := policy.DefaultSite(), bob(), attempt()
	site.Doors = []policy.Door{policy.WebDAV}
	own.Protocols = []policy.Door{}
	own.Status.Disabled = true
	own.Expires = &policy.Expiry{Instant: noon}
	own.AllowedIPs, own.Role = prefixes(t, "192.0.2.1"), policy.RoleGuest
	site.MaxSessions, site.Limits.Sessions, site.Limits.AddressSession = 1, 1, 1
	a.Door, a.Transport, a.Banned, a.Locked = policy.FTP, policy.Clear, true, true
	a.Sessions = policy.Sessions{Account: 1, Address: 1, All: 1}
	a.Credential = policy.Credential{
		Kind: policy.KindPassword, Doors: []policy.Door{policy.Web}, AllowedIPs: prefixes(t, "192.0.2.2"),
		Expires: noon, MustChange: true, Code: policy.CodeNeeded,
	}
	lift := []struct {
		rule policy.Rule
		do   func()
	}{
		{policy.RuleDoorSite, func() { site.Doors = nil }},
		{policy.RuleDoorAccount, func() { own.Protocols = nil }},
		{policy.RuleDoorCredential, func() { a.Credential.Doors = nil }},
		{policy.RuleBan, func() { a.Banned = false }},
		{policy.RuleLockout, func() { a.Locked = false }},
		{policy.RuleStatus, func() { own.Status.Disabled = false }},
		{policy.RuleExpiry, func() { own.Expires = nil }},
		{policy.RuleManager, func() { own.Role = policy.RoleUser }},
		{policy.RuleAddress, func() { own.AllowedIPs = nil }},
		{policy.RuleCredentialAddress, func() { a.Credential.AllowedIPs = nil }},
		{policy.RulePlainFTP, func() { site.PlainFTP = policy.Allow }},
		{policy.RuleCredential, func() { a.Credential.Proved = true }},
		{policy.RuleCredentialExpiry, func() { a.Credential.Expires = time.Time{} }},
		{policy.RuleSecondFactor, func() { a.Credential.Code = policy.CodeEnrol }},
		{policy.RuleEnrol, func() { a.Credential.Code = policy.CodeNone }},
		{policy.RuleMustChange, func() { a.Credential.MustChange = false }},
		{policy.RuleSessionsAccount, func() { a.Sessions.Account = 0 }},
		{policy.RuleSessionsAddress, func() { a.Sessions.Address = 0 }},
		{policy.RuleSessionsSite, func() { a.Sessions.All = 0 }},
	}
	for _, step := range lift {
		if got := policy.Resolve(site, nil, own).Admit(a); got.Allowed || got.Rule != step.rule {
			t.Fatalf("got %+v, want a refusal by %s", got, step.rule)
		}
		step.do()
	}
	if got := policy.Resolve(site, nil, own).Admit(a); !got.Allowed {
		t.Errorf("nothing is left to refuse, got %+v", got)
	}
}

// A password that must be changed opens no file door for any credential; web
// and API let in what can change it, and only for that.
func TestMustChange(t *testing.T) {
	e := policy.Resolve(policy.DefaultSite(), nil, bob())
	kinds := []policy.CredentialKind{
		policy.KindPassword, policy.KindKey, policy.KindCertificate, policy.KindAppPassword, policy.KindToken, policy.KindCookie,
	}
	for door, transport := range transports {
		for _, kind := range kinds {
			if !kind.Opens(door) {
				continue
			}
			a := attempt()
			a.Door, a.Transport, a.Credential.Kind, a.Credential.MustChange = door, transport, kind, true
			changes := !door.IsFile() && (kind == policy.KindPassword || kind == policy.KindCookie)
			got := e.Admit(a)
			if got.Allowed != changes || got.ChangesPassword() != changes || got.Rule != policy.RuleMustChange {
				t.Errorf("%s by %s: %+v", door, kind, got)
			}
		}
	}
	if e.Admit(attempt()).ChangesPassword() {
		t.Error("an ordinary login only changes the password")
	}
}

func TestLocalSocketIsAboveAccountRules(t *testing.T) {
	a := policy.Attempt{Door: policy.API, Transport: policy.Local, Banned: true, Locked: true}
	if got := (policy.Effective{}).Admit(a); !got.Allowed || got.Rule != policy.RuleLocalSocket {
		t.Errorf("got %+v", got)
	}
}

func TestZeroValueAdmitsNobody(t *testing.T) {
	for _, e := range []policy.Effective{{}, policy.System(policy.DefaultSite())} {
		for _, door := range policy.Doors() {
			a := attempt()
			a.Door = door
			if got := e.Admit(a); got.Allowed {
				t.Errorf("%s: %+v", door, got)
			}
		}
	}
	if d := (policy.Effective{}).Decide(policy.OpStat, policy.Target{Folder: true}); d.Allowed {
		t.Errorf("the zero value permits: %+v", d)
	}
}

func TestNoAccountIsRefused(t *testing.T) {
	if got := policy.Resolve(policy.DefaultSite(), nil, policy.Account{}).Admit(attempt()); got.Allowed || got.Rule != policy.RuleStatus {
		t.Errorf("got %+v", got)
	}
}

func TestADisabledAccountSaysByWhomAndWhy(t *testing.T) {
	tests := map[string]policy.Status{
		"the account is disabled":                      {Disabled: true},
		"the account is disabled by admin":             {Disabled: true, By: "admin"},
		"the account is disabled by admin: on holiday": {Disabled: true, By: "admin", Why: "on holiday"},
	}
	for want, status := range tests {
		own := bob()
		own.Status = status
		if got := policy.Resolve(policy.DefaultSite(), nil, own).Admit(attempt()); got.Because != want {
			t.Errorf("because %q, want %q", got.Because, want)
		}
	}
}

// An open session outlives bans, lockouts and a full house, and nothing else.
func TestStay(t *testing.T) {
	site, own, a := policy.DefaultSite(), bob(), attempt()
	site.MaxSessions, site.Limits.Sessions = 1, 1
	a.Banned, a.Locked = true, true
	a.Sessions = policy.Sessions{Account: 5, Address: 5, All: 5}
	if got := policy.Resolve(site, nil, own).Stay(a); !got.Allowed {
		t.Errorf("an open session was cut: %+v", got)
	}
	own.Status.Disabled = true
	if got := policy.Resolve(site, nil, own).Stay(a); got.Allowed || got.Rule != policy.RuleStatus {
		t.Errorf("a disabled account's session stays: %+v", got)
	}
}

func TestDecisionsCarryWhenTimeEndsThem(t *testing.T) {
	own, a := bob(), attempt()
	account, credential := noon.Add(2*time.Hour), noon.Add(time.Hour)
	tests := []struct {
		name                string
		account, credential time.Time
		want                time.Time
	}{
		{"nothing expires", time.Time{}, time.Time{}, time.Time{}},
		{"the account", account, time.Time{}, account},
		{"the credential first", account, credential, credential},
		{"the credential alone", time.Time{}, credential, credential},
	}
	for _, tt := range tests {
		own.Expires = nil
		if !tt.account.IsZero() {
			own.Expires = &policy.Expiry{Instant: tt.account}
		}
		a.Credential.Expires = tt.credential
		got := policy.Resolve(policy.DefaultSite(), nil, own).Admit(a)
		if !got.Allowed || !got.Until.Equal(tt.want) {
			t.Errorf("%s: until %v, want %v", tt.name, got.Until, tt.want)
		}
		if tt.want.IsZero() {
			continue
		}
		late := a
		late.Time = got.Until
		if d := policy.Resolve(policy.DefaultSite(), nil, own).Admit(late); d.Allowed {
			t.Errorf("%s: still allowed at the moment it ends", tt.name)
		}
	}
}

func TestEveryRuleIsDocumented(t *testing.T) {
	e := policy.Resolve(policy.DefaultSite(), nil, bob())
	texts := policy.Rules()
	for i, step := range e.Chain(attempt()) {
		if texts[i].Rule != step.Rule {
			t.Errorf("rule %d of the chain is %s, of the documents %s", i, step.Rule, texts[i].Rule)
		}
		if !step.Allowed || step.Because == "" {
			t.Errorf("%+v", step)
		}
	}
	seen := map[policy.Rule]bool{}
	for _, text := range texts {
		if seen[text.Rule] || text.Asks == "" || text.Setting == "" || strings.ToLower(string(text.Rule)) != string(text.Rule) {
			t.Errorf("%+v", text)
		}
		if text.Rule.Text() != text {
			t.Errorf("Text of %s is another's", text.Rule)
		}
		seen[text.Rule] = true
	}
}
