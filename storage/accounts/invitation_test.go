package accounts

import (
	"context"
	"errors"
	"reflect"
	"sync/atomic"
	"testing"

	"gatehouse/policy"
	"gatehouse/storage/accounts/links"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

func invitation(email string) links.Link {
	return links.Link{Kind: links.Invite, By: "boss", Invitation: &links.Invitation{Email: email, Role: policy.RoleUser}}
}

func makeLink(t *testing.T, s *Store, l links.Link) string {
	t.Helper()
	_, secret, err := s.Links().Make(t.Context(), l, links.Bounded)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// A link of a deleted account must not set the password of one that is made anew
// under its name; and whoever makes an account away takes the invitations that it
// made with it, also where the client that asked for it is gone at once.
func TestLinksGoWithTheAccount(t *testing.T) {
	st := &hasty{Store: memory.New()}
	s := open(t, st)
	delegate := create(t, s, "delegate", nil)
	reset := makeLink(t, s, links.Link{Kind: links.Reset, By: "boss", Account: delegate.ID})
	l := invitation("new@example.org")
	l.By = delegate.ID
	made := makeLink(t, s, l)
	kept := makeLink(t, s, invitation("other@example.org"))
	ctx, cancel := context.WithCancel(t.Context())
	st.cancel.Store(&cancel)
	if _, err := s.Delete(ctx, "delegate", 0, Guarded); err != nil {
		t.Fatal(err)
	}
	create(t, s, "delegate", nil)
	for _, secret := range []string{made, reset} {
		if _, err := s.Links().Look(t.Context(), secret); !errors.Is(err, links.ErrGone) {
			t.Errorf("got %v, want %v", err, links.ErrGone)
		}
	}
	if _, err := s.Links().Look(t.Context(), kept); err != nil {
		t.Errorf("another one's: %v", err)
	}
}

// hasty is a store whose caller goes away after its next change.
type hasty struct {
	state.Store
	cancel atomic.Pointer[context.CancelFunc]
}

func (h *hasty) Apply(ctx context.Context, b state.Batch) (state.Result, error) {
	if cancel := h.cancel.Load(); cancel != nil {
		defer (*cancel)()
	}
	if err := ctx.Err(); err != nil {
		return state.Result{}, err
	}
	return h.Store.Apply(ctx, b)
}

// An invitation that could make no account is refused when it is made.
func TestWhatIsNoInvitation(t *testing.T) {
	s := open(t, memory.New())
	invite := func(change func(*links.Invitation)) links.Link {
		l := invitation("new@example.org")
		change(l.Invitation)
		return l
	}
	for name, c := range map[string]struct {
		field string
		link  links.Link
	}{
		"no e-mail":          {"email", invite(func(i *links.Invitation) { i.Email = "" })},
		"two letters in one": {"email", invite(func(i *links.Invitation) { i.Email = "a@b.c\r\nBcc: d@e.f" })},
		"role":               {"role", invite(func(i *links.Invitation) { i.Role = "king" })},
		"group":              {"groups", invite(func(i *links.Invitation) { i.Groups = []string{"gone"} })},
		"guest of nobody":    {"managed_by", invite(func(i *links.Invitation) { i.Role = policy.RoleGuest })},
		"managed by nobody":  {"managed_by", invite(func(i *links.Invitation) { i.ManagedBy = []string{"gone"} })},
		"expiry":             {"expires", invite(func(i *links.Invitation) { i.Expires = &policy.Expiry{Date: "never"} })},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := s.Links().Make(t.Context(), c.link, links.Bounded)
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
	l := links.Link{Kind: links.Invite, By: boss.ID, Invitation: &links.Invitation{
		Email: "new@example.org", DisplayName: "New", Role: policy.RoleGuest, Groups: []string{staff.ID, gone.ID},
		ManagedBy: []string{boss.ID}, Expires: &policy.Expiry{Date: "2999-01-01"},
	}}
	secret := makeLink(t, s, l)
	if err := s.DeleteGroup(t.Context(), "gone", 0, Guarded); err != nil {
		t.Fatal(err)
	}
	taken, err := s.Links().Take(t.Context(), secret)
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
	if _, err := s.Draft(links.Link{Kind: links.Reset}, "x"); !errors.Is(err, links.ErrGone) {
		t.Errorf("got %v, want %v", err, links.ErrGone)
	}
}
