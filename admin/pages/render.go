package pages

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

//go:embed templates/*.html
var sources embed.FS

// templates are the pages by name, each within the layout.
var templates = parse()

func parse() map[string]*template.Template {
	layout := template.Must(template.ParseFS(sources, "templates/layout.html"))
	names, err := fs.Glob(sources, "templates/*.html")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	all := map[string]*template.Template{}
	for _, file := range names {
		name := strings.TrimSuffix(path.Base(file), ".html")
		if name != "layout" {
			all[name] = template.Must(template.Must(layout.Clone()).ParseFS(sources, file))
		}
	}
	return all
}

// A view is what a page is made of.
type view struct {
	Title   string
	Prefix  string
	Token   string // of the forms
	Visitor *Visitor
	// MinLength is that of a new password.
	MinLength int
	// Problem stands above the form, and beside the field it is about.
	Problem *Problem
	Data    any
}

// Why returns what is wrong with a field, "" where nothing is.
func (v view) Why(field string) string {
	if v.Problem == nil || v.Problem.Field != field {
		return ""
	}
	return v.Problem.Text
}

// AsksProof reports whether a form must prove the account once more.
func (v view) AsksProof() bool { return v.Visitor != nil && !v.Visitor.Fresh }

// page is what show needs to know of a page.
type page struct {
	name, title string
	status      int
	err         error
	data        any
}

// show writes a page, with the problem that err is.
func (p *Pages) show(w http.ResponseWriter, r *http.Request, g page) {
	v := view{Title: g.title, Prefix: Prefix, Token: p.bind(w, r), MinLength: p.Desk.MinLength(r), Data: g.data}
	if visitor, ok := p.Desk.Visitor(r); ok {
		v.Visitor = &visitor
	}
	if g.status == 0 {
		g.status = http.StatusOK
	}
	if g.err != nil {
		v.Problem = p.problem(g.err)
		g.status = v.Problem.Status
	}
	p.write(w, g, v)
}

// problem is what a person is told of an error.
func (p *Pages) problem(err error) *Problem {
	if known, ok := errors.AsType[*Problem](err); ok {
		return known
	}
	p.Log.Error("an account page failed", "error", err)
	return &Problem{Status: http.StatusInternalServerError, Text: "This did not work, and it is not your fault. Try again; if it stays so, tell your administrator."}
}

// refuse answers what comes to no page.
func (p *Pages) refuse(w http.ResponseWriter, _ *http.Request, status int, text string) {
	g := page{name: "message", title: http.StatusText(status), status: status, data: message{Text: text}}
	p.write(w, g, view{Title: g.title, Prefix: Prefix, Data: g.data})
}

// write renders a page as a whole before anything is sent of it.
func (p *Pages) write(w http.ResponseWriter, g page, v view) {
	var b bytes.Buffer
	if err := templates[g.name].ExecuteTemplate(&b, "layout", v); err != nil {
		p.Log.Error("an account page could not be made", "page", g.name, "error", err)
		http.Error(w, "This page could not be made.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if g.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	w.WriteHeader(g.status)
	_, _ = w.Write(b.Bytes()) // what fails is the browser's connection
}

// message is a page that only says something.
type message struct {
	Text string
	// Next is where to go on, below Prefix, and Go what the link says.
	Next, Go string
}

// say shows a message.
func (p *Pages) say(w http.ResponseWriter, r *http.Request, title string, m message) {
	p.show(w, r, page{name: "message", title: title, data: m})
}
