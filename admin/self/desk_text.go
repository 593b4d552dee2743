package self

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/pages"
	"gatehouse/auth"
)

// formFields are the API's fields that a form has: under which name, and what a
// person calls them.
var formFields = map[string]struct{ form, called string }{
	"password":     {"password", "The password"},
	"new":          {"password", "The password"},
	"code":         {"code", "The code"},
	"username":     {"username", "The username"},
	"display_name": {"display_name", "The name"},
}

// problem is what a person is told of an error: of what the API would say, the
// part that is about a field of the form, else all of it.
func (d *desk) problem(err error) error {
	if err == nil {
		return nil
	}
	if refused, ok := errors.AsType[*auth.RefusedError](err); ok {
		return &pages.Problem{Status: http.StatusForbidden,
			Text: "This was refused. Check what you typed; if it is right, tell your administrator this reference: " + refused.Reference + "."}
	}
	if _, ok := errors.AsType[*auth.CodeNeededError](err); ok {
		return &pages.Problem{Status: http.StatusForbidden, Field: "code", Text: "Type the code of your app, too."}
	}
	known, ok := errors.AsType[*huma.ErrorModel](d.api.Problem(err))
	if !ok {
		return err
	}
	p := &pages.Problem{Status: known.Status, Text: sentence(known.Detail)}
	if p.Status == http.StatusUnauthorized {
		p.Status = http.StatusForbidden // there is no scheme that a browser could answer with
	}
	for _, detail := range known.Errors {
		field := strings.TrimPrefix(detail.Location, "body.")
		p.Text = sentence(field + " " + detail.Message)
		if f, ok := formFields[field]; ok {
			p.Field, p.Text = f.form, sentence(f.called+" "+detail.Message)
		}
	}
	return p
}

// sentence writes a text as people expect it.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + strings.TrimRight(text[size:], ".") + "."
}

// connection is how the page shows a door.
func connection(v ConnectView) pages.Connection {
	c := pages.Connection{Title: v.Title, Note: v.Note, Settings: []pages.Setting{
		{Name: "Address", Value: v.URL}, {Name: "Server", Value: v.Host}, {Name: "Port", Value: strconv.Itoa(v.Port)},
		{Name: "Username", Value: v.Username}, {Name: "Encryption", Value: v.Security},
	}}
	for _, key := range v.HostKeys {
		c.Settings = append(c.Settings, pages.Setting{Name: "Host key fingerprint", Value: key})
	}
	for _, line := range v.Commands {
		c.Commands = append(c.Commands, pages.Command(line))
	}
	return c
}
