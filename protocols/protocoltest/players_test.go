package protocoltest_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/protocols/protocoltest"
	"gatehouse/storage/accounts"
)

// A player is a guest with every credential there is.
type player struct {
	guest
	rnd      *rand.Rand
	ground   string // where its folders are
	enrolled bool
	app      string
	client   string
	// certified is a key with a certificate.
	certified ssh.Signer
	ways      []way
	wrong     bool           // the first of them with a wrong password
	entries   []policy.Grant // its own that have a name
}

// chance is true once in n times.
func chance(r *rand.Rand, n int) bool { return r.IntN(n) == 0 }

var crowd = netip.MustParsePrefix("100.64.0.0/10") // where players come from

func randomSite(r *rand.Rand) func(*policy.Site) {
	var doors []policy.Door
	if chance(r, 6) {
		doors = some(r, policy.Doors())
	}
	lists := [][]netip.Prefix{nil, nil, nil, {elsewhere}, {crowd}, {crowd}}
	list, plain := lists[r.IntN(len(lists))], []policy.Choice{policy.Allow, policy.Deny}[r.IntN(2)]
	factor, age, scope := chance(r, 5), chance(r, 4), chance(r, 3)
	return func(s *policy.Site) {
		s.Doors, s.AllowedIPs, s.PlainFTP = doors, list, plain
		s.Lockout.Failures, s.Ban.Failures = 3, 3
		if factor {
			s.SecondFactor = policy.SecondFactorRequired
		}
		if age {
			s.Password.MaxAgeDays = 1
		}
		if scope {
			s.Lockout.Scope = policy.LockoutAll
		}
	}
}

// some is at least one of a list.
func some[T any](r *rand.Rand, list []T) []T {
	found := []T{list[r.IntN(len(list))]}
	for _, x := range list {
		if chance(r, 2) {
			found = append(found, x)
		}
	}
	return found
}

var presets = []policy.Permissions{
	policy.Full, policy.ReadOnly, policy.UploadOnly, policy.Read, policy.List | policy.Create, policy.List | policy.Delete, policy.Write,
}

// folders are those of a player, below its own.
var folders = []string{"/a", "/a/sub", "/b"}

func ground(seed uint64, i int) string { return fmt.Sprintf("/p/%x/%d", seed, i) }

func (p *parity) group(r *rand.Rand, seed uint64, i int) string {
	p.t.Helper()
	g := accounts.Group{Group: policy.Group{Name: fmt.Sprintf("group %x %d", seed, i)}, Kind: accounts.UserGroup}
	for n := range company {
		if chance(r, 2) {
			g.Grants = append(g.Grants, randomGrant(r, ground(seed, n)))
		}
	}
	if chance(r, 6) {
		g.Protocols = some(r, policy.Doors())
	}
	made, err := p.Accounts.CreateGroup(p.t.Context(), g)
	if err != nil {
		p.t.Fatal(err)
	}
	return made.ID
}

func randomGrant(r *rand.Rand, below string) policy.Grant {
	return policy.Grant{
		Path:        path.MustParse(below + folders[r.IntN(len(folders))]),
		Permissions: presets[r.IntN(len(presets))], Recursive: !chance(r, 4),
	}
}

var comers atomic.Uint32

// player makes an account that may be anything, and what it comes with.
func (p *parity) player(r *rand.Rand, seed uint64, i int, groups []string) *player {
	p.t.Helper()
	here := ground(seed, i)
	for _, f := range folders {
		p.Mkdir(here + f)
	}
	name := fmt.Sprintf("p%x-%d", seed, i)
	one := &player{rnd: r, ground: here, wrong: chance(r, 4), enrolled: chance(r, 3)}
	one.guest = p.welcome(name, anywhere(), byPassword, badge{account: func(a *accounts.Account) {
		randomAccount(r, a, groups, here)
		one.entries = slices.DeleteFunc(slices.Clone(a.Grants), func(g policy.Grant) bool { return g.At == "" })
	}})
	if one.enrolled {
		one.codes = p.Enrol(name).Code
	}
	if one.enrolled && chance(r, 2) {
		p.Change(name, func(a *accounts.Account) { a.SecondFactor = policy.SecondFactor{WithKey: true} })
	}
	b := badge{credential: randomCredential(r, here)}
	one.app, one.token = p.Issue(name, b.issued(policy.KindAppPassword)), p.Issue(name, b.issued(policy.KindToken))
	one.client = p.Issue(name, b.issued(policy.KindClient))
	one.certified = protocoltest.Certify(p.t, p.ca, name, nil)
	one.ways = one.choose()
	return one
}

func randomAccount(r *rand.Rand, a *accounts.Account, groups []string, here string) {
	root := path.Root
	a.Root = &root
	for i := range r.IntN(3) {
		g := randomGrant(r, here)
		g.At = []string{"", "", fmt.Sprint("entry ", i), taken}[r.IntN(4)]
		if i > 0 && g.At == taken {
			g.At = ""
		}
		a.Grants = append(a.Grants, g)
	}
	for _, g := range groups {
		if chance(r, 2) {
			a.Groups = append(a.Groups, g)
		}
	}
	if chance(r, 6) {
		a.Protocols = some(r, policy.Doors())
	}
	a.AllowedIPs = [][]netip.Prefix{nil, nil, nil, {elsewhere}, {crowd}}[r.IntN(5)]
	a.Bypass = chance(r, 4)
	a.Desktop = []policy.Choice{policy.Inherit, policy.Inherit, policy.Deny}[r.IntN(3)]
	a.PlainFTP = []policy.Choice{policy.Inherit, policy.Allow, policy.Deny}[r.IntN(3)]
	a.SecondFactor.Required = []policy.Choice{policy.Inherit, policy.Inherit, policy.Deny}[r.IntN(3)]
	if chance(r, 6) {
		a.Keys[0].AllowedIPs = []string{elsewhere.String()}
	}
}

func randomCredential(r *rand.Rand, here string) func(*accounts.Credential) {
	return func(c *accounts.Credential) {
		if c.Kind == policy.KindAppPassword && chance(r, 3) {
			c.Doors = some(r, []policy.Door{policy.SFTP, policy.FTP, policy.WebDAV})
		}
		if chance(r, 6) {
			c.AllowedIPs = []string{elsewhere.String()}
		}
		c.Scope.ReadOnly = chance(r, 3)
		if c.Kind == policy.KindAppPassword && chance(r, 3) {
			f := path.MustParse(here + folders[r.IntN(len(folders))])
			c.Scope.Folder = &f
		}
	}
}

// choose takes some ways in, of which one at most uses up a code.
func (one *player) choose() []way {
	var chosen []way
	codes := 0
	for range 4 {
		w := ways[one.rnd.IntN(len(ways))]
		interactive := w.door == policy.SFTP || w.door == policy.API
		takes := one.enrolled && interactive && w.proof != byApp && w.proof != byToken
		if w.clearWeb() || w.proof == byLink || w.proof == byInvitation || takes && codes > 0 || !one.enrolled && (w.proof == byCode || w.proof == byKeyAndCode) {
			continue
		}
		if takes {
			codes++
		}
		chosen = append(chosen, w)
	}
	return chosen
}

// burden has come over a player what the site's rules have to be in force for.
func (p *parity) burden(one *player) (err error) {
	switch one.rnd.IntN(12) {
	case 0:
		p.Disable(one.name)
	case 1:
		p.Change(one.name, func(a *accounts.Account) { a.Expires = &policy.Expiry{Instant: past} })
	case 2:
		p.Change(one.name, func(a *accounts.Account) { a.Password.MustChange = true })
	case 3:
		p.Change(one.name, func(a *accounts.Account) { a.Password.Changed = time.Now().Add(-48 * time.Hour) })
	case 4:
		away := anywhere()
		for range 3 {
			err = errors.Join(err, p.fail(one.name, away))
		}
	case 5:
		for range 3 {
			err = errors.Join(err, p.fail("nobody", one.from))
		}
	case 6:
		err = p.abandon(&one.guest)
	}
	return err
}

// anywhere is an address that nobody has come from.
func anywhere() netip.Addr {
	a := crowd.Addr().As4()
	binary.BigEndian.PutUint32(a[:], binary.BigEndian.Uint32(a[:])+comers.Add(1))
	return netip.AddrFrom4(a)
}
