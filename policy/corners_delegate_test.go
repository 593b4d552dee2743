package policy_test

import (
	"slices"
	"testing"

	"gatehouse/policy"
	"gatehouse/policy/path"
)

// An administrator, and whoever is at the socket, makes and changes anybody; a
// read-only or confined credential of theirs does not.
func TestAdministratorsMakeAnything(t *testing.T) {
	boss := actor(policy.RoleAdmin)
	limited := boss.Effective.Account()
	limited.Protocols, limited.Quota.Bytes, limited.Limits.Sessions = []policy.Door{policy.API}, figure(1), 1
	boss.Effective = resolved(limited)
	eve := resolved(named("eve"))
	for name, who := range map[string]policy.Actor{"admin": boss, "socket": {Local: true}} {
		check(t, name+" makes", who.MayCreate(eve), true, policy.RuleAdministrator, "")
		check(t, name+" changes", who.MayChange(eve, eve), true, policy.RuleAdministrator, "")
	}
	if got := boss.Fit(eve); got.Protocols != nil || got.Quota.Bytes != nil || got.Limits.Sessions != 0 {
		t.Errorf("an administrator's own bounds are put on others: %+v", got)
	}
	wide, tight := group("wide"), group("tight")
	wide.Limits.Sessions, tight.Limits.Sessions = 9, 2
	plain := actor(policy.RoleAdmin).Effective.Account()
	bound := policy.Actor{Effective: resolved(plain, tight)}
	if got := bound.MayAddMember(wide, plain); !got.Allowed {
		t.Errorf("an administrator adds itself: %+v", got)
	}
	if got := bound.MayRemoveMember(tight, bound.Effective); !got.Allowed {
		t.Errorf("an administrator leaves: %+v", got)
	}
	five := dora(func(a *policy.Account) { a.Limits.Sessions = 5 })
	if got := five.MayRemoveMember(tight, resolved(managed(), tight)); got.Allowed || got.Rule != policy.RuleGroupManager {
		t.Errorf("out of what limits it, and is somebody's: %+v", got)
	}
	f := p("/x")
	confined := actor(policy.RoleAdmin)
	confined.Effective = confined.Effective.Scoped(policy.Scope{Folder: &f})
	if got := confined.MayExport(); got.Allowed || got.Rule != policy.RuleFolder {
		t.Errorf("a confined credential exports: %+v", got)
	}
	if got := (policy.Actor{Local: true, Effective: confined.Effective}).MayExport(); !got.Allowed {
		t.Errorf("the socket exports: %+v", got)
	}
	head := dora()
	head.Effective = head.Effective.Scoped(policy.Scope{Folder: &f})
	if got := head.MayReadGroup(group("desk")); got.Allowed || got.Rule != policy.RuleFolder {
		t.Errorf("a confined credential reads a group: %+v", got)
	}
	if got := dora().MayRemoveMember(group("shop"), resolved(managed(), group("shop"))); got.Allowed || got.Rule != policy.RuleGroupManager {
		t.Errorf("out of somebody's group: %+v", got)
	}
}

// An id that is empty names nobody: neither in managed_by nor as an owner.
func TestNobodyIsNobody(t *testing.T) {
	own := named("dora")
	own.ID, own.Manage = "", policy.Manage{Users: true, PersonalGroups: true}
	who := policy.Actor{Effective: resolved(own)}
	if got := who.MayEdit(managed(func(a *policy.Account) { a.ManagedBy = []string{""} })); got.Allowed {
		t.Errorf("edits: %+v", got)
	}
	if got := who.MayDeleteGroup(group("help")); got.Allowed {
		t.Errorf("deletes a group without an owner: %+v", got)
	}
}

func TestWhoseLocksAreBroken(t *testing.T) {
	homeless := dora(func(a *policy.Account) { a.Home = path.Root })
	if got := homeless.MayBreakLock(p("/x"), policy.Account{}); got.Allowed || got.Rule != policy.RuleAdministrator {
		t.Errorf("without a home: %+v", got)
	}
	f := p("/groups/x")
	with, without, theirs := group("with"), group("without"), group("theirs")
	with.Folder, theirs.Folder, theirs.Owner = &f, &f, "id-dora"
	who := dora()
	who.Heads = []policy.Group{without}
	if got := who.MayBreakLock(p("/groups/x/f"), policy.Account{}); got.Allowed {
		t.Errorf("a group without a folder: %+v", got)
	}
	who.Heads = []policy.Group{theirs}
	if got := who.MayBreakLock(p("/groups/x/f"), policy.Account{}); got.Allowed {
		t.Errorf("a personal group: %+v", got)
	}
	who.Heads = []policy.Group{without, with}
	if got := who.MayBreakLock(p("/groups/x/f"), policy.Account{}); !got.Allowed {
		t.Errorf("the group's folder: %+v", got)
	}
}

// A standing grant is widened only by what the delegate has.
func TestADelegateWidensNoStandingGrant(t *testing.T) {
	was := managed(func(a *policy.Account) { a.Grants = []policy.Grant{grant("/vault", policy.Read)} })
	is := managed(func(a *policy.Account) { a.Grants = []policy.Grant{grant("/vault", policy.Full)} })
	if got := dora().MayChange(resolved(was), resolved(is)); got.Allowed || got.Field != "grants" {
		t.Errorf("got %+v", got)
	}
	if got := dora().MayChange(resolved(named("eve")), resolved(named("eve"))); got.Allowed || got.Rule != policy.RuleManagedBy {
		t.Errorf("somebody whom it does not manage: %+v", got)
	}
	// What is denied stays denied, whatever else the account has.
	denied := managed(func(a *policy.Account) {
		a.ShareLinks, a.Grants = policy.Deny, []policy.Grant{grant("/vault", policy.Full)}
	})
	if got := dora().MayChange(resolved(denied), resolved(denied)); !got.Allowed {
		t.Errorf("denied as before: %+v", got)
	}
	unshared := managed(func(a *policy.Account) {
		a.ShareLinks, a.Grants = policy.Deny, []policy.Grant{grant("/vault", policy.Read)}
	})
	lifted := unshared
	lifted.ShareLinks = policy.Inherit
	if got := dora().MayChange(resolved(unshared), resolved(lifted)); !got.Allowed {
		t.Errorf("a grant that shares nothing: %+v", got)
	}
}

// A delegate lets others into groups that it manages, and into its own.
func TestIntoWhichGroupsADelegateLets(t *testing.T) {
	desk := group("desk", grant("/team", policy.Read))
	who := dora()
	who.Heads = []policy.Group{desk}
	if got := who.MayChange(resolved(managed()), resolved(managed(), desk)); !got.Allowed {
		t.Errorf("a group that it manages: %+v", got)
	}
	club := group("club", grant("/team", policy.Read))
	club.Owner = "id-dora"
	if got := dora().MayChange(resolved(managed()), resolved(managed(), club)); !got.Allowed {
		t.Errorf("a group of its own: %+v", got)
	}
	club.Owner = "id-carol"
	if got := dora().MayChange(resolved(managed()), resolved(managed(), club)); got.Allowed || got.Field != "groups" {
		t.Errorf("a group of somebody else's own: %+v", got)
	}
	// The member's bounds count, not those of the delegate with the group.
	wide := group("wide")
	wide.Limits.Sessions = 10
	strict := dora(func(a *policy.Account) { a.Limits.Sessions = 5 })
	strict.Heads = []policy.Group{wide}
	if got := strict.MayAddMember(wide, managed()); got.Allowed || got.Rule != policy.RuleOwnGroup {
		t.Errorf("a group that is wider than the delegate: %+v", got)
	}
	// An account that is managed keeps what limits it.
	tight := group("tight")
	tight.Limits.Sessions, tight.Quota.Bytes, tight.Protocols = 2, figure(9), []policy.Door{policy.SFTP}
	bounded := dora(func(a *policy.Account) {
		a.Limits.Sessions, a.Quota.Bytes, a.Protocols = 5, figure(99), []policy.Door{policy.SFTP, policy.API}
	})
	bounded.Heads = []policy.Group{tight}
	if got := bounded.MayRemoveMember(tight, resolved(managed(), tight)); got.Allowed || got.Rule != policy.RuleOwnGroup {
		t.Errorf("out of what limits it: %+v", got)
	}
	own := managed(func(a *policy.Account) {
		a.Limits.Sessions, a.Quota.Bytes, a.Protocols = 5, figure(99), []policy.Door{policy.SFTP, policy.API}
	})
	if got := bounded.MayRemoveMember(tight, resolved(own, tight)); !got.Allowed {
		t.Errorf("it has bounds of its own: %+v", got)
	}
	if got := bounded.MayRemoveMember(tight, resolved(named("eve"), tight)); !got.Allowed {
		t.Errorf("somebody that it does not manage: %+v", got)
	}
}

// Fit narrows what is inherited and wider, and nothing else.
func TestFitLeavesTheRest(t *testing.T) {
	who := dora(func(a *policy.Account) {
		a.Protocols, a.Quota = []policy.Door{policy.SFTP}, policy.Quota{Bytes: figure(10), Files: figure(10)}
	})
	asked := managed(func(a *policy.Account) { a.Protocols = []policy.Door{policy.FTP} })
	if got := who.Fit(resolved(asked)).Protocols; !slices.Equal(got, asked.Protocols) {
		t.Errorf("what was asked for became %v", got)
	}
	small := group("small")
	small.Quota = policy.Quota{Bytes: figure(5), Files: figure(5)}
	if got := who.Fit(resolved(managed(), small)).Quota; got.Bytes != nil || got.Files != nil {
		t.Errorf("a smaller quota of a group became %v %v", got.Bytes, got.Files)
	}
}

// An account that comes from anywhere goes on doing so, and one that is exempt
// from the second factor is no more so by becoming shared.
func TestWhatADelegateLeavesAsItIs(t *testing.T) {
	listed := dora(func(a *policy.Account) { a.AllowedIPs = prefixes(t, "192.0.2.1") })
	if got := listed.MayChange(resolved(managed()), resolved(managed())); !got.Allowed {
		t.Errorf("from anywhere, as before: %+v", got)
	}
	site := policy.DefaultSite()
	site.SecondFactor = policy.SecondFactorRequired
	was := managed(func(a *policy.Account) { a.SecondFactor.Required = policy.Deny })
	is := was
	is.Shared = true
	if got := dora().MayChange(policy.Resolve(site, nil, was), policy.Resolve(site, nil, is)); !got.Allowed {
		t.Errorf("exempt already: %+v", got)
	}
}

// Into a personal group its owner puts whom it knows by a group that is not
// personal; out of it everybody takes itself, with a credential that may.
func TestWhoIsInAPersonalGroup(t *testing.T) {
	club := group("club")
	club.Owner = "id-carol"
	own := named("dora")
	own.Manage.PersonalGroups, own.Groups = true, []string{"id-club", "id-help"}
	who := policy.Actor{Effective: resolved(own, club, group("help"))}
	in := func(groups ...string) policy.Account {
		eve := named("eve")
		eve.Groups = groups
		return eve
	}
	for name, tt := range map[string]struct {
		target policy.Account
		may    bool
	}{
		"of its group": {in("id-help"), true}, "of nothing": {in(), false}, "of another group": {in("id-shop"), false},
		"of a personal group with it": {in("id-club"), false},
	} {
		if got := who.MayAddMember(personal("dora"), tt.target); got.Allowed != tt.may {
			t.Errorf("somebody %s: %+v", name, got)
		}
	}
	eve := policy.Actor{Effective: resolved(in("id-club"), club)}
	if got := eve.MayRemoveMember(club, eve.Effective); !got.Allowed {
		t.Errorf("it leaves: %+v", got)
	}
	if got := eve.MayRemoveMember(club, resolved(named("max"), club)); got.Allowed {
		t.Errorf("it takes another out: %+v", got)
	}
	eve.Effective = eve.Effective.Scoped(policy.Scope{ReadOnly: true})
	if got := eve.MayRemoveMember(club, eve.Effective); got.Allowed {
		t.Errorf("it leaves with a read-only credential: %+v", got)
	}
}
