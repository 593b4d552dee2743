package protocoltest

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"gatehouse/auth"
	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts"
)

func hasKeys(d Door) bool { return d.Keys }

// ruleCases change each rule of admission, and each thing that gives a right,
// while something is transferred.
var ruleCases = []testCase{
	{name: "live/the site closes the door", run: cutting{alone: true, change: func(s *suite, _ Person) {
		s.SetSite(func(p *policy.Site) {
			p.Doors = slices.DeleteFunc(policy.Doors(), func(d policy.Door) bool { return d == s.door.Door })
		})
	}}.brief},
	{name: "live/the default of a group", run: func(s *suite) {
		var group accounts.Group
		cutting{
			login: func(s *suite, p Person) Login {
				group = s.group(accounts.Group{Group: policy.Group{Name: "staff", Protocols: policy.Doors()}}, p.Name)
				return Login{Person: p}
			},
			change: func(s *suite, _ Person) {
				s.changeGroup(group, func(g *accounts.Group) { g.Protocols = []policy.Door{policy.API} })
			},
		}.brief(s)
	}},
	{name: "live/the manager of a guest is disabled", run: cutting{
		login: func(s *suite, p Person) Login {
			m := s.Add("manager")
			s.Change(p.Name, func(a *accounts.Account) { a.Role, a.ManagedBy = policy.RoleGuest, []string{m.ID} })
			s.Grant("manager", "/home/ann", policy.Full, "")
			return Login{Person: p}
		},
		change: func(s *suite, _ Person) { s.Disable("manager") },
	}.brief},
	{name: "live/the password must be changed", run: cutBriefly(false, func(s *suite, p Person) {
		s.Change(p.Name, func(a *accounts.Account) { a.Password.MustChange = true })
	})},
	{name: "live/the password has expired", run: cutBriefly(false, func(s *suite, p Person) {
		s.Change(p.Name, func(a *accounts.Account) {
			a.Password.Changed, a.PasswordAge = time.Now().Add(-48*time.Hour), new(int)
			*a.PasswordAge = 1
		})
	})},
	{name: "live/a second factor is required", run: cutBriefly(false, func(s *suite, p Person) {
		s.Change(p.Name, func(a *accounts.Account) { a.SecondFactor.Required = policy.Allow })
	})},
	{name: "live/a second factor is set up", run: cutBriefly(false, func(s *suite, p Person) { s.Enrol(p.Name) })},
	{name: "live/app password removed", run: cutting{login: withApp, change: func(s *suite, p Person) {
		s.Change(p.Name, func(a *accounts.Account) { a.Credentials = nil })
	}}.brief},
	{name: "live/app password for other doors", run: cutting{login: withApp, change: func(s *suite, p Person) {
		other := policy.SFTP
		if s.door.Door == other {
			other = policy.FTP
		}
		s.Change(p.Name, func(a *accounts.Account) { a.Credentials[0].Doors = []policy.Door{other} })
	}}.brief},
	{name: "live/app password from elsewhere", run: cutting{login: withApp, change: func(s *suite, p Person) {
		s.Change(p.Name, func(a *accounts.Account) { a.Credentials[0].AllowedIPs = []string{"192.0.2.0/24"} })
	}}.brief},
	{name: "live/app password expires", run: cutting{login: withApp, change: func(s *suite, p Person) {
		end := time.Now().Add(400 * time.Millisecond)
		s.Change(p.Name, func(a *accounts.Account) { a.Credentials[0].Expires = &end })
		time.Sleep(time.Until(end))
	}}.brief},
	{name: "live/app password narrowed", run: narrowedApp},
	{name: "live/key expires", needs: hasKeys, run: cutBriefly(true, func(s *suite, p Person) {
		end := time.Now().Add(400 * time.Millisecond)
		s.Change(p.Name, func(a *accounts.Account) { a.Keys[0].Expires = &end })
		time.Sleep(time.Until(end))
	})},
	{name: "live/key from elsewhere", needs: hasKeys, run: cutBriefly(true, func(s *suite, p Person) {
		s.Change(p.Name, func(a *accounts.Account) { a.Keys[0].AllowedIPs = []string{"192.0.2.0/24"} })
	})},
	{name: "live/key needs a code", needs: hasKeys, run: cutBriefly(true, func(s *suite, p Person) {
		s.Change(p.Name, func(a *accounts.Account) { a.SecondFactor.WithKey = true })
	})},
	{name: "live/certificate authority removed", needs: hasKeys, run: cutting{login: withCertificate, change: func(s *suite, _ Person) {
		s.SetSite(func(p *policy.Site) { p.SSHUserCAs = nil })
	}}.brief},
	{name: "live/taken out of a group", run: leftGroup},
	{name: "live/the owner of a group loses the right", run: poorerOwner},
	{name: "live/lockouts cut nothing", run: lockedOut},
}

// withApp comes in with an app password, whatever becomes of the password.
func withApp(s *suite, p Person) Login {
	p.Password = s.Issue(p.Name, accounts.Credential{Kind: policy.KindAppPassword})
	return Login{Person: p}
}

func withCertificate(s *suite, p Person) Login {
	ca := NewKey(s.T)
	s.TrustCA(ca.PublicKey())
	p.Key = Certify(s.T, ca, p.Name, func(*ssh.Certificate) {})
	return Login{Person: p, WithKey: true}
}

// group makes a group with members.
func (s *suite) group(g accounts.Group, members ...string) accounts.Group {
	s.T.Helper()
	made, err := s.Accounts.CreateGroup(s.T.Context(), g)
	s.must(err)
	for _, m := range members {
		s.Change(m, func(a *accounts.Account) { a.Groups = append(a.Groups, made.ID) })
	}
	return made
}

func (s *suite) changeGroup(g accounts.Group, change func(*accounts.Group)) {
	s.T.Helper()
	_, err := s.Accounts.UpdateGroup(s.T.Context(), g.Name, 0, func(g *accounts.Group) error {
		change(g)
		return nil
	}, accounts.Forced)
	s.must(err)
}

// Reading goes on where a credential may only read from now on.
func narrowedApp(s *suite) {
	l := withApp(s, s.Add("ann"))
	content := s.placeBig("/home/ann/big")
	one, two := s.enterWith(l), s.enterWith(l)
	down, up := one.download("/big", content), two.upload("/new", content[:sentSize])
	s.Change("ann", func(a *accounts.Account) { a.Credentials[0].Scope.ReadOnly = true })
	s.within(soon, "the upload is let go", func() bool {
		return !slices.ContainsFunc(s.open(), func(p string) bool { return p != "/home/ann/big" })
	})
	up.wasCut()
	down.goesOn()
	ann := s.enterWith(l)
	ann.refused("put", ann.put("/another", "x"), ErrDenied)
}

// lent is a folder that ann has by a group's grant; take ends that, which
// cuts what is in it and nothing else.
func lent(s *suite, group func(policy.Grant) accounts.Group, take func(accounts.Group)) {
	a := s.Add("ann")
	content := s.placeBig("/pub/big")
	s.placeBig("/home/ann/big")
	g := s.group(group(policy.Grant{Path: path.MustParse("/pub"), Permissions: policy.Full, Recursive: true}), "ann")
	one, two, three := s.enter(a), s.enter(a), s.enter(a)
	own := three.download("/big", content)
	down, up := one.download("/pub/big", content), two.upload("/pub/new", content[:sentSize])
	take(g)
	s.within(soon, "what the group gave is let go", func() bool {
		return !slices.ContainsFunc(s.open(), func(p string) bool { return p != "/home/ann/big" })
	})
	down.wasCut()
	up.wasCut()
	own.goesOn()
	ann := s.enter(a)
	_, err := ann.get("/pub/big")
	ann.refused("get", err, ErrNotFound)
}

func leftGroup(s *suite) {
	lent(s, func(g policy.Grant) accounts.Group {
		return accounts.Group{Group: policy.Group{Name: "staff", Grants: []policy.Grant{g}}}
	}, func(accounts.Group) {
		s.Change("ann", func(a *accounts.Account) { a.Groups = nil })
	})
}

// A personal group gives what its owner has, and no more.
func poorerOwner(s *suite) {
	owner := s.Add("owner", func(a *accounts.Account) { a.Manage.PersonalGroups = true })
	grant := s.Grant("owner", "/pub", policy.Full, "pub")
	lent(s, func(g policy.Grant) accounts.Group {
		return accounts.Group{
			Group: policy.Group{Name: "friends", Owner: owner.ID, Grants: []policy.Grant{g}}, Kind: accounts.PersonalGroup,
		}
	}, func(accounts.Group) { s.Revoke("owner", grant) })
}

// A lockout stops new logins by password, and nothing that is open.
func lockedOut(s *suite) {
	s.SetSite(func(p *policy.Site) { p.Lockout.Failures, p.Ban.Failures = 3, 0 })
	a := s.Add("ann")
	content := s.placeBig("/home/ann/big")
	one, two := s.enter(a), s.enter(a)
	down, up := one.download("/big", content), two.upload("/new", content[:sentSize])
	for i := range 3 {
		_, err := s.Sessions.Login(s.T.Context(), auth.Attempt{
			Account: "ann", Door: policy.SFTP, Transport: policy.SSH, Address: netip.MustParseAddr("192.0.2.1"), Password: fmt.Sprint("wrong ", i),
		})
		if err == nil {
			s.T.Fatal("a wrong password was right")
		}
	}
	if until, err := s.Auth.Locked(s.T.Context(), a.ID); err != nil || until.IsZero() {
		s.T.Fatalf("ann is not locked: %v", err)
	}
	down.goesOn()
	up.goesOn()
}
