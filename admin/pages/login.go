package pages

import (
	"errors"
	"net/http"
	"slices"
)

// signIn is what the login form shows again.
type signIn struct{ Username, Next string }

// next returns where a form goes on, of the pages that may be named.
func next(name string) string {
	if slices.Contains([]string{connectPage, passwordPage, factorPage}, name) {
		return name
	}
	return homePage
}

// home is what there is to do here, or the way in.
func (p *Pages) home(w http.ResponseWriter, r *http.Request) {
	v, ok := p.Desk.Visitor(r)
	if !ok {
		p.loginForm(w, r, signIn{Next: r.URL.Query().Get("next")}, nil)
		return
	}
	if due := v.due(); due != "" {
		to(w, r, due)
		return
	}
	done := ""
	if r.URL.Query().Get("done") == "password" {
		done = "Your new password is set."
	}
	p.show(w, r, page{name: "home", title: "Your account", data: done})
}

// due is the page that a visitor must go to first, "" where there is none.
func (v Visitor) due() string {
	switch {
	case v.MustChange:
		return passwordPage
	case v.MustEnrol:
		return factorPage
	}
	return ""
}

func (p *Pages) loginForm(w http.ResponseWriter, r *http.Request, form signIn, err error) {
	p.show(w, r, page{name: "login", title: "Log in", data: form, err: err})
}

func (p *Pages) codeForm(w http.ResponseWriter, r *http.Request, form signIn, err error) {
	p.show(w, r, page{name: "code", title: "Enter your code", data: form, err: err})
}

func (p *Pages) login(w http.ResponseWriter, r *http.Request) {
	form := signIn{Username: r.PostForm.Get("username"), Next: r.PostForm.Get("next")}
	err := p.Desk.Login(w, r, form.Username, r.PostForm.Get("password"))
	switch {
	case errors.Is(err, ErrCodeNeeded):
		p.codeForm(w, r, form, nil)
	case err != nil:
		p.loginForm(w, r, form, err)
	default:
		to(w, r, next(form.Next))
	}
}

// code takes the second step. After a wrong code another may be tried.
func (p *Pages) code(w http.ResponseWriter, r *http.Request) {
	form := signIn{Next: r.PostForm.Get("next")}
	err := p.Desk.Code(w, r, r.PostForm.Get("code"))
	known, ok := errors.AsType[*Problem](err)
	switch {
	case ok && known.Field == "code":
		p.codeForm(w, r, form, err)
	case err != nil:
		p.loginForm(w, r, form, err)
	default:
		to(w, r, next(form.Next))
	}
}

func (p *Pages) logout(w http.ResponseWriter, r *http.Request) {
	if err := p.Desk.Logout(w, r); err != nil {
		p.show(w, r, page{name: "message", title: "Log out", data: message{}, err: err})
		return
	}
	to(w, r, homePage)
}

// signedIn lets a page be seen by who is logged in, and by who must do something
// else first only where that is this page.
func (p *Pages) signedIn(show http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, ok := p.Desk.Visitor(r)
		if !ok {
			to(w, r, homePage+"?next="+pageOf(r))
			return
		}
		if due := v.due(); due != "" && due != pageOf(r) {
			to(w, r, due)
			return
		}
		show(w, r)
	}
}

// pageOf is the page that a request is about: a form's own address stands below
// its page's.
func pageOf(r *http.Request) string {
	for _, name := range []string{connectPage, passwordPage, factorPage} {
		if at := Prefix + name; r.URL.Path == at || len(r.URL.Path) > len(at) && r.URL.Path[:len(at)+1] == at+"/" {
			return name
		}
	}
	return homePage
}
