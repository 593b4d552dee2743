package pages

import (
	"errors"
	"net/http"
	"strings"
)

// pasted is the form that takes a link's secret. Only a script could read it from
// the address's fragment, which browsers keep to themselves; so the person pastes
// it, and a program that follows every link of a mail can use nothing up.
type pasted struct{ Invitation bool }

// opened is the form that follows.
type opened struct {
	Link
	Secret      string
	DisplayName string
}

func isInvitation(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, Prefix+InvitationPage)
}

func (p *Pages) linkForm(w http.ResponseWriter, r *http.Request) { p.showLink(w, r, nil) }

func (p *Pages) showLink(w http.ResponseWriter, r *http.Request, err error) {
	g := page{name: "link", title: "Reset your password", data: pasted{}, err: err}
	if isInvitation(r) {
		g.title, g.data = "Accept your invitation", pasted{Invitation: true}
	}
	p.show(w, r, g)
}

// secretOf finds the secret in what was pasted: itself, or the whole link.
func secretOf(text string) string {
	text = strings.TrimSpace(text)
	if _, fragment, ok := strings.Cut(text, "#"); ok {
		text = fragment
	}
	return strings.Join(strings.Fields(text), "") // mail programs break long lines
}

// openLink looks at a link, and shows the form that is for it.
func (p *Pages) openLink(w http.ResponseWriter, r *http.Request) {
	secret := secretOf(r.PostForm.Get("secret"))
	l, err := p.Desk.Look(r, secret)
	if err != nil {
		p.showLink(w, r, err)
		return
	}
	p.showOpened(w, r, opened{Link: l, Secret: secret}, nil)
}

func (p *Pages) showOpened(w http.ResponseWriter, r *http.Request, form opened, err error) {
	g := page{name: "reset", title: "Set a new password", data: form, err: err}
	if form.Invitation {
		g.name, g.title = "invitation", "Your new account"
	}
	p.show(w, r, g)
}

func (p *Pages) acceptInvitation(w http.ResponseWriter, r *http.Request) {
	a := Acceptance{Username: r.PostForm.Get("username"), DisplayName: r.PostForm.Get("display_name")}
	p.take(w, r, a, func(secret, password string) (message, error) {
		a.Password = password
		name, err := p.Desk.Accept(r, secret, a)
		return message{
			Text: "Your account " + name + " is ready. Log in with the password that you have just set.", Next: homePage, Go: "Log in",
		}, err
	})
}

func (p *Pages) acceptReset(w http.ResponseWriter, r *http.Request) {
	p.take(w, r, Acceptance{}, func(secret, password string) (message, error) {
		return message{
			Text: "Your new password is set. Whoever was logged in with the old one is logged out.", Next: homePage, Go: "Log in",
		}, p.Desk.Reset(r, secret, password)
	})
}

// take uses a link up. A form that is filled in wrongly is shown again, and the
// link stays as good as it was; one that is used up or unknown begins anew.
func (p *Pages) take(w http.ResponseWriter, r *http.Request, a Acceptance, finish func(secret, password string) (message, error)) {
	secret := secretOf(r.PostForm.Get("secret"))
	password, err := newPassword(r)
	done := message{}
	if err == nil {
		done, err = finish(secret, password)
	}
	if err == nil {
		p.say(w, r, "Done", done)
		return
	}
	known, ok := errors.AsType[*Problem](err)
	if !ok || known.Field == "" {
		p.showLink(w, r, err)
		return
	}
	l, unknown := p.Desk.Look(r, secret)
	if unknown != nil {
		p.showLink(w, r, unknown)
		return
	}
	if a.Username != "" {
		l.Username = a.Username
	}
	p.showOpened(w, r, opened{Link: l, Secret: secret, DisplayName: a.DisplayName}, err)
}
