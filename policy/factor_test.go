package policy_test

import (
	"testing"
	"time"

	"gatehouse/policy"
)

// kinds are all that an account can be proved with, and one that is none.
var kinds = []policy.CredentialKind{
	policy.KindPassword, policy.KindKey, policy.KindCertificate, policy.KindAppPassword, policy.KindToken,
	policy.KindCookie, policy.KindClient, policy.KindLink, "other",
}

// allDoors are those that are configured, and the account pages.
var allDoors = append(policy.Doors(), policy.AccountPages)

// Section 3: which credential is for which door, whatever the credential says.
func TestKindsOpenTheirDoorsOnly(t *testing.T) {
	opens := map[policy.CredentialKind][]policy.Door{
		policy.KindPassword:    allDoors,
		policy.KindKey:         {policy.SFTP},
		policy.KindCertificate: {policy.SFTP},
		policy.KindAppPassword: {policy.SFTP, policy.FTP, policy.WebDAV},
		policy.KindToken:       {policy.API},
		policy.KindCookie:      {policy.Web, policy.API, policy.AccountPages},
		policy.KindClient:      {policy.WebDAV, policy.Web, policy.API},
		policy.KindLink:        {policy.AccountPages},
	}
	e := policy.Resolve(policy.DefaultSite(), nil, bob())
	for _, kind := range kinds {
		for _, door := range allDoors {
			want := false
			for _, d := range opens[kind] {
				want = want || d == door
			}
			a := through(door, kind)
			a.Credential.Doors = append(policy.Doors(), policy.AccountPages)
			if got := e.Admit(a); got.Allowed != want || !want && got.Rule != policy.RuleDoorCredential {
				t.Errorf("%s at %s: %+v", kind, door, got)
			}
		}
		for _, door := range kind.Doors() {
			if !kind.Opens(door) || door == policy.AccountPages {
				t.Errorf("a credential of kind %s is made for %s", kind, door)
			}
		}
	}
}

// Neither the site's doors nor the account's protocols close the way to a new
// password; everything else that refuses does.
func TestAccountPagesAreOpenWhateverProtocolsSay(t *testing.T) {
	site, own := policy.DefaultSite(), bob()
	site.Doors, own.Protocols = []policy.Door{policy.SFTP}, []policy.Door{}
	for _, kind := range []policy.CredentialKind{policy.KindPassword, policy.KindCookie, policy.KindLink} {
		if got := policy.Resolve(site, nil, own).Admit(through(policy.AccountPages, kind)); !got.Allowed {
			t.Errorf("by %s: %+v", kind, got)
		}
	}
	link := through(policy.AccountPages, policy.KindLink)
	link.Credential.MustChange, link.Credential.Code = true, policy.CodeNone
	if got := policy.Resolve(site, nil, own).Admit(link); !got.Allowed || got.Rule != policy.RuleLink || got.ChangesPassword() {
		t.Errorf("a link lets in for more than its page: %+v", got)
	}
	refused := map[policy.Rule]func(*policy.Account, *policy.Attempt){
		policy.RuleStatus:           func(o *policy.Account, _ *policy.Attempt) { o.Status.Disabled = true },
		policy.RuleExpiry:           func(o *policy.Account, _ *policy.Attempt) { o.Expires = &policy.Expiry{Instant: noon} },
		policy.RuleManager:          func(o *policy.Account, _ *policy.Attempt) { o.Role = policy.RoleGuest },
		policy.RuleAddress:          func(o *policy.Account, _ *policy.Attempt) { o.AllowedIPs = prefixes(t, "192.0.2.1") },
		policy.RuleBan:              func(_ *policy.Account, a *policy.Attempt) { a.Banned = true },
		policy.RuleTransport:        func(_ *policy.Account, a *policy.Attempt) { a.Transport = policy.Clear },
		policy.RuleCredential:       func(_ *policy.Account, a *policy.Attempt) { a.Credential.Proved = false },
		policy.RuleCredentialExpiry: func(_ *policy.Account, a *policy.Attempt) { a.Credential.Expires = noon },
	}
	for rule, change := range refused {
		own, a := bob(), through(policy.AccountPages, policy.KindLink)
		change(&own, &a)
		if got := policy.Resolve(site, nil, own).Admit(a); got.Allowed || got.Rule != rule {
			t.Errorf("want a refusal by %s, got %+v", rule, got)
		}
	}
}

// The account has a second factor: what opens which door without and with a code.
func TestSecondFactor(t *testing.T) {
	const none, asked, proved = policy.FactorNone, policy.FactorAsked, policy.FactorProved
	tests := []struct {
		kind    policy.CredentialKind
		door    policy.Door
		withKey bool
		factor  policy.Factor
		rule    policy.Rule
	}{
		{policy.KindPassword, policy.SFTP, false, none, policy.RuleAdmitted},
		{policy.KindPassword, policy.SFTP, false, asked, policy.RuleSecondFactor},
		{policy.KindPassword, policy.SFTP, false, proved, policy.RuleAdmitted},
		{policy.KindPassword, policy.FTP, false, asked, policy.RuleSecondFactor},
		{policy.KindPassword, policy.FTP, false, proved, policy.RuleSecondFactor},
		{policy.KindPassword, policy.WebDAV, false, asked, policy.RuleSecondFactor},
		{policy.KindPassword, policy.WebDAV, false, proved, policy.RuleSecondFactor},
		{policy.KindPassword, policy.API, false, asked, policy.RuleSecondFactor},
		{policy.KindPassword, policy.API, false, proved, policy.RuleAdmitted},
		{policy.KindPassword, policy.AccountPages, false, asked, policy.RuleSecondFactor},
		{policy.KindPassword, policy.AccountPages, false, proved, policy.RuleAdmitted},
		{policy.KindCookie, policy.Web, false, asked, policy.RuleSecondFactor},
		{policy.KindCookie, policy.Web, false, proved, policy.RuleAdmitted},
		{policy.KindKey, policy.SFTP, false, asked, policy.RuleAdmitted},
		{policy.KindKey, policy.SFTP, true, asked, policy.RuleSecondFactor},
		{policy.KindKey, policy.SFTP, true, proved, policy.RuleAdmitted},
		{policy.KindCertificate, policy.SFTP, true, asked, policy.RuleSecondFactor},
		{policy.KindAppPassword, policy.FTP, true, asked, policy.RuleAdmitted},
		{policy.KindAppPassword, policy.WebDAV, false, asked, policy.RuleAdmitted},
		{policy.KindAppPassword, policy.SFTP, false, asked, policy.RuleAdmitted},
		{policy.KindToken, policy.API, false, asked, policy.RuleAdmitted},
		{policy.KindClient, policy.WebDAV, false, asked, policy.RuleAdmitted},
		{policy.KindLink, policy.AccountPages, true, asked, policy.RuleLink},
	}
	for _, tt := range tests {
		own := bob()
		own.SecondFactor.WithKey = tt.withKey
		e, a := policy.Resolve(policy.DefaultSite(), nil, own), through(tt.door, tt.kind)
		a.Credential.Code = e.Code(tt.kind, tt.factor)
		got := e.Admit(a)
		if got.Rule != tt.rule || got.Allowed != (tt.rule != policy.RuleSecondFactor) {
			t.Errorf("%s at %s, with key %v, factor %v: %+v, want %s", tt.kind, tt.door, tt.withKey, tt.factor, got, tt.rule)
		}
	}
}

// A second factor is required and the account has none: password, app password,
// token and client do nothing but set one up, where that can be done; keys and
// certificates go on unless the account demands a code with them.
func TestRequiredButNotEnrolled(t *testing.T) {
	site, own, strict := policy.DefaultSite(), bob(), bob()
	site.SecondFactor = policy.SecondFactorRequired
	strict.SecondFactor.WithKey = true
	for _, kind := range kinds {
		for _, door := range allDoors {
			if !kind.Opens(door) {
				continue
			}
			if e := policy.Resolve(site, nil, strict); kind == policy.KindLink {
				a := through(door, kind)
				a.Credential.Code = policy.CodeEnrol
				if got := e.Admit(a); e.Code(kind, policy.FactorNone) != policy.CodeNone || got.Rule != policy.RuleLink || got.Enrols() {
					t.Errorf("a link: %+v", got)
				}
				continue
			}
			key := kind == policy.KindKey || kind == policy.KindCertificate
			enrols := (kind == policy.KindPassword || kind == policy.KindCookie) && !door.IsFile()
			for _, own := range []policy.Account{own, strict} {
				e, a := policy.Resolve(site, nil, own), through(door, kind)
				a.Credential.Code = e.Code(kind, policy.FactorNone)
				got := e.Admit(a)
				if key && !own.SecondFactor.WithKey {
					if !got.Allowed || got.Rule != policy.RuleAdmitted {
						t.Errorf("%s at %s: %+v", kind, door, got)
					}
					continue
				}
				if got.Rule != policy.RuleEnrol || got.Allowed != enrols || got.Enrols() != enrols {
					t.Errorf("%s at %s, with key %v: %+v", kind, door, own.SecondFactor.WithKey, got)
				}
			}
		}
	}
}

func TestWhoMustHaveASecondFactor(t *testing.T) {
	tests := map[string]struct {
		site, own policy.Choice
		shared    bool
		withKey   bool
		want      policy.FactorOrigin
	}{
		"nobody asks":              {"", "", false, false, policy.FactorOrigin{Origin: policy.OriginDefault}},
		"the site asks":            {policy.Allow, "", false, false, policy.FactorOrigin{Required: true, Origin: policy.OriginSite}},
		"inherited from the site":  {policy.Allow, policy.Inherit, false, false, policy.FactorOrigin{Required: true, Origin: policy.OriginSite}},
		"exempt by hand":           {policy.Allow, policy.Deny, false, false, policy.FactorOrigin{Origin: policy.OriginAccount}},
		"exempt as shared":         {policy.Allow, policy.Inherit, true, false, policy.FactorOrigin{Origin: policy.OriginShared}},
		"required of one":          {"", policy.Allow, false, false, policy.FactorOrigin{Required: true, Origin: policy.OriginAccount}},
		"required of a shared one": {"", policy.Allow, true, false, policy.FactorOrigin{Required: true, Origin: policy.OriginAccount}},
		"with a key":               {"", policy.Inherit, false, true, policy.FactorOrigin{Required: true, Origin: policy.OriginAccount, WithKey: true}},
	}
	for name, tt := range tests {
		site, own := policy.DefaultSite(), bob()
		if tt.site == policy.Allow {
			site.SecondFactor = policy.SecondFactorRequired
		}
		own.Shared, own.SecondFactor = tt.shared, policy.SecondFactor{Required: tt.own, WithKey: tt.withKey}
		e := policy.Resolve(site, nil, own)
		if got := e.SecondFactor(); got != tt.want || e.CodeRequired() != tt.want.Required {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
		if got := e.Access().SecondFactor; got != tt.want {
			t.Errorf("%s: access says %+v", name, got)
		}
		want := policy.CodeNone
		if tt.want.Required {
			want = policy.CodeEnrol
		}
		if got := e.Code(policy.KindPassword, policy.FactorNone); got != want {
			t.Errorf("%s: a password's code is %q, want %q", name, got, want)
		}
	}
}

// A lockout stops guessing at passwords and at codes, and leaves what cannot be
// guessed alone; the strict stop everything.
func TestLockoutByKindAndScope(t *testing.T) {
	tests := []struct {
		kind  policy.CredentialKind
		code  policy.CodeState
		stops bool
	}{
		{policy.KindPassword, policy.CodeNone, true},
		{policy.KindPassword, policy.CodeProved, true},
		{policy.KindKey, policy.CodeNone, false},
		{policy.KindKey, policy.CodeNeeded, true},
		{policy.KindKey, policy.CodeProved, true},
		{policy.KindCertificate, policy.CodeNone, false},
		{policy.KindCertificate, policy.CodeNeeded, true},
		{policy.KindAppPassword, policy.CodeNone, false},
		{policy.KindToken, policy.CodeNone, false},
		{policy.KindClient, policy.CodeNone, false},
		{policy.KindCookie, policy.CodeProved, false},
		{policy.KindLink, policy.CodeNone, false},
	}
	for _, tt := range tests {
		for _, scope := range []string{policy.LockoutPasswords, policy.LockoutAll} {
			site := policy.DefaultSite()
			site.Lockout.Scope = scope
			var door policy.Door
			for _, d := range allDoors {
				if tt.kind.Opens(d) {
					door = d
				}
			}
			a := through(door, tt.kind)
			a.Locked, a.Credential.Code = true, tt.code
			got := policy.Resolve(site, nil, bob()).Admit(a)
			if want := tt.stops || scope == policy.LockoutAll; (got.Rule == policy.RuleLockout) != want {
				t.Errorf("%s, code %q, scope %s: %+v, want stopped %v", tt.kind, tt.code, scope, got, want)
			}
		}
	}
}

func TestDesktopAccess(t *testing.T) {
	own := bob()
	for choice, want := range map[policy.Choice]bool{"": true, policy.Inherit: true, policy.Allow: true, policy.Deny: false} {
		own.Desktop = choice
		e := policy.Resolve(policy.DefaultSite(), nil, own)
		if got := e.Admit(through(policy.WebDAV, policy.KindClient)); got.Allowed != want || !want && got.Rule != policy.RuleDesktop {
			t.Errorf("%q: %+v", choice, got)
		}
		if got := e.Admit(through(policy.WebDAV, policy.KindPassword)); !got.Allowed {
			t.Errorf("%q keeps a password out: %+v", choice, got)
		}
	}
}

// A certificate is good from its first moment on, and not at its last.
func TestACertificateIsGoodInItsWindow(t *testing.T) {
	e := policy.Resolve(policy.DefaultSite(), nil, bob())
	for moment, want := range map[time.Time]bool{
		noon.Add(-time.Second): false, noon: true, noon.Add(time.Hour - 1): true, noon.Add(time.Hour): false,
	} {
		a := through(policy.SFTP, policy.KindCertificate)
		a.Time, a.Credential.Begins, a.Credential.Expires = moment, noon, noon.Add(time.Hour)
		got := e.Admit(a)
		if got.Allowed != want || !want && got.Rule != policy.RuleCredentialExpiry || want && !got.Until.Equal(a.Credential.Expires) {
			t.Errorf("at %s: %+v, want %v", moment, got, want)
		}
	}
}

func TestShareLinks(t *testing.T) {
	own := bob()
	for choice, want := range map[policy.Choice]bool{"": true, policy.Inherit: true, policy.Allow: true, policy.Deny: false} {
		own.ShareLinks = choice
		e := policy.Resolve(policy.DefaultSite(), nil, own)
		got := e.Decide(policy.OpShare, file("/home/bob/a"))
		if got.Allowed != want || !want && got.Rule != policy.RuleShareLinks || e.Access().ShareLinks.Allowed != want {
			t.Errorf("%q: %+v", choice, got)
		}
		if !e.Decide(policy.OpDelete, file("/home/bob/a")).Allowed {
			t.Errorf("%q takes more than sharing", choice)
		}
	}
}
