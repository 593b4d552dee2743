package protocoltest_test

import (
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"

	"gatehouse/admin/pages"
	"gatehouse/policy"
	"gatehouse/storage/accounts/links"
)

// resetLink makes a link to set a new password with.
func (h *house) resetLink(account string) (secret string) {
	h.t.Helper()
	return h.makeLink(links.Link{Kind: links.Reset, Account: account, By: "the test"})
}

// invitation makes a link to make an account with, as whoever runs the machine does.
func (h *house) invitation(i links.Invitation) (secret string) {
	h.t.Helper()
	i.Email = "invited@example.com"
	if i.Role == "" {
		i.Role = policy.RoleUser
	}
	return h.makeLink(links.Link{Kind: links.Invite, Invitation: &i, By: "socket"})
}

func (h *house) makeLink(l links.Link) (secret string) {
	h.t.Helper()
	_, secret, err := h.Accounts.Links().Make(h.t.Context(), l, links.Unbounded)
	if err != nil {
		h.t.Fatal(err)
	}
	return secret
}

// A linkPage is the page of a kind of links, and the heading of what a good one
// leads to.
type linkPage struct{ path, opened string }

var (
	resetting = linkPage{pages.ResetPage, "Set a new password"}
	inviting  = linkPage{pages.InvitationPage, "Your new account"}
)

var hidden = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)

// withLink opens the page that a link is for, as a browser does without script:
// the form is fetched, and sent with what was pasted.
func (h *house) withLink(on listener, to linkPage, c caller) (visit, error) {
	browser := h.web(on, c.from)
	browser.Jar, _ = cookiejar.New(nil) // never fails without options
	page := string(on) + "://localhost" + pages.Prefix + to.path
	status, text, err := answerOf(browser.Get(page))
	if err != nil {
		return nil, err
	}
	if status == http.StatusForbidden {
		return nil, &refusedError{text}
	}
	form := url.Values{"secret": {c.link}}
	for _, field := range hidden.FindAllStringSubmatch(text, -1) {
		form.Set(field[1], field[2])
	}
	status, text, err = answerOf(browser.PostForm(page, form))
	if err != nil {
		return nil, err
	}
	if status == http.StatusOK && strings.Contains(text, to.opened) {
		return apiVisit{}, nil
	}
	return nil, &refusedError{text}
}

// accepting makes the account of an invitation, as a program does.
func (h *house) accepting(c caller) (visit, error) {
	body, err := json.Marshal(map[string]string{"secret": c.link, "username": c.name, "password": "the password of " + c.name})
	if err != nil {
		return nil, err
	}
	return h.call(c, http.MethodPost, "/invitations/accept", string(body))
}
