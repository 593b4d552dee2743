package pages

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"time"
)

// formCookie carries what a form is bound to before anybody has logged in. The
// __Host- prefix is refused by browsers without TLS.
const formCookie = "gatehouse-form"

// form reads a form within bounds, and refuses one that was not made for this
// browser and login: a page of another site cannot know its token.
func (p *Pages) form(take http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(formTime)) // where there is one
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
		if strings.TrimSpace(kind) != "application/x-www-form-urlencoded" {
			p.refuse(w, r, http.StatusUnsupportedMediaType, "This page takes its own forms alone.")
			return
		}
		if err := r.ParseForm(); err != nil {
			p.refuse(w, r, http.StatusBadRequest, "The form could not be read. Open the page again.")
			return
		}
		if !p.made(r) {
			p.refuse(w, r, http.StatusForbidden,
				"This form is out of date: you have logged in or out since it was opened, or cookies are off. Nothing was changed. Open the page again.")
			return
		}
		take(w, r)
	}
}

// made reports whether the form carries the token of this browser and login.
func (p *Pages) made(r *http.Request) bool {
	binding, ok := p.binding(r)
	return ok && hmac.Equal([]byte(r.PostForm.Get("form")), []byte(p.token(binding)))
}

// binding is what a form is made for: the login or, before one, the browser.
func (p *Pages) binding(r *http.Request) (string, bool) {
	if v, ok := p.Desk.Visitor(r); ok {
		return "login " + v.Login, true
	}
	c, err := r.Cookie(p.formCookie(r))
	if err != nil || c.Value == "" {
		return "", false
	}
	return "browser " + c.Value, true
}

// bind returns the token of a new form, and gives the browser what it is bound to.
func (p *Pages) bind(w http.ResponseWriter, r *http.Request) string {
	binding, ok := p.binding(r)
	if !ok {
		made := rand.Text()
		http.SetCookie(w, &http.Cookie{
			Name: p.formCookie(r), Value: made, Path: "/",
			HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: p.Secure(r),
		})
		binding = "browser " + made
	}
	return p.token(binding)
}

func (p *Pages) token(binding string) string {
	m := hmac.New(sha256.New, p.Key)
	m.Write([]byte(binding))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

func (p *Pages) formCookie(r *http.Request) string {
	if p.Secure(r) {
		return "__Host-" + formCookie
	}
	return formCookie
}

// proof is what a form says to prove the account once more.
func proof(r *http.Request) Proof {
	return Proof{Password: r.PostForm.Get("current"), Code: r.PostForm.Get("code")}
}

// newPassword returns the password of a form that asks for it twice.
func newPassword(r *http.Request) (string, error) {
	first, again := r.PostForm.Get("password"), r.PostForm.Get("again")
	switch {
	case first == "":
		return "", &Problem{Status: http.StatusUnprocessableEntity, Field: "password", Text: "Type a new password."}
	case first != again:
		return "", &Problem{Status: http.StatusUnprocessableEntity, Field: "again", Text: "The two passwords are not the same. Type the new one in both fields."}
	}
	return first, nil
}
