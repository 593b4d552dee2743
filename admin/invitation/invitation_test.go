package invitation_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"gatehouse/admin/admintest"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

func TestManyInvitationsEachWithItsResult(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	c.Must(201, "POST", "/groups", `{"name":"crew"}`)
	body, _ := json.Marshal(map[string]string{"csv": "\ufeffemail,display_name,role,groups,expires\r\n" +
		"a@example.org,\"A, B\",user,crew,2031-02-03\r\n" +
		"no address,,,,\r\n" +
		"c@example.org,,emperor,,\r\n" +
		"d@example.org,,,nobody,\r\n" +
		"e@example.org,,,,\r\n" +
		"f@example.org,,,,2020-01-01\r\n"})
	w := c.Do("POST", "/invitations/bulk", string(body))
	var rows []struct {
		Row, Status  int
		Email, Error string
		Invitation   *struct{ URL string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &rows); err != nil || len(rows) != 6 {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	for i, want := range []int{201, 422, 422, 422, 201, 422} {
		if r := rows[i]; r.Status != want || r.Row != i+2 || (r.Invitation != nil) != (want == 201) || (r.Error == "") != (want == 201) {
			t.Errorf("row %d is %+v", i, r)
		}
	}
	if list := c.Do("GET", "/invitations", "").Body.String(); strings.Count(list, "@example.org") != 2 {
		t.Errorf("the invitations are %s", list)
	}
	for _, bad := range []string{"", "mail\nx@example.org\n", "email,password\nx@example.org,x\n", "email\n\"x\n"} {
		body, _ := json.Marshal(map[string]string{"csv": bad})
		c.Must(422, "POST", "/invitations/bulk", string(body))
	}
}

// Where nobody has said how others reach the gateway, its links are told to be a
// guess, under the name by which the command line tells it.
func TestLinksOfASiteWithoutANameAreWarnedOf(t *testing.T) {
	s := admintest.New(t)
	s.Add("ann")
	make := func(c *admintest.Client) (warned [][]any) {
		for _, ask := range [][2]string{{"/invitations", `{"email":"x@example.org"}`}, {"/accounts/ann/reset-link", ""}} {
			list, _ := c.Must(201, "POST", ask[0], ask[1])["warnings"].([]any)
			warned = append(warned, list)
		}
		return warned
	}
	for _, list := range make(s.Root()) {
		if len(list) != 0 {
			t.Errorf("a site with a name warns of %v", list)
		}
	}
	for _, list := range make(s.Nameless()) {
		if len(list) != 1 || !strings.Contains(list[0].(string), "site_url is not set") {
			t.Errorf("a site without one warns of %v", list)
		}
	}
}

func TestARevokedInvitationIsGoodNoMore(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	made := c.Must(201, "POST", "/invitations", `{"email":"x@example.org"}`)
	_, secret, _ := strings.Cut(made["url"].(string), "#")
	c.Must(200, "DELETE", "/invitations/"+made["id"].(string), "")
	c.Must(404, "DELETE", "/invitations/"+made["id"].(string), "")
	(&admintest.Client{Site: s, TLS: true}).Must(410, "POST", "/invitations/accept", `{"secret":"`+secret+`","username":"x","password":"a long passphrase"}`)
}

func TestAResetLinkIsForOthers(t *testing.T) {
	s := admintest.New(t)
	s.Admin("other")
	root := s.Admin("root")
	s.Add("ann")
	if v := root.Must(201, "POST", "/accounts/ann/reset-link", ""); !strings.Contains(v["url"].(string), "#") {
		t.Errorf("made %v", v)
	}
	root.Must(409, "POST", "/accounts/root/reset-link", "")
	root.Must(404, "POST", "/accounts/nobody/reset-link", "")
	s.Root().Must(200, "PATCH", "/accounts/ann", `{"shared":true}`)
	root.Must(422, "POST", "/accounts/ann/reset-link", "")
}

// Of two who accept the same invitation at once, one does.
func TestAnInvitationIsGoodOnce(t *testing.T) {
	s := admintest.New(t)
	root := s.Admin("root")
	made := root.Must(201, "POST", "/invitations", `{"email":"new@example.org"}`)
	address := made["url"].(string)
	at, secret, ok := strings.Cut(address, "#")
	if !ok || at != "https://files.example.org/account/invitation" || strings.Contains(s.Root().Do("GET", "/invitations", "").Body.String(), secret) {
		t.Errorf("the address is %s", address)
	}
	accept := func(name, password string) int {
		c := &admintest.Client{Site: s, TLS: true}
		return c.Do("POST", "/invitations/accept", admintest.Body("secret", secret, "username", name, "password", password)).Code
	}
	for what, status := range map[string]int{"root": 422, "../x": 422} {
		if got := accept(what, "a wholly new passphrase"); got != status {
			t.Errorf("the name %q is %d, want %d", what, got, status)
		}
	}
	if got := accept("ann", "x"); got != 422 {
		t.Errorf("a short password is %d", got)
	}
	var wg sync.WaitGroup
	codes := make([]int, 8)
	for i := range codes {
		wg.Go(func() { codes[i] = accept("ann"+string(rune('a'+i)), "a wholly new passphrase") })
	}
	wg.Wait()
	count := map[int]int{}
	for _, code := range codes {
		count[code]++
	}
	if count[201] != 1 || count[201]+count[410] != len(codes) {
		t.Errorf("of %d who accept: %v", len(codes), count)
	}
}

// An invitation gives no more than who made it may still give.
func TestAnInvitationOfWhoIsAdministratorNoMore(t *testing.T) {
	s := admintest.New(t)
	s.Admin("other")
	root := s.Admin("root")
	made := root.Must(201, "POST", "/invitations", `{"email":"new@example.org","role":"admin"}`)
	_, secret, _ := strings.Cut(made["url"].(string), "#")
	s.Change("root", func(a *accounts.Account) { a.Role = policy.RoleUser })
	c := &admintest.Client{Site: s, TLS: true}
	if w := c.Do("POST", "/invitations/accept", admintest.Body("secret", secret, "username", "eve", "password", "a wholly new passphrase")); w.Code < 400 {
		t.Errorf("it is accepted: %d %s", w.Code, w.Body)
	}
	if w := s.Root().Do("GET", "/accounts/eve", ""); w.Code != 404 {
		t.Errorf("eve is there: %s", w.Body)
	}
}

// A program sets a password by a reset link as the page does: once, by the same
// rules, and in the trail under the account's name.
func TestAResetLinkIsTakenByPrograms(t *testing.T) {
	s := admintest.New(t)
	root := s.Admin("root")
	ann := s.Add("ann")
	old := s.LoggedIn(ann)
	_, secret, _ := strings.Cut(root.Must(201, "POST", "/accounts/ann/reset-link", "")["url"].(string), "#")
	c := &admintest.Client{Site: s, TLS: true}
	const password = "a wholly new passphrase"
	ask := func(secret, password string) string { return admintest.Body("secret", secret, "password", password) }
	c.Must(410, "POST", "/reset-links/accept", ask("nonsense", password))
	c.Must(422, "POST", "/reset-links/accept", ask(secret, "x"))
	c.Must(422, "POST", "/reset-links/accept", ask(secret, ann.Password))
	if v := c.Must(200, "POST", "/reset-links/accept", ask(secret, password)); v["username"] != "ann" {
		t.Errorf("answered %v", v)
	}
	c.Must(410, "POST", "/reset-links/accept", ask(secret, "another new passphrase"))
	c.Must(401, "POST", "/login", admintest.Body("username", "ann", "password", ann.Password))
	c.Must(200, "POST", "/login", admintest.Body("username", "ann", "password", password))
	old.Must(401, "GET", "/me", "")
	if text := s.Root().Do("GET", "/events?kind=account.password", "").Body.String(); !strings.Contains(text, "ann (reset link)") || strings.Contains(text, secret) {
		t.Errorf("the events are %s", text)
	}
}

// An invitation's secret resets nothing, and a reset link makes no account.
func TestALinkIsForOneThing(t *testing.T) {
	s := admintest.New(t)
	root := s.Root()
	s.Add("ann")
	_, invitation, _ := strings.Cut(root.Must(201, "POST", "/invitations", `{"email":"x@example.org"}`)["url"].(string), "#")
	_, reset, _ := strings.Cut(root.Must(201, "POST", "/accounts/ann/reset-link", "")["url"].(string), "#")
	c := &admintest.Client{Site: s, TLS: true}
	c.Must(410, "POST", "/reset-links/accept", admintest.Body("secret", invitation, "password", "a wholly new passphrase"))
	c.Must(410, "POST", "/invitations/accept", admintest.Body("secret", reset, "username", "eve", "password", "a wholly new passphrase"))
}

// A link that was put aside must not undo a password that was set since, and who
// comes with it is told why it is good no more.
func TestANewPasswordEndsEarlierLinks(t *testing.T) {
	s := admintest.New(t)
	root := s.Admin("root")
	ann := s.Add("ann")
	link := func() string {
		_, secret, _ := strings.Cut(root.Must(201, "POST", "/accounts/ann/reset-link", "")["url"].(string), "#")
		return secret
	}
	const second, third = "a wholly new passphrase", "another new passphrase"
	for what, set := range map[string]func(){
		"their own": func() {
			s.LoggedIn(ann).Must(200, "PUT", "/me/password", admintest.Body("current", ann.Password, "new", second))
			ann.Password = second
		},
		"an administrator's": func() {
			root.Must(200, "PUT", "/accounts/ann/password", admintest.Body("password", third))
			ann.Password = third
		},
	} {
		secret := link()
		set()
		c := &admintest.Client{Site: s, TLS: true}
		w := c.Do("POST", "/reset-links/accept", admintest.Body("secret", secret, "password", "what an intruder wants"))
		if w.Code != 410 || !strings.Contains(w.Body.String(), "password was set anew") {
			t.Errorf("after %s: %d %s", what, w.Code, w.Body)
		}
		s.LoggedIn(ann)
	}
}
