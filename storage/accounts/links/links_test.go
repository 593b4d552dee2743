package links

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/accounts/field"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
	"gatehouse/storage/state/typed"
)

// people are the accounts that there are, and how it stands with them; whoever has
// an address may be invited.
type people map[string]Standing

func (p people) Standing(id string) (Standing, bool) {
	now, ok := p[id]
	return now, ok
}

func (people) Invitable(i *Invitation) error {
	if i.Email == "" {
		return &field.Error{Field: "email", Why: "must not be empty"}
	}
	return nil
}

func invitation(email string) Link {
	return Link{Kind: Invite, By: "boss", Invitation: &Invitation{Email: email, Role: policy.RoleUser}}
}

func makeLink(t *testing.T, s *Store, l Link) (Link, string) {
	t.Helper()
	made, secret, err := s.Make(t.Context(), l, Bounded)
	if err != nil {
		t.Fatal(err)
	}
	return made, secret
}

// A mail scanner opens every address in a letter: it must use nothing up. Then
// the one who was meant takes it, once, whichever node is asked.
func TestLinkIsLookedAtOftenAndTakenOnce(t *testing.T) {
	st := memory.New()
	nodes := []*Store{New(st, people{"alice": {Password: "first"}}), New(st, people{"alice": {Password: "first"}})}
	for _, l := range []Link{{Kind: Reset, By: "boss", Account: "alice"}, invitation("new@example.org")} {
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
			got, err := nodes[i%2].Look(t.Context(), secret)
			if err != nil || !reflect.DeepEqual(got, made) {
				t.Errorf("%s: got %+v %v, want %+v", l.Kind, got, err, made)
			}
		}
		var won atomic.Int32
		var all sync.WaitGroup
		for n := range 10 {
			all.Go(func() {
				switch _, err := nodes[n%2].Take(t.Context(), secret); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, ErrGone):
					t.Errorf("%s: got %v, want %v", l.Kind, err, ErrGone)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 {
			t.Errorf("%s: taken %d times", l.Kind, won.Load())
		}
		for _, wrong := range []string{secret, "", made.ID, secret + "x", secret[:42]} {
			if _, err := nodes[1].Look(t.Context(), wrong); !errors.Is(err, ErrGone) {
				t.Errorf("%s: looked at with %q: got %v, want %v", l.Kind, wrong, err, ErrGone)
			}
		}
	}
}

// Half of the hash, which is the id that listings show, opens nothing.
func TestLinkIsComparedWhole(t *testing.T) {
	s := New(memory.New(), people{"alice": {Password: "first"}})
	made, secret := makeLink(t, s, invitation("new@example.org"))
	forged := made
	forged.hash = made.hash[:idLength] + strings.Repeat("0", idLength)
	p, err := typed.Put(linkPrefix+made.ID, stored{Link: forged, Hash: forged.hash})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.settle(t.Context(), state.Batch{Scope: scope, Puts: []state.Put{p}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Look(t.Context(), secret); !errors.Is(err, ErrGone) {
		t.Errorf("got %v, want %v", err, ErrGone)
	}
}

func TestLinksEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		there := people{"alice": {Password: "first"}}
		s := New(memory.New(), there)
		reset := Link{Kind: Reset, By: "boss", Account: "alice"}
		_, resetSecret := makeLink(t, s, reset)
		invited, invitedSecret := makeLink(t, s, invitation("new@example.org"))
		good := func(secret string) bool { _, err := s.Look(t.Context(), secret); return err == nil }
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
		if _, err := s.Revoke(t.Context(), Invite, invited.ID); !errors.Is(err, ErrGone) {
			t.Errorf("got %v, want %v", err, ErrGone)
		}

		earlier, earlierSecret := makeLink(t, s, reset)
		_, laterSecret := makeLink(t, s, reset)
		if good(earlierSecret) || !good(laterSecret) {
			t.Errorf("the earlier link %s is good beside a later one", earlier.ID)
		}
		second, secondSecret := makeLink(t, s, invitation("other@example.org"))
		if _, err := s.Revoke(t.Context(), Reset, second.ID); !errors.Is(err, ErrGone) {
			t.Errorf("revoked as of another kind: got %v, want %v", err, ErrGone)
		}
		if l, err := s.Revoke(t.Context(), Invite, second.ID); err != nil || l.Invitation.Email != "other@example.org" || good(secondSecret) {
			t.Errorf("revoked: got %+v %v, good %v", l, err, good(secondSecret))
		}
		there["alice"] = Standing{Password: "first", Since: time.Now(), Disabled: true}
		if !good(laterSecret) {
			t.Error("a link of a disabled account is refused for what it is not")
		}
		there["alice"] = Standing{Password: "first", Since: time.Now()}
		if good(laterSecret) {
			t.Error("a link from before it was disabled is good for an account that is enabled again")
		}
		_, laterSecret = makeLink(t, s, reset)
		there["alice"] = Standing{Password: "second", Since: time.Now()}
		if good(laterSecret) {
			t.Error("a link is good for an account that has another password by now")
		}
		if list, err := s.List(t.Context(), Reset); err != nil || len(list) > 0 {
			t.Errorf("it is still listed: %+v %v", list, err)
		}
		_, latestSecret := makeLink(t, s, reset)
		delete(there, "alice")
		if good(latestSecret) {
			t.Error("a link of a deleted account is good")
		}
	})
}

// A link whose use failed for a bad password is put back, but never beside a
// newer one, and never longer than it was good.
func TestReturnedLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(memory.New(), people{"alice": {Password: "first"}})
		reset := Link{Kind: Reset, By: "boss", Account: "alice"}
		_, secret := makeLink(t, s, reset)
		take := func(secret string) Link {
			l, err := s.Take(t.Context(), secret)
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
		time.Sleep(23 * time.Hour)
		l := take(secret)
		if err := s.Return(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		l = take(secret)
		_, newer := makeLink(t, s, reset)
		if err := s.Return(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Look(t.Context(), secret); !errors.Is(err, ErrGone) {
			t.Errorf("beside a newer one: got %v, want %v", err, ErrGone)
		}
		l = take(newer)
		time.Sleep(23*time.Hour + 59*time.Minute)
		if err := s.Return(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		if _, err := s.Look(t.Context(), newer); !errors.Is(err, ErrGone) {
			t.Errorf("after its time: got %v, want %v", err, ErrGone)
		}
	})
}

func TestLinksAreListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(memory.New(), people{"alice": {Password: "first"}})
		makeLink(t, s, Link{Kind: Reset, By: "boss", Account: "alice"})
		for i := range 3 {
			time.Sleep(time.Minute)
			makeLink(t, s, invitation(fmt.Sprintf("%d@example.org", i)))
		}
		list, err := s.List(t.Context(), Invite)
		if err != nil || len(list) != 3 || list[0].Invitation.Email != "2@example.org" {
			t.Errorf("got %+v %v", list, err)
		}
		if resets, err := s.List(t.Context(), Reset); err != nil || len(resets) != 1 || resets[0].Account != "alice" {
			t.Errorf("got %+v %v", resets, err)
		}
	})
}

// One who has got hold of a delegate's session must not flood the world.
func TestMakersAreSlowedDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		nodes := []*Store{New(st, people{"alice": {Password: "first"}}), New(st, people{"alice": {Password: "first"}})}
		reset := Link{Kind: Reset, By: "boss", Account: "alice"}
		most := int(kinds[Reset].most)
		for i := range most {
			makeLink(t, nodes[i%2], reset)
		}
		if _, _, err := nodes[0].Make(t.Context(), reset, Bounded); !errors.Is(err, ErrTooMany) {
			t.Errorf("got %v, want %v", err, ErrTooMany)
		}
		if _, _, err := nodes[0].Make(t.Context(), reset, Unbounded); err != nil {
			t.Errorf("unbounded: %v", err)
		}
		other := reset
		other.By = "other"
		makeLink(t, nodes[0], other)
		makeLink(t, nodes[0], invitation("new@example.org"))
		time.Sleep(window + window/32)
		makeLink(t, nodes[0], reset)
	})
}

// Whoever makes an account away takes the invitations that it made with it, and
// the links that set its password.
func TestLinksGoWithTheirMaker(t *testing.T) {
	s := New(memory.New(), people{"alice": {Password: "first"}})
	l := invitation("new@example.org")
	l.By = "alice"
	_, made := makeLink(t, s, l)
	_, reset := makeLink(t, s, Link{Kind: Reset, By: "boss", Account: "alice"})
	_, kept := makeLink(t, s, invitation("other@example.org"))
	if err := s.Drop(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{made, reset} {
		if _, err := s.Look(t.Context(), secret); !errors.Is(err, ErrGone) {
			t.Errorf("got %v, want %v", err, ErrGone)
		}
	}
	if _, err := s.Look(t.Context(), kept); err != nil {
		t.Errorf("another one's: %v", err)
	}
}

func TestWhatIsNoLink(t *testing.T) {
	s := New(memory.New(), people{"alice": {Password: "first"}})
	for name, c := range map[string]struct {
		field string
		link  Link
	}{
		"kind":               {"kind", Link{Kind: "other", By: "boss"}},
		"nobody's":           {"by", Link{Kind: Reset, Account: "alice"}},
		"for nobody":         {"account", Link{Kind: Reset, By: "boss", Account: "gone"}},
		"for both":           {"account", Link{Kind: Reset, By: "boss", Account: "alice", Invitation: &Invitation{}}},
		"invitation to what": {"invitation", Link{Kind: Invite, By: "boss"}},
		"invitation of none": {"email", invitation("")},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := s.Make(t.Context(), c.link, Bounded)
			var invalid *field.Error
			if !errors.As(err, &invalid) || invalid.Field != c.field {
				t.Errorf("got %v, want a refusal of %q", err, c.field)
			}
		})
	}
}
