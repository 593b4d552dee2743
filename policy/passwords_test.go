package policy_test

import (
	"testing"
	"time"

	"gatehouse/policy"
)

// A password is due every cycle: as the account says, else the site.
func TestPasswordAge(t *testing.T) {
	tests := map[string]struct {
		site   int
		own    *int
		shared bool
		want   policy.AgeOrigin
	}{
		"never by default":          {0, nil, false, policy.AgeOrigin{Origin: policy.OriginDefault}},
		"the site's":                {90, nil, false, policy.AgeOrigin{Days: 90, Origin: policy.OriginSite}},
		"the account's own":         {90, days(30), false, policy.AgeOrigin{Days: 30, Origin: policy.OriginAccount}},
		"longer than the site's":    {90, days(400), false, policy.AgeOrigin{Days: 400, Origin: policy.OriginAccount}},
		"never, against the site":   {90, days(0), false, policy.AgeOrigin{Origin: policy.OriginAccount}},
		"its own where none is set": {0, days(7), false, policy.AgeOrigin{Days: 7, Origin: policy.OriginAccount}},
		"shared accounts have none": {90, nil, true, policy.AgeOrigin{Origin: policy.OriginShared}},
		"more than can be counted":  {0, days(1 << 40), false, policy.AgeOrigin{Days: 36500, Origin: policy.OriginAccount}},
	}
	for name, tt := range tests {
		site, own := policy.DefaultSite(), bob()
		site.Password.MaxAgeDays, own.PasswordAge, own.Shared = tt.site, tt.own, tt.shared
		e := policy.Resolve(site, nil, own)
		if got := e.PasswordAge(); got != tt.want || e.Access().PasswordAge != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
		due := e.PasswordExpires(noon)
		if tt.want.Days == 0 && !due.IsZero() || tt.want.Days > 0 && !due.Equal(noon.AddDate(0, 0, tt.want.Days)) {
			t.Errorf("%s: due at %s", name, due)
		}
		if next := e.PasswordExpires(noon.Add(time.Hour)); tt.want.Days > 0 && next.Sub(due) != time.Hour {
			t.Errorf("%s: a change begins no new cycle: due at %s, then at %s", name, due, next)
		}
	}
}

// An expired password blocks the password, not keys, and can be changed where
// somebody can be asked.
func TestAnExpiredPasswordBlocksThePasswordOnly(t *testing.T) {
	site := policy.DefaultSite()
	site.Password.MaxAgeDays = 30
	e := policy.Resolve(site, nil, bob())
	due := e.PasswordExpires(noon.AddDate(0, 0, -30))
	for _, door := range allDoors {
		a := through(door, policy.KindPassword)
		a.Credential.Expires = due
		got := e.Admit(a)
		if got.Allowed == door.IsFile() || got.ChangesPassword() == door.IsFile() {
			t.Errorf("%s: %+v", door, got)
		}
	}
	if got := e.Admit(through(policy.SFTP, policy.KindKey)); !got.Allowed {
		t.Errorf("a key: %+v", got)
	}
}

// Only managers and administrators set a guest's password, and a shared account
// changes none of its own: neither is let in to change it.
func TestGuestsAndSharedAccountsChangeNoPassword(t *testing.T) {
	guest, shared := bob(), bob()
	guest.Role, shared.Shared = policy.RoleGuest, true
	for _, own := range []policy.Account{guest, shared} {
		e := policy.ResolveAround(policy.DefaultSite(), nil, own, policy.Around{Managers: []policy.Effective{alice()}})
		for _, door := range []policy.Door{policy.Web, policy.API, policy.AccountPages} {
			a := through(door, policy.KindPassword)
			a.Credential.MustChange = true
			if got := e.Admit(a); got.Allowed || got.Rule != policy.RuleMustChange || got.Because == "the password must be changed first" {
				t.Errorf("%s at %s: %+v", own.Role, door, got)
			}
			a = through(door, policy.KindPassword)
			a.Credential.Expires = noon
			if got := e.Admit(a); got.Allowed || got.Rule != policy.RuleCredentialExpiry {
				t.Errorf("%s at %s with an expired password: %+v", own.Role, door, got)
			}
		}
	}
}

// Who must both set up a second factor and change the password does one after
// the other, and is not locked in a circle.
func TestEnrolThenChange(t *testing.T) {
	e := policy.Resolve(policy.DefaultSite(), nil, bob())
	a := through(policy.AccountPages, policy.KindPassword)
	a.Credential.MustChange, a.Credential.Code = true, policy.CodeEnrol
	if got := e.Admit(a); !got.Enrols() || got.ChangesPassword() {
		t.Errorf("first: %+v", got)
	}
	a.Credential.Code = policy.CodeProved
	if got := e.Admit(a); got.Enrols() || !got.ChangesPassword() {
		t.Errorf("then: %+v", got)
	}
	a.Credential.MustChange = false
	if got := e.Admit(a); got.Rule != policy.RuleAdmitted {
		t.Errorf("at last: %+v", got)
	}
}
