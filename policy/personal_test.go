package policy_test

import (
	"testing"

	"gatehouse/policy"
)

// pia is somebody with personal groups.
func pia(change ...func(*policy.Account)) policy.Actor {
	own := named("pia", grant("/team", policy.ReadOnly))
	own.Manage.PersonalGroups = true
	for _, do := range change {
		do(&own)
	}
	return policy.Actor{Effective: policy.Resolve(policy.DefaultSite(), nil, own)}
}

func personal(owner string, grants ...policy.Grant) policy.Group {
	g := group("friends", grants...)
	g.Owner = "id-" + owner
	return g
}

func TestPersonalGroupsOfOnesOwn(t *testing.T) {
	some := p("/team/x")
	role := func(r policy.Role) func(*policy.Account) { return func(a *policy.Account) { a.Role = r } }
	with := func(do func(*policy.Group)) policy.Group {
		g := personal("pia")
		do(&g)
		return g
	}
	tests := map[string]struct {
		who   policy.Actor
		g     policy.Group
		may   bool
		rule  policy.Rule
		field string
	}{
		"an administrator":       {actor(policy.RoleAdmin), group("staff", grant("/", policy.Full)), true, policy.RuleAdministrator, ""},
		"an auditor":             {actor(policy.RoleAuditor), personal("root"), false, policy.RuleAuditor, ""},
		"a guest":                {pia(role(policy.RoleGuest)), personal("pia"), false, policy.RuleGuest, ""},
		"its own":                {pia(), personal("pia"), true, policy.RulePersonalGroup, ""},
		"with what it has":       {pia(), personal("pia", grant("/home/pia/x", policy.Full), flat("/team", policy.Read)), true, policy.RulePersonalGroup, ""},
		"with what it has not":   {pia(), personal("pia", grant("/team", policy.Write)), false, policy.RuleGives, "grants"},
		"without the right":      {pia(func(a *policy.Account) { a.Manage.PersonalGroups = false }), personal("pia"), false, policy.RulePersonalGroup, ""},
		"for somebody else":      {pia(), personal("max"), false, policy.RulePersonalGroup, "owner"},
		"a user group":           {pia(), group("staff"), false, policy.RuleAdministrator, "kind"},
		"with protocols":         {pia(), with(func(g *policy.Group) { g.Protocols = policy.Doors() }), false, policy.RulePersonalGroup, ""},
		"with limits":            {pia(), with(func(g *policy.Group) { g.Limits.Sessions = -1 }), false, policy.RulePersonalGroup, ""},
		"with quotas":            {pia(), with(func(g *policy.Group) { g.Quota.Files = new(int64) }), false, policy.RulePersonalGroup, ""},
		"with a folder":          {pia(), with(func(g *policy.Group) { g.Folder = &some }), false, policy.RulePersonalGroup, ""},
		"a delegate, user group": {dora(), group("staff"), false, policy.RuleAdministrator, "kind"},
	}
	for name, tt := range tests {
		check(t, name, tt.who.MayCreateGroup(tt.g), tt.may, tt.rule, tt.field)
	}
}

func TestChangingGroups(t *testing.T) {
	mine, staff := personal("pia", grant("/home/pia/x", policy.Full)), group("staff", grant("/team", policy.Full))
	wider, stolen := mine, mine
	wider.Grants = append(wider.Grants[:1:1], grant("/secret", policy.Read))
	stolen.Owner = "id-max"
	head := pia()
	head.Heads = []policy.Group{staff}
	ofMax := personal("max")
	tests := map[string]struct {
		who           policy.Actor
		before, after policy.Group
		may           bool
		rule          policy.Rule
	}{
		"its own":               {pia(), mine, mine, true, policy.RulePersonalGroup},
		"wider":                 {pia(), mine, wider, false, policy.RuleGives},
		"what stood there":      {pia(), wider, wider, true, policy.RulePersonalGroup},
		"given away":            {pia(), mine, stolen, false, policy.RulePersonalGroup},
		"taken":                 {pia(), stolen, mine, false, policy.RulePersonalGroup},
		"somebody's":            {pia(), ofMax, ofMax, false, policy.RulePersonalGroup},
		"the one it manages":    {head, staff, staff, false, policy.RuleAdministrator},
		"one that it does not":  {pia(), staff, staff, false, policy.RuleGroupManager},
		"by an administrator":   {actor(policy.RoleAdmin), staff, staff, true, policy.RuleAdministrator},
		"to a user group":       {pia(), mine, staff, false, policy.RulePersonalGroup},
		"by an auditor's token": {actor(policy.RoleAuditor), mine, mine, false, policy.RuleAuditor},
	}
	for name, tt := range tests {
		if got := tt.who.MayChangeGroup(tt.before, tt.after); got.Allowed != tt.may || got.Rule != tt.rule {
			t.Errorf("%s: %+v, want %v by %s", name, got, tt.may, tt.rule)
		}
	}
	for name, tt := range map[string]struct {
		who policy.Actor
		g   policy.Group
		may bool
	}{
		"its own": {pia(), mine, true}, "somebody's": {pia(), ofMax, false}, "the one it manages": {head, staff, false},
		"by an administrator": {actor(policy.RoleAdmin), staff, true},
	} {
		if got := tt.who.MayDeleteGroup(tt.g); got.Allowed != tt.may {
			t.Errorf("delete %s: %+v, want %v", name, got, tt.may)
		}
		if got := tt.who.MayReadGroup(tt.g); got.Allowed != (tt.may || name == "the one it manages") {
			t.Errorf("read %s: %+v", name, got)
		}
	}
}

// Managing a group is no way to get at what it gives: not by joining it, and not
// by letting an account in whose password one can set.
func TestMembersOfGroups(t *testing.T) {
	staff, desk := group("staff", grant("/team", policy.Full)), group("desk", grant("/desk", policy.Full))
	eve, max := named("eve"), managed()
	head := pia()
	head.Heads = []policy.Group{staff}
	circle := dora(func(a *policy.Account) { a.Manage.PersonalGroups = true })
	helper := named("helper")
	helper.Groups = []string{"id-help"}
	ofMax := pia()
	ofMax.Heads = []policy.Group{personal("max", grant("/home/max", policy.Full))}
	tests := map[string]struct {
		who    policy.Actor
		g      policy.Group
		target policy.Account
		add    bool
		rule   policy.Rule
		remove bool
	}{
		"an administrator":                 {actor(policy.RoleAdmin), staff, eve, true, policy.RuleAdministrator, true},
		"an administrator, itself":         {actor(policy.RoleAdmin), staff, named("root"), true, policy.RuleAdministrator, true},
		"an auditor":                       {actor(policy.RoleAuditor), staff, eve, false, policy.RuleAuditor, false},
		"a manager":                        {head, staff, eve, true, policy.RuleGroupManager, true},
		"a manager, itself":                {head, staff, head.Effective.Account(), false, policy.RuleOwnGroup, true},
		"not a manager":                    {pia(), staff, eve, false, policy.RuleGroupManager, false},
		"a delegate, one it manages":       {dora(), desk, max, false, policy.RuleOwnGroup, true},
		"a delegate, one it does not":      {dora(), desk, eve, true, policy.RuleGroupManager, true},
		"a delegate, of a group it is in":  {dora(), group("help", grant("/help", policy.Full)), max, false, policy.RuleGroupManager, false},
		"a stranger of the owner":          {pia(), personal("pia", grant("/secret", policy.Full)), eve, false, policy.RulePersonalGroup, true},
		"the owner":                        {circle, personal("dora", grant("/secret", policy.Full)), helper, true, policy.RulePersonalGroup, true},
		"the owner, one it manages":        {circle, personal("dora"), max, true, policy.RulePersonalGroup, true},
		"the owner, itself":                {pia(), personal("pia"), pia().Effective.Account(), true, policy.RulePersonalGroup, true},
		"the owner without the right":      {pia(func(a *policy.Account) { a.Manage.PersonalGroups = false }), personal("pia"), eve, false, policy.RulePersonalGroup, true},
		"of a group of somebody":           {pia(), personal("max"), eve, false, policy.RulePersonalGroup, false},
		"a manager of somebody's, itself":  {ofMax, personal("max", grant("/home/max", policy.Full)), head.Effective.Account(), false, policy.RuleOwnGroup, true},
		"a manager of somebody's, another": {ofMax, personal("max", grant("/home/max", policy.Full)), eve, true, policy.RuleGroupManager, true},
		"a guest that owns":                {pia(func(a *policy.Account) { a.Role = policy.RoleGuest }), personal("pia"), eve, false, policy.RuleGuest, false},
	}
	for name, tt := range tests {
		if got := tt.who.MayAddMember(tt.g, tt.target); got.Allowed != tt.add || got.Rule != tt.rule {
			t.Errorf("%s adds: %+v, want %v by %s", name, got, tt.add, tt.rule)
		}
		if got := tt.who.MayRemoveMember(tt.g, resolved(tt.target)); got.Allowed != tt.remove {
			t.Errorf("%s removes: %+v, want %v", name, got, tt.remove)
		}
	}
	rich := dora(func(a *policy.Account) { a.Grants = append(a.Grants, grant("/desk", policy.Full)) })
	if got := rich.MayAddMember(desk, max); !got.Allowed {
		t.Errorf("a delegate that has it itself: %+v", got)
	}
}

// What was lent to a delegate by a personal group is not its own to give.
func TestADelegateGivesNothingLent(t *testing.T) {
	lent := personal("alice", grant("/home/alice", policy.Full))
	own := dora().Effective.Account()
	around := policy.Around{Owners: map[string]policy.Effective{"id-alice": alice()}}
	who := policy.Actor{Effective: policy.ResolveAround(policy.DefaultSite(), []policy.Group{lent}, own, around)}
	after := managed(func(a *policy.Account) { a.Grants = []policy.Grant{grant("/home/alice/x", policy.Read)} })
	if got := who.MayCreate(resolved(after)); got.Allowed || got.Field != "grants" {
		t.Errorf("got %+v", got)
	}
}

// Nor is it a way to wider protocols, limits or quota: not by joining a group,
// not by leaving one, and not through an account whose password one can set.
func TestGroupsDoNotWidenTheirManager(t *testing.T) {
	limited := func(do func(*policy.Group)) policy.Group {
		g := group("house")
		do(&g)
		return g
	}
	strict := limited(func(g *policy.Group) {
		g.Protocols, g.Limits.Sessions = []policy.Door{policy.SFTP, policy.API}, 2
		g.Quota = policy.Quota{Bytes: figure(10), Files: figure(10)}
	})
	who := func(g policy.Group, own policy.Account, in ...policy.Group) policy.Actor {
		own.Manage.Users = true
		return policy.Actor{Effective: resolved(own, in...), Heads: []policy.Group{g, strict}}
	}
	dora := dora().Effective.Account()
	for name, tt := range map[string]struct {
		g   policy.Group
		may bool
	}{
		"nothing":        {limited(func(*policy.Group) {}), true},
		"as much":        {limited(func(g *policy.Group) { g.Protocols, g.Limits.Sessions, g.Quota = strict.Protocols, 2, strict.Quota }), true},
		"less":           {limited(func(g *policy.Group) { g.Limits.Sessions, g.Quota.Bytes = 1, figure(1) }), true},
		"a limit alike":  {limited(func(g *policy.Group) { g.Limits.UploadRate = 5 }), true},
		"protocols":      {limited(func(g *policy.Group) { g.Protocols = []policy.Door{policy.FTP} }), false},
		"sessions":       {limited(func(g *policy.Group) { g.Limits.Sessions = 3 }), false},
		"no limit":       {limited(func(g *policy.Group) { g.Limits.Sessions = -1 }), false},
		"bytes":          {limited(func(g *policy.Group) { g.Quota.Bytes = figure(11) }), false},
		"files":          {limited(func(g *policy.Group) { g.Quota.Files = figure(11) }), false},
		"no quota":       {limited(func(g *policy.Group) { g.Quota.Bytes = figure(-1) }), false},
		"grants as well": {limited(func(g *policy.Group) { g.Grants = []policy.Grant{grant("/else", policy.Read)} }), false},
	} {
		tt.g.ID = "id-other"
		head := who(tt.g, dora, strict)
		for what, target := range map[string]policy.Account{"itself": dora, "one that it manages": managed()} {
			if got := head.MayAddMember(tt.g, target); got.Allowed != tt.may || !tt.may && got.Rule != policy.RuleOwnGroup {
				t.Errorf("%s to %s: %+v, want %v", name, what, got, tt.may)
			}
		}
		if got := head.MayAddMember(tt.g, named("eve")); !got.Allowed {
			t.Errorf("%s to somebody: %+v", name, got)
		}
	}
	head := who(strict, dora, strict)
	if got := head.MayRemoveMember(strict, resolved(dora, strict)); got.Allowed || got.Rule != policy.RuleOwnGroup {
		t.Errorf("it leaves what limits it: %+v", got)
	}
	if got := head.MayRemoveMember(strict, resolved(named("eve"), strict)); !got.Allowed {
		t.Errorf("somebody leaves: %+v", got)
	}
	free := group("free")
	if got := who(free, dora, strict, free).MayRemoveMember(free, resolved(dora, strict, free)); !got.Allowed {
		t.Errorf("it leaves what limits nothing: %+v", got)
	}
}

// Nobody is asked before it is put into a personal group: its owner puts in whom
// it knows, and whoever is in it leaves.
func TestPersonalGroupsAreOfAcquaintances(t *testing.T) {
	floor := policy.Group{ID: "floor", Name: "floor"}
	own := policy.Group{ID: "own", Name: "friends", Owner: "pat"}
	pat := policy.Account{ID: "pat", Name: "pat", Role: policy.RoleUser, Groups: []string{"floor"}, Manage: policy.Manage{PersonalGroups: true, Guests: true}}
	actor := policy.Actor{Effective: policy.Resolve(policy.DefaultSite(), []policy.Group{floor, {ID: "others", Name: "others", Owner: "zoe"}}, pat)}
	for name, c := range map[string]struct {
		target policy.Account
		may    bool
	}{
		"itself":                        {pat, true},
		"in the same group":             {policy.Account{ID: "a", Name: "a", Role: policy.RoleUser, Groups: []string{"floor"}}, true},
		"its guest":                     {policy.Account{ID: "g", Name: "g", Role: policy.RoleGuest, ManagedBy: []string{"pat"}}, true},
		"a stranger":                    {policy.Account{ID: "s", Name: "s", Role: policy.RoleUser}, false},
		"in the same personal group":    {policy.Account{ID: "p", Name: "p", Role: policy.RoleUser, Groups: []string{"others"}}, false},
		"in this very group by another": {policy.Account{ID: "o", Name: "o", Role: policy.RoleUser, Groups: []string{"own"}}, false},
	} {
		if got := actor.MayAddMember(own, c.target); got.Allowed != c.may {
			t.Errorf("%s: got %v by %s", name, got.Allowed, got.Because)
		}
	}
	member := policy.Account{ID: "m", Name: "m", Role: policy.RoleUser, Groups: []string{"own"}}
	leaver := policy.Actor{Effective: policy.Resolve(policy.DefaultSite(), []policy.Group{own}, member)}
	if got := leaver.MayRemoveMember(own, leaver.Effective); !got.Allowed {
		t.Errorf("it cannot leave: %s", got.Because)
	}
	if got := leaver.MayRemoveMember(own, actor.Effective); got.Allowed {
		t.Error("a member takes others out")
	}
}
