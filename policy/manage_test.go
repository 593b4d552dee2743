package policy_test

import (
	"slices"
	"testing"

	"gatehouse/policy"
)

// dora is a delegate for users and guests, in the group help, manager of the
// group desk, with a right on /team.
func dora(change ...func(*policy.Account)) policy.Actor {
	own := named("dora", grant("/team", policy.Read|policy.List|policy.Create))
	own.Manage = policy.Manage{Users: true, Guests: true}
	own.Groups = []string{"id-help"}
	for _, do := range change {
		do(&own)
	}
	e := policy.Resolve(policy.DefaultSite(), []policy.Group{group("help", grant("/help", policy.Full))}, own)
	return policy.Actor{Effective: e, Heads: []policy.Group{group("desk", grant("/desk", policy.Full))}}
}

func actor(role policy.Role) policy.Actor {
	own := named("root")
	own.Role = role
	return policy.Actor{Effective: policy.Resolve(policy.DefaultSite(), nil, own)}
}

// managed is an account that dora manages.
func managed(change ...func(*policy.Account)) policy.Account {
	own := named("max")
	own.ManagedBy = []string{"id-dora"}
	for _, do := range change {
		do(&own)
	}
	return own
}

func resolved(own policy.Account, groups ...policy.Group) policy.Effective {
	return policy.Resolve(policy.DefaultSite(), groups, own)
}

func check(t *testing.T, what string, got policy.Verdict, allowed bool, rule policy.Rule, field string) {
	t.Helper()
	if got.Allowed != allowed || got.Rule != rule || got.Field != field || got.Because == "" {
		t.Errorf("%s: %+v, want %v by %s, field %q", what, got, allowed, rule, field)
	}
}

func TestWhoMayTouchWhom(t *testing.T) {
	right := func(m policy.Manage) policy.Actor { return dora(func(a *policy.Account) { a.Manage = m }) }
	role := func(r policy.Role) func(*policy.Account) { return func(a *policy.Account) { a.Role = r } }
	by := func(ids ...string) func(*policy.Account) { return func(a *policy.Account) { a.ManagedBy = ids } }
	tests := map[string]struct {
		who    policy.Actor
		target policy.Account
		may    bool
		rule   policy.Rule
		field  string
	}{
		"an administrator":               {actor(policy.RoleAdmin), named("eve"), true, policy.RuleAdministrator, ""},
		"the local socket":               {policy.Actor{Local: true}, named("eve"), true, policy.RuleAdministrator, ""},
		"an auditor":                     {actor(policy.RoleAuditor), managed(by("id-root")), false, policy.RuleAuditor, ""},
		"a guest":                        {actor(policy.RoleGuest), managed(by("id-root")), false, policy.RuleGuest, ""},
		"anybody":                        {actor(policy.RoleUser), managed(by("id-root")), false, policy.RuleDelegate, "role"},
		"nobody":                         {policy.Actor{}, managed(by("")), false, policy.RuleDelegate, ""},
		"a delegate":                     {dora(), managed(), true, policy.RuleManagedBy, ""},
		"a delegate, of a guest":         {dora(), managed(role(policy.RoleGuest)), true, policy.RuleManagedBy, ""},
		"by a group it is only in":       {dora(), managed(by("id-help")), false, policy.RuleManagedBy, ""},
		"by a group it manages":          {dora(), managed(by("id-desk")), true, policy.RuleManagedBy, ""},
		"by a group of others":           {dora(), managed(by("id-shop", "id-carol")), false, policy.RuleManagedBy, ""},
		"managed by nobody":              {dora(), managed(by()), false, policy.RuleManagedBy, ""},
		"an administrator's account":     {dora(), managed(role(policy.RoleAdmin)), false, policy.RuleDelegate, "role"},
		"an auditor's account":           {dora(), managed(role(policy.RoleAuditor)), false, policy.RuleDelegate, "role"},
		"an account with manage rights":  {dora(), managed(func(a *policy.Account) { a.Manage.PersonalGroups = true }), false, policy.RuleDelegate, ""},
		"itself":                         {dora(), dora(by("id-dora")).Effective.Account(), false, policy.RuleDelegate, ""},
		"users only, of a guest":         {right(policy.Manage{Users: true}), managed(role(policy.RoleGuest)), false, policy.RuleDelegate, "role"},
		"guests only, of a user":         {right(policy.Manage{Guests: true}), managed(), false, policy.RuleDelegate, "role"},
		"the right without managed_by":   {right(policy.Manage{Users: true}), managed(by("id-help-2")), false, policy.RuleManagedBy, ""},
		"managed_by without the right":   {right(policy.Manage{}), managed(), false, policy.RuleDelegate, "role"},
		"an auditor with manage rights":  {dora(role(policy.RoleAuditor)), managed(), false, policy.RuleAuditor, ""},
		"a guest with manage rights":     {dora(role(policy.RoleGuest)), managed(), false, policy.RuleGuest, ""},
		"membership of the target alone": {dora(), managed(by(), func(a *policy.Account) { a.Groups = []string{"id-help", "id-desk"} }), false, policy.RuleManagedBy, ""},
	}
	for name, tt := range tests {
		check(t, name, tt.who.MayEdit(tt.target), tt.may, tt.rule, tt.field)
		check(t, name+", password", tt.who.MaySetPassword(tt.target), tt.may, tt.rule, tt.field)
		check(t, name+", delete", tt.who.MayDelete(tt.target), tt.may, tt.rule, tt.field)
		reads := tt.may || tt.who.Effective.Account().Role == policy.RoleAuditor
		if got := tt.who.MayRead(tt.target); got.Allowed != reads {
			t.Errorf("%s reads: %+v, want %v", name, got, reads)
		}
	}
}

// managed_by may name a personal group, by mistake or malice: nobody acts for it.
func TestNobodyActsForAPersonalGroup(t *testing.T) {
	club := group("club")
	club.Owner = "id-carol"
	who := dora()
	who.Effective = policy.Resolve(policy.DefaultSite(), []policy.Group{club}, who.Effective.Account())
	who.Heads = []policy.Group{club}
	if got := who.MayEdit(managed(func(a *policy.Account) { a.ManagedBy = []string{"id-club"} })); got.Allowed {
		t.Errorf("got %+v", got)
	}
}

func TestAdministratorsAndAuditors(t *testing.T) {
	tests := map[string]struct {
		who                      policy.Actor
		administer, audit, takes bool
	}{
		"socket":  {policy.Actor{Local: true}, true, true, true},
		"admin":   {actor(policy.RoleAdmin), true, true, true},
		"auditor": {actor(policy.RoleAuditor), false, true, false},
		"user":    {actor(policy.RoleUser), false, false, false},
		"guest":   {actor(policy.RoleGuest), false, false, false},
		"nobody":  {policy.Actor{}, false, false, false},
	}
	for name, tt := range tests {
		got := []bool{tt.who.MayAdminister().Allowed, tt.who.MayAudit().Allowed, tt.who.MayExport().Allowed}
		if want := []bool{tt.administer, tt.audit, tt.takes}; !slices.Equal(got, want) {
			t.Errorf("%s: administers, audits, exports %v, want %v", name, got, want)
		}
		if got := tt.who.MayReadGroup(group("any")); got.Allowed != tt.audit {
			t.Errorf("%s reads a group: %+v", name, got)
		}
	}
}

// A token is never wider than its scope: one that only reads changes nothing,
// whoever's it is, and one for a folder manages nobody.
func TestAScopedCredentialManagesNobody(t *testing.T) {
	team := p("/team")
	for _, who := range []policy.Actor{actor(policy.RoleAdmin), dora()} {
		reading, confined := who, who
		reading.Effective = who.Effective.Scoped(policy.Scope{ReadOnly: true})
		confined.Effective = who.Effective.Scoped(policy.Scope{Folder: &team})
		for rule, a := range map[policy.Rule]policy.Actor{policy.RuleReadOnly: reading, policy.RuleFolder: confined} {
			target, after := managed(), resolved(managed())
			for what, got := range map[string]policy.Verdict{
				"edit": a.MayEdit(target), "delete": a.MayDelete(target), "password": a.MaySetPassword(target),
				"create": a.MayCreate(after), "change": a.MayChange(after, after), "clone": a.MayClone(target, after),
				"administer": a.MayAdminister(), "member": a.MayAddMember(group("desk"), target),
				"member out": a.MayRemoveMember(group("desk"), after), "group": a.MayCreateGroup(group("new")),
				"change group": a.MayChangeGroup(group("desk"), group("desk")), "delete group": a.MayDeleteGroup(group("desk")),
				"lock": a.MayBreakLock(p("/home/dora/x"), policy.Account{}),
			} {
				if got.Allowed || got.Rule != rule {
					t.Errorf("%s: %+v, want a refusal by %s", what, got, rule)
				}
			}
		}
		if got := reading.MayRead(managed()); !got.Allowed {
			t.Errorf("a token that reads does not read: %+v", got)
		}
		if got := confined.MayRead(managed()); got.Allowed {
			t.Errorf("a token for a folder reads accounts: %+v", got)
		}
	}
}

func TestBreakingLocks(t *testing.T) {
	shop := p("/groups/shop")
	who := dora()
	who.Heads[0].Folder = &shop
	tests := map[string]struct {
		who   policy.Actor
		path  string
		owner policy.Account
		may   bool
	}{
		"an administrator":           {actor(policy.RoleAdmin), "/x", policy.Account{}, true},
		"an auditor":                 {actor(policy.RoleAuditor), "/home/root/x", policy.Account{}, false},
		"in its own home":            {who, "/home/dora/x", policy.Account{}, true},
		"in its group's folder":      {who, "/groups/shop/x", policy.Account{}, true},
		"in the home of a managed":   {who, "/home/max/x", managed(), true},
		"in the home of another":     {who, "/home/eve/x", named("eve"), false},
		"beside the home of another": {who, "/else", managed(), false},
		"elsewhere":                  {who, "/team/x", policy.Account{}, false},
	}
	for name, tt := range tests {
		if got := tt.who.MayBreakLock(p(tt.path), tt.owner); got.Allowed != tt.may {
			t.Errorf("%s: %+v, want %v", name, got, tt.may)
		}
	}
}
