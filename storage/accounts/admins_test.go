package accounts

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// No change may leave nobody who can log in to set it right.
func TestNeverLockedOut(t *testing.T) {
	change := func(f func(*Account)) func(*Store) error {
		return func(s *Store) error {
			_, err := s.Update(context.Background(), "admin", 0, func(a *Account) error { f(a); return nil }, Guarded)
			return err
		}
	}
	site := func(f func(*Site)) func(*Store) error {
		return func(s *Store) error {
			_, err := s.UpdateSite(context.Background(), 0, func(s *Site) error { f(s); return nil }, Guarded)
			return err
		}
	}
	nowhere := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/32")}
	for name, c := range map[string]struct {
		do      func(*Store) error
		refused bool
	}{
		"demote":          {change(func(a *Account) { a.Role = policy.RoleUser }), true},
		"expire":          {change(func(a *Account) { a.Expires = &policy.Expiry{Instant: time.Now().Add(-time.Hour)} }), true},
		"expire some day": {change(func(a *Account) { a.Expires = &policy.Expiry{Date: "2999-01-01"} }), true},
		"take the API":    {change(func(a *Account) { a.Protocols = []policy.Door{policy.SFTP, policy.Web} }), true},
		"take the web":    {change(func(a *Account) { a.Protocols = []policy.Door{policy.API} }), false},
		"no address":      {change(func(a *Account) { a.AllowedIPs = nowhere }), true},
		"an address":      {change(func(a *Account) { a.AllowedIPs = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")} }), false},
		"take password":   {change(func(a *Account) { a.Password = nil }), true},
		"must change":     {change(func(a *Account) { a.Password.MustChange = true }), false},
		"rename":          {change(func(a *Account) { a.DisplayName = "Admin" }), false},
		"delete": {func(s *Store) error {
			_, err := s.Delete(context.Background(), "admin", 0, Guarded)
			return err
		}, true},
		"site: doors":         {site(func(s *Site) { s.Doors = []policy.Door{policy.SFTP, policy.FTP} }), true},
		"site: only the web":  {site(func(s *Site) { s.Doors = []policy.Door{policy.Web} }), true},
		"site: one door":      {site(func(s *Site) { s.Doors = []policy.Door{policy.API} }), false},
		"site: no address":    {site(func(s *Site) { s.AllowedIPs = nowhere }), true},
		"site: the office":    {site(func(s *Site) { s.AllowedIPs = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} }), false},
		"second factor":       {change(func(a *Account) { a.SecondFactor.Required = policy.Allow }), false},
		"site: second factor": {site(func(s *Site) { s.SecondFactor = policy.SecondFactorRequired }), false},
		"site: password age":  {site(func(s *Site) { s.Password.MaxAgeDays = 1 }), false},
		"to an auditor":       {change(func(a *Account) { a.Role = policy.RoleAuditor }), true},
		"nobody's app password": {func(s *Store) error {
			_, _, err := s.AddCredential(context.Background(), "admin", 0, appPassword("phone"), Guarded)
			return err
		}, false},
		"site: something else": {site(func(s *Site) { s.Language = "de" }), false},
		"another's account": {func(s *Store) error {
			_, err := s.Delete(context.Background(), "user", 0, Guarded)
			return err
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, memory.New())
			create(t, s, "admin", admin)
			create(t, s, "user", nil)
			// One who cannot log in makes no difference.
			create(t, s, "second", func(a *Account) { a.Role = policy.RoleAdmin })
			if err := c.do(s); errors.Is(err, ErrLastAdmin) != c.refused || err != nil && !c.refused {
				t.Errorf("got %v, want refused %v", err, c.refused)
			}
			// With another admin the same is allowed.
			s = open(t, memory.New())
			create(t, s, "admin", admin)
			create(t, s, "user", nil)
			create(t, s, "second", func(a *Account) { admin(a); a.AllowedIPs = nil })
			if err := c.do(s); err != nil && !strings.HasPrefix(name, "site") {
				t.Errorf("with a second admin: got %v", err)
			}
		})
	}
}

func TestGroupCannotLockOut(t *testing.T) {
	s := open(t, memory.New())
	g, err := s.CreateGroup(t.Context(), Group{Group: policy.Group{Name: "admins"}})
	if err != nil {
		t.Fatal(err)
	}
	create(t, s, "admin", func(a *Account) { admin(a); a.Groups = []string{g.ID} })
	filesOnly := func(g *Group) error { g.Protocols = []policy.Door{policy.SFTP}; return nil }
	if _, err := s.UpdateGroup(t.Context(), "admins", 0, filesOnly, Guarded); !errors.Is(err, ErrLastAdmin) {
		t.Errorf("got %v, want %v", err, ErrLastAdmin)
	}
	if _, err := s.UpdateGroup(t.Context(), "admins", 0, filesOnly, Forced); err != nil {
		t.Errorf("forced: got %v", err)
	}
}

// An administrator far away who lets in the office alone has locked himself out as
// surely as with no address at all, unless another one can come in from where he is.
func TestNobodyLocksOutWhereHeIs(t *testing.T) {
	here, office := netip.MustParseAddr("192.0.2.7"), []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for name, c := range map[string]struct {
		with    func(*Account) // of the second admin; nil for none
		from    Option
		refused bool
	}{
		"alone":                   {nil, From(here), true},
		"alone, written as IPv6":  {nil, From(netip.MustParseAddr("::ffff:192.0.2.7")), true},
		"alone, from the office":  {nil, From(netip.MustParseAddr("10.1.2.3")), false},
		"alone, from nowhere":     {nil, Guarded, false},
		"alone, at the socket":    {nil, Forced, false},
		"with one who comes in":   {func(*Account) {}, From(here), false},
		"with one who does not":   {func(a *Account) { a.AllowedIPs = office }, From(here), true},
		"with one until some day": {func(a *Account) { a.Expires = &policy.Expiry{Date: "2999-01-01"} }, From(here), true},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, memory.New())
			create(t, s, "admin", admin)
			if c.with != nil {
				create(t, s, "second", func(a *Account) { admin(a); c.with(a) })
			}
			_, err := s.Update(t.Context(), "admin", 0, func(a *Account) error { a.AllowedIPs = office; return nil }, c.from)
			if errors.Is(err, ErrLastAdmin) != c.refused || err != nil && !c.refused {
				t.Errorf("got %v, want refused %v", err, c.refused)
			}
		})
	}
}

// The same holds for the site's list; who could not come in from there before
// loses nothing by it.
func TestSiteLocksOutNobodyWhereHeIs(t *testing.T) {
	office := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	close := func(s *Store, from string, list []netip.Prefix) error {
		_, err := s.UpdateSite(t.Context(), 0, func(s *Site) error { s.AllowedIPs = list; return nil }, From(netip.MustParseAddr(from)))
		return err
	}
	s := open(t, memory.New())
	create(t, s, "admin", admin)
	if err := close(s, "192.0.2.7", office); !errors.Is(err, ErrLastAdmin) {
		t.Errorf("from elsewhere: got %v, want %v", err, ErrLastAdmin)
	}
	if err := close(s, "10.1.2.3", office); err != nil {
		t.Errorf("from the office: %v", err)
	}
	if err := close(s, "192.0.2.7", []netip.Prefix{netip.MustParsePrefix("10.0.0.0/9")}); err != nil {
		t.Errorf("from where nobody came in before: %v", err)
	}
}

func TestForcedMayLockOut(t *testing.T) {
	s := open(t, memory.New())
	create(t, s, "admin", admin)
	if _, err := s.Delete(t.Context(), "admin", 0, Forced); err != nil {
		t.Errorf("got %v", err)
	}
}

// Of two admins that are demoted at the same moment, each in the other's favour,
// one stays.
func TestConcurrentDemotionsLeaveOne(t *testing.T) {
	for range 20 {
		st := memory.New()
		nodes := []*Store{open(t, st), open(t, st)}
		names := []string{"one", "two"}
		for _, name := range names {
			create(t, nodes[0], name, admin)
			waitFor(t, func() bool { _, err := nodes[1].Account(t.Context(), name); return err == nil })
		}
		errs := make([]error, 2)
		var all sync.WaitGroup
		for i, name := range names {
			all.Go(func() {
				_, errs[i] = nodes[i].Update(t.Context(), name, 0, func(a *Account) error {
					a.Role = policy.RoleUser
					return nil
				}, Guarded)
			})
		}
		all.Wait()
		if errors.Is(errs[0], ErrLastAdmin) == errors.Is(errs[1], ErrLastAdmin) {
			t.Fatalf("got %v and %v, want one refused", errs[0], errs[1])
		}
	}
}

// The two may be on nodes that have not heard of each other's change, and one
// change may be the site's.
func TestStaleNodeCannotLockOut(t *testing.T) {
	st := &gappy{Store: memory.New()}
	here := open(t, st)
	there := open(t, st.Store)
	create(t, here, "one", admin)
	create(t, here, "two", admin)
	waitFor(t, func() bool { _, err := there.Account(t.Context(), "two"); return err == nil })
	st.silent(true)
	demote := func(a *Account) error { a.Role = policy.RoleUser; return nil }
	if _, err := there.Update(t.Context(), "one", 0, demote, Guarded); err != nil {
		t.Fatal(err)
	}
	if a, err := here.Account(t.Context(), "one"); err != nil || a.Role != policy.RoleAdmin {
		t.Fatalf("the node is not stale: %v %v", a.Role, err)
	}
	if _, err := here.Update(t.Context(), "two", 0, demote, Guarded); !errors.Is(err, ErrLastAdmin) {
		t.Errorf("got %v, want %v", err, ErrLastAdmin)
	}
}

// A node that has not heard that one administrator can come in again, and the other
// no more, must not think that the first one could not come in anyway.
func TestStaleRulesCannotLockOut(t *testing.T) {
	st := &gappy{Store: memory.New()}
	here := open(t, st)
	there := open(t, st.Store)
	here.Share()
	there.Share()
	for _, name := range []string{"one", "two"} {
		g, err := there.CreateGroup(t.Context(), Group{Group: policy.Group{Name: name}})
		if err != nil {
			t.Fatal(err)
		}
		create(t, there, name, func(a *Account) { admin(a); a.Groups = []string{g.ID} })
	}
	doors := func(group string, list ...policy.Door) {
		t.Helper()
		_, err := there.UpdateGroup(t.Context(), group, 0, func(g *Group) error { g.Protocols = list; return nil }, Guarded)
		if err != nil {
			t.Fatal(err)
		}
	}
	doors("one", policy.SFTP)
	if err := here.CatchUpAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	st.silent(true)
	doors("one")
	doors("two", policy.SFTP)
	demote := func(a *Account) error { a.Role = policy.RoleUser; return nil }
	if _, err := here.Update(t.Context(), "one", 0, demote, Guarded); !errors.Is(err, ErrLastAdmin) {
		t.Errorf("got %v, want %v", err, ErrLastAdmin)
	}
}

func TestAdminsAreNotDisabled(t *testing.T) {
	s := open(t, memory.New())
	create(t, s, "admin", admin)
	create(t, s, "second", admin)
	create(t, s, "user", nil)
	var invalid *InvalidError
	for _, o := range []Option{Guarded, Forced} {
		if _, err := s.Disable(t.Context(), "second", "admin", "", o); !errors.As(err, &invalid) || invalid.Field != "status" {
			t.Errorf("got %v, want a refusal of the status", err)
		}
	}
	a, err := s.Disable(t.Context(), "user", "admin", "left", Guarded)
	if err != nil || !a.Status.Disabled || a.Status.By != "admin" || a.Status.Why != "left" || a.Status.At.IsZero() {
		t.Errorf("got %+v %v", a.Status, err)
	}
	again, err := s.Disable(t.Context(), "user", "other", "again", Guarded)
	if err != nil || again.Status != a.Status {
		t.Errorf("disabling twice: got %+v %v, want the first one's", again.Status, err)
	}
	if _, err := s.Update(t.Context(), "user", 0, func(a *Account) error { a.Role = policy.RoleAdmin; return nil }, Guarded); !errors.As(err, &invalid) {
		t.Errorf("a disabled account became an admin: %v", err)
	}
	if a, err := s.Enable(t.Context(), "user", "admin", Guarded); err != nil || a.Status.Disabled || a.Status.By != "admin" {
		t.Errorf("got %+v %v", a.Status, err)
	}
}

// Where the outcome of a change is not known it is made again, under the same
// operation, and not twice.
func TestUnknownOutcomeIsSettled(t *testing.T) {
	lossy := &lossy{Store: memory.New()}
	s := open(t, lossy)
	lossy.lose(2)
	a := create(t, s, "alice", nil)
	if got, err := s.Account(t.Context(), "alice"); err != nil || got.ID != a.ID {
		t.Errorf("got %v %v", got, err)
	}
	lossy.lose(1)
	b, err := s.Update(t.Context(), "alice", a.Revision, func(a *Account) error { a.Notes = "x"; return nil }, Guarded)
	if err != nil || b.Notes != "x" {
		t.Errorf("got %v", err)
	}
	lossy.lose(100)
	if _, err := s.Update(t.Context(), "alice", 0, func(a *Account) error { a.Notes = "y"; return nil }, Guarded); !errors.Is(err, state.ErrUnknown) {
		t.Errorf("got %v, want %v", err, state.ErrUnknown)
	}
}

// lossy makes changes and loses the answers.
type lossy struct {
	state.Store
	mu   sync.Mutex
	left int
}

func (l *lossy) lose(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left = n
}

func (l *lossy) Apply(ctx context.Context, b state.Batch) (state.Result, error) {
	r, err := l.Store.Apply(ctx, b)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil && l.left > 0 {
		l.left--
		return state.Result{}, state.ErrUnknown
	}
	return r, err
}

// Who can log in with a code can log in; who must have a second factor and may
// not set one up cannot.
func TestSecondFactorOfTheLastAdmin(t *testing.T) {
	s := open(t, memory.New())
	create(t, s, "admin", admin)
	id := NewTOTPID()
	if _, err := s.EnrolTOTP(t.Context(), "admin", id, []byte("sealed"), Guarded); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.ConfirmTOTP(t.Context(), "admin", id, Guarded); err != nil {
		t.Fatal(err)
	}
	share := func(a *Account) error { a.Shared, a.SecondFactor.Required = true, policy.Allow; return nil }
	if _, err := s.Update(t.Context(), "admin", 0, share, Guarded); err != nil {
		t.Errorf("shared, with a second factor: %v", err)
	}
	if _, err := s.RemoveTOTP(t.Context(), "admin", 0, Guarded); err == nil {
		t.Error("the second factor that the last admin must have, and cannot set up, was taken away")
	}
}
