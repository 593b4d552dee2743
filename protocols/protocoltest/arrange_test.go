package protocoltest_test

import (
	"crypto/rand"
	"fmt"
	"time"

	"gatehouse/policy"
	"gatehouse/protocols/protocoltest"
	"gatehouse/storage/accounts"
	"gatehouse/storage/accounts/links"
)

func rndText() string { return rand.Text() }

// abandon makes a guest of an account, whose only manager is disabled.
func (h *house) abandon(g *guest) error {
	m := h.Add("manager of " + g.name)
	if g.by == byInvitation {
		g.link = h.invitation(links.Invitation{Role: policy.RoleGuest, ManagedBy: []string{m.ID}})
		h.Disable(m.Name)
		return nil
	}
	h.Change(g.name, func(a *accounts.Account) { a.Role, a.ManagedBy = policy.RoleGuest, []string{m.ID} })
	h.Disable(m.Name)
	return nil
}

// spoil has the guest come with something that is not the account's.
func (h *house) spoil(g *guest) error {
	switch g.by {
	case byKey, byKeyAndCode:
		g.key = protocoltest.NewKey(h.t)
	case byCertificate:
		g.key = protocoltest.Certify(h.t, protocoltest.NewKey(h.t), g.name, nil) // of another authority
	case byToken:
		g.token = g.token[:len(g.token)-8] + "aaaaaaaa"
	case byLink, byInvitation:
		g.link = g.link[:len(g.link)-8] + "aaaaaaaa"
	case byApp, byClient:
		g.password = g.password[:len(g.password)-8] + "aaaaaaaa"
	default:
		g.password = "wrong " + rndText()
	}
	return nil
}

// use has the guest's link do what it is for, once.
func (h *house) use(g *guest) error {
	_, err := h.Accounts.Links().Take(h.t.Context(), g.link)
	return err
}

// expire ends the time of an account, or of the one that an invitation will make.
func (h *house) expire(g *guest) {
	ended := &policy.Expiry{Instant: past}
	if g.by == byInvitation {
		g.link = h.invitation(links.Invitation{Expires: ended})
		return
	}
	h.Change(g.name, func(a *accounts.Account) { a.Expires = ended })
}

// age has the password and what is shown once be of long ago.
func (h *house) age(g *guest) error {
	h.Change(g.name, func(a *accounts.Account) {
		a.Password.Changed = time.Now().Add(-48 * time.Hour)
		for i := range a.Credentials {
			a.Credentials[i].Expires = &past
		}
	})
	return nil
}

// forget has the guest come without its code, or with one that is none.
func (h *house) forget(g *guest) error {
	switch g.by {
	case byCode, byKeyAndCode:
		right := g.codes
		g.codes = func() string { return fmt.Sprintf("%06d", (number(right())+1)%1_000_000) }
		return nil
	}
	h.Enrol(g.name)
	g.code = ""
	return nil
}

func number(code string) (n int) {
	_, _ = fmt.Sscanf(code, "%d", &n)
	return n
}

// unenrol takes the second factor of who has one.
func (h *house) unenrol(g *guest) error {
	if g.by != byCode && g.by != byKeyAndCode {
		return nil
	}
	_, err := h.Accounts.RemoveTOTP(h.t.Context(), g.name, 0, accounts.Forced)
	return err
}
