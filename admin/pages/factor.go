package pages

import (
	"html/template"
	"net/http"
	"slices"
	"strings"
)

// factorView is what the page of the second factor shows.
type factorView struct {
	Factor
	QR template.HTML
	// Open is the URI as a link to an app on the same device.
	Open template.URL
}

// Typed is the secret in groups, as people type it.
func (v factorView) Typed() string {
	var groups []string
	for group := range slices.Chunk([]byte(v.Secret), 4) {
		groups = append(groups, string(group))
	}
	return strings.Join(groups, " ")
}

// recovery is the page that shows recovery codes, once.
type recovery struct{ Codes []string }

func (p *Pages) factor(w http.ResponseWriter, r *http.Request) { p.showFactor(w, r, nil) }

func (p *Pages) showFactor(w http.ResponseWriter, r *http.Request, problem error) {
	f, err := p.Desk.Factor(r)
	v := factorView{Factor: f}
	if err == nil && f.Secret != "" {
		v.Open = template.URL(f.URI) // of the gateway's own making
		v.QR, err = f.code()
	}
	if err != nil {
		problem = err
	}
	p.show(w, r, page{name: "factor", title: "Second factor", data: v, err: problem})
}

func (p *Pages) beginFactor(w http.ResponseWriter, r *http.Request) {
	if err := p.Desk.BeginFactor(w, r, proof(r)); err != nil {
		p.showFactor(w, r, err)
		return
	}
	to(w, r, factorPage)
}

func (p *Pages) confirmFactor(w http.ResponseWriter, r *http.Request) {
	codes, err := p.Desk.ConfirmFactor(w, r, r.PostForm.Get("code"))
	p.showCodes(w, r, codes, err)
}

func (p *Pages) newCodes(w http.ResponseWriter, r *http.Request) {
	codes, err := p.Desk.NewCodes(w, r, proof(r))
	p.showCodes(w, r, codes, err)
}

func (p *Pages) showCodes(w http.ResponseWriter, r *http.Request, codes []string, err error) {
	if err != nil {
		p.showFactor(w, r, err)
		return
	}
	p.show(w, r, page{name: "codes", title: "Your recovery codes", data: recovery{codes}})
}

func (p *Pages) connect(w http.ResponseWriter, r *http.Request) {
	doors, err := p.Desk.Connect(r)
	p.show(w, r, page{name: "connect", title: "How to connect", data: doors, err: err})
}
