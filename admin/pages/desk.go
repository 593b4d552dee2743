package pages

import (
	"errors"
	"html/template"
	"net/http"
	"time"
)

// A Desk does what the pages ask for, under the rules that hold everywhere. It
// sets cookies through w, before the page is written. Its errors are a *Problem
// where a person can do something about them.
type Desk interface {
	// Arrive is asked first about each request, and returns it for what follows. An
	// error ends it: who is logged in cannot be told now.
	Arrive(r *http.Request) (*http.Request, error)
	// Visitor returns who is logged in.
	Visitor(r *http.Request) (Visitor, bool)
	// Login takes a username and a password. ErrCodeNeeded says that both were
	// right, and that Code is to follow.
	Login(w http.ResponseWriter, r *http.Request, username, password string) error
	// Code finishes a login that waits for its code.
	Code(w http.ResponseWriter, r *http.Request, code string) error
	Logout(w http.ResponseWriter, r *http.Request) error

	// MinLength is the shortest password that is taken, in characters.
	MinLength(r *http.Request) int
	// SetPassword changes the visitor's password.
	SetPassword(w http.ResponseWriter, r *http.Request, p Proof, password string) error

	// Factor tells how it stands with the visitor's second factor.
	Factor(r *http.Request) (Factor, error)
	// BeginFactor makes a new secret, which Factor shows until it is confirmed.
	BeginFactor(w http.ResponseWriter, r *http.Request, p Proof) error
	// ConfirmFactor takes the first code, and returns the recovery codes.
	ConfirmFactor(w http.ResponseWriter, r *http.Request, code string) ([]string, error)
	// NewCodes makes new recovery codes in the place of the old ones.
	NewCodes(w http.ResponseWriter, r *http.Request, p Proof) ([]string, error)

	// Connect tells how the visitor connects on each of its doors.
	Connect(r *http.Request) ([]Connection, error)

	// Look tells what a link is for, and uses nothing up.
	Look(r *http.Request, secret string) (Link, error)
	// Accept makes the account of an invitation, and returns its username.
	Accept(r *http.Request, secret string, a Acceptance) (username string, err error)
	// Reset sets the password that a link is for.
	Reset(r *http.Request, secret, password string) error
}

// ErrCodeNeeded says that the password was right and the code is to follow.
var ErrCodeNeeded = errors.New("a code is needed")

// A Problem is what went wrong, for the person at the browser.
type Problem struct {
	Status int
	// Field is the form's field that is wrong, "" where it is none.
	Field string
	Text  string
}

func (p *Problem) Error() string { return p.Text }

// A Visitor is who is logged in.
type Visitor struct {
	Username string
	// Login stands for this login: forms are made for it alone.
	Login string
	// MustChange and MustEnrol say what the visitor is let in for.
	MustChange, MustEnrol bool
	// Fresh says that the login was proved a moment ago; a Proof is asked for otherwise.
	Fresh bool
	// HasFactor says that a code belongs to a proof.
	HasFactor bool
}

// A Proof proves the account once more, for what takes a fresh login.
type Proof struct{ Password, Code string }

// A Factor is how it stands with a second factor.
type Factor struct {
	// On is when it was enrolled; zero: it is not on.
	On time.Time
	// Left is how many recovery codes are left.
	Left int
	// Required says that the account must have one.
	Required bool
	// Secret is what waits for its first code, for typing; URI the same for a QR code.
	Secret, URI string
}

// A Connection is how to connect on one door.
type Connection struct {
	Title string
	// Address is what to put into a program's settings.
	Settings []Setting
	// Commands are ready to paste.
	Commands []Command
	Note     string
}

// A Setting is one line of a program's settings.
type Setting struct{ Name, Value string }

// A Command is a line for a terminal, and what it is for.
type Command struct{ For, Line string }

// A Link is what a secret that was passed on is for.
type Link struct {
	// Invitation says that it makes an account, not a new password.
	Invitation bool
	// Username is the account's; of an invitation, the one that was typed.
	Username string
	By       string
	Email    string
	Groups   []string
	Expires  time.Time
}

// An Acceptance is what somebody fills in who accepts an invitation.
type Acceptance struct{ Username, DisplayName, Password string }

// code is what a template needs to show a QR code.
func (f Factor) code() (template.HTML, error) {
	q, err := QR(f.URI)
	if err != nil {
		return "", err
	}
	return template.HTML(q.SVG()), nil // numbers alone
}
