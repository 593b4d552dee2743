package accounts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

func invitation(email string) Link {
	return Link{Kind: LinkInvitation, By: "boss", Invitation: &Invitation{Email: email, Role: policy.RoleUser}}
}

func makeLink(t *testing.T, s *Store, l Link) (Link, string) {
	t.Helper()
	made, secret, err := s.MakeLink(t.Context(), l, Guarded)
	if err != nil {
		t.Fatal(err)
	}
	return made, secret
}

// A mail scanner opens every address in a letter: it must use nothing up. Then
// the one who was meant takes it, once, whichever node is asked.
func TestLinkIsLookedAtOftenAndTakenOnce(t *testing.T) {
	st := memory.New()
	nodes := []*Store{open(t, st), open(t, st)}
	alice := create(t, nodes[0], "alice", nil)
	waitFor(t, func() bool { _, err := nodes[1].ByID(t.Context(), alice.ID); return err == nil })
	for _, l := range []Link{{Kind: LinkReset, By: "boss", Account: alice.ID}, invitation("new@example.org")} {
		made, secret := makeLink(t, nodes[0], l)
		if len(secret) != 43 || made.ID == "" || strings.Contains(secret, made.ID) {
			t.Errorf("%s: got the secret %q of %q", l.Kind, secret, made.ID)
		}
		for item := range st.Dump(t.Context()) {
			if bytes.Contains(item.Value, []byte(secret)) || strings.Contains(item.Name, secret) {
				t.Errorf("%s: the secret is kept in %s/%s", l.Kind, item.Scope, item.Name)
			}
		}
		for i := range 5 {
			got, err := nodes[i%2].LookLink(t.Context(), secret)
			if err != nil || !reflect.DeepEqual(got, made) {
				t.Errorf("%s: got %+v %v, want %+v", l.Kind, got, err, made)
			}
		}
		won := atOnce(10, func(n int) error { _, err := nodes[n%2].TakeLink(t.Context(), secret); return err }, func(err error) {
			if !errors.Is(err, ErrLink) {
				t.Errorf("%s: got %v, want %v", l.Kind, err, ErrLink)
			}
		})
		if won != 1 {
			t.Errorf("%s: taken %d times", l.Kind, won)
		}
		for _, wrong := range []string{secret, "", made.ID, secret + "x", secret[:42]} {
			if _, err := nodes[1].LookLink(t.Context(), wrong); !errors.Is(err, ErrLink) {
				t.Errorf("%s: looked at with %q: got %v, want %v", l.Kind, wrong, err, ErrLink)
			}
		}
	}
}

// Half of the hash, which is the id that listings show, opens nothing.
func TestLinkIsComparedWhole(t *testing.T) {
	s := open(t, memory.New())
	made, secret := makeLink(t, s, invitation("new@example.org"))
	forged := made
	forged.hash = made.hash[:linkIDLength] + strings.Repeat("0", linkIDLength)
	p, err := put(linkPrefix+made.ID, linkRecord{Link: forged, Hash: forged.hash})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.settle(t.Context(), state.Batch{Scope: linksScope, Puts: []state.Put{p}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.LookLink(t.Context(), secret); !errors.Is(err, ErrLink) {
		t.Errorf("got %v, want %v", err, ErrLink)
	}
}

func TestLinksEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, memory.New())
		alice := create(t, s, "alice", nil)
		reset := Link{Kind: LinkReset, By: "boss", Account: alice.ID}
		_, resetSecret := makeLink(t, s, reset)
		invited, invitedSecret := makeLink(t, s, invitation("new@example.org"))
		good := func(secret string) bool { _, err := s.LookLink(t.Context(), secret); return err == nil }
		time.Sleep(24*time.Hour - time.Minute)
		if !good(resetSecret) || !good(invitedSecret) {
			t.Error("a link ended early")
		}
		time.Sleep(2 * time.Minute)
		if good(resetSecret) || !good(invitedSecret) {
			t.Error("a reset link is good for more than a day, or an invitation for no longer")
		}
		time.Sleep(6 * 24 * time.Hour)
		if good(invitedSecret) {
			t.Error("an invitation is good for more than a week")
		}
		if _, err := s.RevokeLink(t.Context(), LinkInvitation, invited.ID); !errors.Is(err, ErrLink) {
			t.Errorf("got %v, want %v", err, ErrLink)
		}

		earlier, earlierSecret := makeLink(t, s, reset)
		_, laterSecret := makeLink(t, s, reset)
		if good(earlierSecret) || !good(laterSecret) {
			t.Errorf("the earlier link %s is good beside a later one", earlier.ID)
		}
		second, secondSecret := makeLink(t, s, invitation("other@example.org"))
		if _, err := s.RevokeLink(t.Context(), LinkReset, second.ID); !errors.Is(err, ErrLink) {
			t.Errorf("revoked as of another kind: got %v, want %v", err, ErrLink)
		}
		if l, err := s.RevokeLink(t.Context(), LinkInvitation, second.ID); err != nil || l.Invitation.Email != "other@example.org" || good(secondSecret) {
			t.Errorf("revoked: got %+v %v, good %v", l, err, good(secondSecret))
		}
		if _, err := s.Delete(t.Context(), "alice", 0, Guarded); err != nil {
			t.Fatal(err)
		}
		create(t, s, "alice", nil)
		if good(laterSecret) {
			t.Error("a link of a deleted account sets the password of another one under its name")
		}
	})
}

// Whoever makes an account away takes the invitations that it made with it.
func TestLinksGoWithTheirMaker(t *testing.T) {
	s := open(t, memory.New())
	delegate := create(t, s, "delegate", nil)
	l := invitation("new@example.org")
	l.By = delegate.ID
	_, secret := makeLink(t, s, l)
	_, kept := makeLink(t, s, invitation("other@example.org"))
	// The client that asked for it is gone as soon as it is done.
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := (&Store{
		state: hasty{s.state, cancel}, index: s.index, uses: uses{all: map[string]*Activity{}, dirty: map[string]bool{}},
	}).Delete(ctx, "delegate", 0, Guarded); err != nil {
		t.Fatal(err)
	}
	if _, err := s.LookLink(t.Context(), secret); !errors.Is(err, ErrLink) {
		t.Errorf("got %v, want %v", err, ErrLink)
	}
	if _, err := s.LookLink(t.Context(), kept); err != nil {
		t.Errorf("another one's: %v", err)
	}
}

// hasty is a store whose caller goes away after the first change.
type hasty struct {
	state.Store
	cancel context.CancelFunc
}

func (h hasty) Apply(ctx context.Context, b state.Batch) (state.Result, error) {
	defer h.cancel()
	if err := ctx.Err(); err != nil {
		return state.Result{}, err
	}
	return h.Store.Apply(ctx, b)
}

// A link whose use failed for a bad password is put back, but never beside a
// newer one, and never longer than it was good.
func TestReturnedLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, memory.New())
		alice := create(t, s, "alice", nil)
		reset := Link{Kind: LinkReset, By: "boss", Account: alice.ID}
		_, secret := makeLink(t, s, reset)
		take := func(secret string) Link {
			l, err := s.TakeLink(t.Context(), secret)
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
		time.Sleep(23 * time.Hour)
		l := take(secret)
		if err := s.ReturnLink(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		l = take(secret)
		_, newer := makeLink(t, s, reset)
		if err := s.ReturnLink(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		if _, err := s.LookLink(t.Context(), secret); !errors.Is(err, ErrLink) {
			t.Errorf("beside a newer one: got %v, want %v", err, ErrLink)
		}
		l = take(newer)
		time.Sleep(23*time.Hour + 59*time.Minute)
		if err := s.ReturnLink(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		if _, err := s.LookLink(t.Context(), newer); !errors.Is(err, ErrLink) {
			t.Errorf("after its time: got %v, want %v", err, ErrLink)
		}
	})
}

func TestLinksAreListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, memory.New())
		alice := create(t, s, "alice", nil)
		makeLink(t, s, Link{Kind: LinkReset, By: "boss", Account: alice.ID})
		for i := range 3 {
			time.Sleep(time.Minute)
			makeLink(t, s, invitation(fmt.Sprintf("%d@example.org", i)))
		}
		list, err := s.Links(t.Context(), LinkInvitation)
		if err != nil || len(list) != 3 || list[0].Invitation.Email != "2@example.org" {
			t.Errorf("got %+v %v", list, err)
		}
		if resets, err := s.Links(t.Context(), LinkReset); err != nil || len(resets) != 1 || resets[0].Account != alice.ID {
			t.Errorf("got %+v %v", resets, err)
		}
	})
}

// One who has got hold of a delegate's session must not flood the world.
func TestMakersAreSlowedDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		nodes := []*Store{open(t, st), open(t, st)}
		alice := create(t, nodes[0], "alice", nil)
		synctest.Wait()
		reset := Link{Kind: LinkReset, By: "boss", Account: alice.ID}
		most := int(linkKinds[LinkReset].most)
		for i := range most {
			makeLink(t, nodes[i%2], reset)
		}
		if _, _, err := nodes[0].MakeLink(t.Context(), reset, Guarded); !errors.Is(err, ErrTooMany) {
			t.Errorf("got %v, want %v", err, ErrTooMany)
		}
		if _, _, err := nodes[0].MakeLink(t.Context(), reset, Forced); err != nil {
			t.Errorf("forced: %v", err)
		}
		other := reset
		other.By = "other"
		makeLink(t, nodes[0], other)
		makeLink(t, nodes[0], invitation("new@example.org"))
		time.Sleep(linkWindow + linkWindow/32)
		makeLink(t, nodes[0], reset)
	})
}

// An invitation that could make no account is refused when it is made.
func TestWhatIsNoLink(t *testing.T) {
	s := open(t, memory.New())
	alice := create(t, s, "alice", nil)
	invite := func(change func(*Invitation)) Link {
		l := invitation("new@example.org")
		change(l.Invitation)
		return l
	}
	for name, c := range map[string]struct {
		field string
		link  Link
	}{
		"kind":               {"kind", Link{Kind: "other", By: "boss"}},
		"nobody's":           {"by", Link{Kind: LinkReset, Account: alice.ID}},
		"for nobody":         {"account", Link{Kind: LinkReset, By: "boss", Account: "gone"}},
		"for both":           {"account", Link{Kind: LinkReset, By: "boss", Account: alice.ID, Invitation: &Invitation{}}},
		"invitation to what": {"invitation", Link{Kind: LinkInvitation, By: "boss"}},
		"no e-mail":          {"email", invite(func(i *Invitation) { i.Email = "" })},
		"two letters in one": {"email", invite(func(i *Invitation) { i.Email = "a@b.c\r\nBcc: d@e.f" })},
		"role":               {"role", invite(func(i *Invitation) { i.Role = "king" })},
		"group":              {"groups", invite(func(i *Invitation) { i.Groups = []string{"gone"} })},
		"guest of nobody":    {"managed_by", invite(func(i *Invitation) { i.Role = policy.RoleGuest })},
		"managed by nobody":  {"managed_by", invite(func(i *Invitation) { i.ManagedBy = []string{"gone"} })},
		"expiry":             {"expires", invite(func(i *Invitation) { i.Expires = &policy.Expiry{Date: "never"} })},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := s.MakeLink(t.Context(), c.link, Guarded)
			var invalid *InvalidError
			if !errors.As(err, &invalid) || invalid.Field != c.field {
				t.Errorf("got %v, want a refusal of %q", err, c.field)
			}
		})
	}
}

func TestInvitationBecomesAnAccount(t *testing.T) {
	s := open(t, memory.New())
	boss := create(t, s, "boss", nil)
	staff, err := s.CreateGroup(t.Context(), Group{Group: policy.Group{Name: "staff"}})
	if err != nil {
		t.Fatal(err)
	}
	gone, err := s.CreateGroup(t.Context(), Group{Group: policy.Group{Name: "gone"}})
	if err != nil {
		t.Fatal(err)
	}
	l := Link{Kind: LinkInvitation, By: boss.ID, Invitation: &Invitation{
		Email: "new@example.org", DisplayName: "New", Role: policy.RoleGuest, Groups: []string{staff.ID, gone.ID},
		ManagedBy: []string{boss.ID}, Expires: &policy.Expiry{Date: "2999-01-01"},
	}}
	_, secret := makeLink(t, s, l)
	if err := s.DeleteGroup(t.Context(), "gone", 0, Guarded); err != nil {
		t.Fatal(err)
	}
	taken, err := s.TakeLink(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	draft, err := s.Draft(taken, "Newcomer")
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.Create(t.Context(), draft)
	if err != nil {
		t.Fatal(err)
	}
	if a.Name != "Newcomer" || a.Role != policy.RoleGuest || a.Email != "new@example.org" || a.DisplayName != "New" ||
		!reflect.DeepEqual(a.Groups, []string{staff.ID}) || !reflect.DeepEqual(a.ManagedBy, []string{boss.ID}) || a.Expires == nil {
		t.Errorf("got %+v", a)
	}
	if _, err := s.Draft(Link{Kind: LinkReset}, "x"); !errors.Is(err, ErrLink) {
		t.Errorf("got %v, want %v", err, ErrLink)
	}
}
