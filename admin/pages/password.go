package pages

import "net/http"

func (p *Pages) passwordForm(w http.ResponseWriter, r *http.Request) { p.showPassword(w, r, nil) }

func (p *Pages) showPassword(w http.ResponseWriter, r *http.Request, err error) {
	p.show(w, r, page{name: "password", title: "Set a new password", err: err})
}

func (p *Pages) setPassword(w http.ResponseWriter, r *http.Request) {
	password, err := newPassword(r)
	if err == nil {
		err = p.Desk.SetPassword(w, r, proof(r), password)
	}
	if err != nil {
		p.showPassword(w, r, err)
		return
	}
	to(w, r, homePage+"?done=password")
}
