// Package pages is /account/: server-rendered pages without any script, for what
// an account must be able to do whichever doors it may use: accept an invitation,
// set a new password, enrol a second factor, and see how to connect. What the
// pages ask for is done by a Desk; they decide nothing themselves.
package pages

import (
	"crypto/rand"
	"embed"
	"log/slog"
	"net/http"
	"time"
)

// Prefix is where the pages stand.
const Prefix = "/account"

// Addresses of the pages, below Prefix.
const (
	homePage     = "/"
	passwordPage = "/password"
	factorPage   = "/second-factor"
	connectPage  = "/connect"
	codePage     = "/code"
	stylePath    = "/style.css"
	// InvitationPage and ResetPage take the secret that a link carries in its fragment.
	InvitationPage = "/invitation"
	ResetPage      = "/reset"
)

// Bounds of a form.
const (
	maxForm  = 64 << 10
	formTime = 30 * time.Second
)

//go:embed style.css
var style embed.FS

// Config is what the pages are made of.
type Config struct {
	Desk Desk
	Log  *slog.Logger
	// KnownHost reports whether the pages answer under a name.
	KnownHost func(host string) bool
	// Overheard reports whether others can have read a request on its way, and the
	// reference of the refusal.
	Overheard func(*http.Request) (reference string, clear bool)
	// Secure reports whether the browser speaks TLS, which decides on the cookie's name.
	Secure func(*http.Request) bool
	// Key makes the tokens of forms, the same on every node. Empty takes a random
	// one: forms that are open at a restart are then opened anew.
	Key []byte
}

// Pages answers people with a browser. Safe for concurrent use.
type Pages struct {
	Config
}

// New makes the pages.
func New(c Config) *Pages {
	if len(c.Key) == 0 {
		c.Key = []byte(rand.Text())
	}
	return &Pages{Config: c}
}

// Handler answers everything below Prefix.
func (p *Pages) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Prefix+stylePath, p.style)
	for page, show := range map[string]http.HandlerFunc{
		"/{$}": p.home, passwordPage: p.signedIn(p.passwordForm), factorPage: p.signedIn(p.factor), connectPage: p.signedIn(p.connect),
		InvitationPage: p.linkForm, ResetPage: p.linkForm,
	} {
		mux.HandleFunc("GET "+Prefix+page, show)
	}
	for page, take := range map[string]http.HandlerFunc{
		"/login": p.login, codePage: p.code, "/logout": p.logout,
		passwordPage: p.signedIn(p.setPassword), factorPage: p.signedIn(p.beginFactor),
		factorPage + "/confirm": p.signedIn(p.confirmFactor), factorPage + "/codes": p.signedIn(p.newCodes),
		InvitationPage: p.openLink, ResetPage: p.openLink,
		InvitationPage + "/accept": p.acceptInvitation, ResetPage + "/accept": p.acceptReset,
	} {
		mux.HandleFunc("POST "+Prefix+page, p.form(take))
	}
	mux.HandleFunc(Prefix+"/", p.nothing)
	mux.Handle(Prefix, http.RedirectHandler(Prefix+"/", http.StatusSeeOther))
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.refuse(w, r, http.StatusForbidden, "This form came from another site, and was not looked at. Open the page here and try again.")
	}))
	return p.guarded(protection.Handler(p.arriving(mux)))
}

// arriving looks for who is logged in before anything else is done.
func (p *Pages) arriving(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == Prefix+stylePath {
			next.ServeHTTP(w, r)
			return
		}
		known, err := p.Desk.Arrive(r)
		if err != nil {
			why := p.problem(err)
			p.refuse(w, r, why.Status, why.Text)
			return
		}
		next.ServeHTTP(w, known)
	})
}

// guarded refuses names that are not the gateway's and clear HTTP before a
// password or a cookie is looked at, and sets the headers of every answer.
func (p *Pages) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		// With no-referrer browsers would send no origin with a form either.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if !p.KnownHost(r.Host) {
			p.refuse(w, r, http.StatusMisdirectedRequest, "This gateway does not answer under that name. Its administrator sets site_url and hosts.")
			return
		}
		if reference, clear := p.Overheard(r); clear {
			p.refuse(w, r, http.StatusForbidden, "This server takes passwords over an encrypted connection only: open the same address with https"+reference+".")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (p *Pages) style(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "public, max-age=300")
	http.ServeFileFS(w, r, style, "style.css")
}

func (p *Pages) nothing(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		p.refuse(w, r, http.StatusMethodNotAllowed, "This address takes no such request.")
		return
	}
	p.refuse(w, r, http.StatusNotFound, "There is no page at this address.")
}

// to sends the browser on to another page.
func to(w http.ResponseWriter, r *http.Request, page string) {
	http.Redirect(w, r, Prefix+page, http.StatusSeeOther)
}
