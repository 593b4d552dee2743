package admin_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/policy"
	"gatehouse/protocols/protocoltest"
	"gatehouse/storage/accounts"
)

// loggedIn returns a browser that has logged in.
func (s *site) loggedIn(p protocoltest.Person) *client {
	s.t.Helper()
	c := &client{site: s, tls: true}
	c.must(200, "POST", "/login", body("username", p.Name, "password", p.Password))
	return c
}

// body writes a JSON object of texts.
func body(pairs ...string) string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	text, _ := json.Marshal(m)
	return string(text)
}

// token makes an API token for an account and returns a program that has it.
func (s *site) token(name string, change func(*accounts.Credential)) (*client, accounts.Credential) {
	s.t.Helper()
	c := accounts.Credential{Kind: policy.KindToken, Name: "a token"}
	if change != nil {
		change(&c)
	}
	made, text, err := s.Accounts.AddCredential(s.t.Context(), name, c, accounts.Forced)
	if err != nil {
		s.t.Fatal(err)
	}
	return &client{site: s, tls: true, header: http.Header{"Authorization": {"Bearer " + text}}}, made
}

// totp is what an authenticator app shows (RFC 6238).
func totp(t *testing.T, secret string, at time.Time) string {
	t.Helper()
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	if err != nil {
		t.Fatal(err)
	}
	m := hmac.New(sha1.New, key)
	m.Write(binary.BigEndian.AppendUint64(nil, uint64(at.Unix())/30))
	sum := m.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[len(sum)-1]&0xf:])&0x7fffffff%1_000_000)
}

// Who finds a browser open must not be able to take the account over: whatever
// it is proved with changes only after a proof of the last minutes.
func TestCredentialsChangeOnlyAfterAFreshProof(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		ann := s.Add("ann")
		c := s.loggedIn(ann)
		key := body("key", authorized(protocoltest.NewKey(t)))
		c.must(201, "POST", "/me/keys", key)
		time.Sleep(11 * time.Minute)
		for _, op := range []struct{ method, path, body string }{
			{"POST", "/me/keys", body("key", authorized(protocoltest.NewKey(t)))},
			{"DELETE", "/me/keys/" + s.keyOf("ann"), ""},
			{"POST", "/me/app-passwords", `{"name":"x"}`},
			{"POST", "/me/tokens", `{"name":"x"}`},
			{"POST", "/me/clients", `{"name":"x","device":{"computer":"x"}}`},
			{"POST", "/me/totp", ""},
			{"POST", "/me/totp/confirm", `{"code":"123456"}`},
			{"DELETE", "/me/totp", ""},
			{"POST", "/me/recovery-codes", ""},
			{"PUT", "/me/password", `{"new":"a wholly new passphrase"}`},
			{"PATCH", "/me/profile", `{"email":"eve@example.org"}`},
			{"PATCH", "/me/profile", `{"recovery_email":"eve@example.org"}`},
		} {
			w := c.do(op.method, op.path, op.body)
			if w.Code != 403 || !strings.Contains(w.Body.String(), "/login/step-up") {
				t.Errorf("%s %s is %d: %s", op.method, op.path, w.Code, w.Body)
			}
		}
		c.must(200, "PATCH", "/me/profile", `{"language":"de","theme":"dark"}`)
		c.must(401, "POST", "/login/step-up", body("password", "a wrong one"))
		before := c.cookie
		c.must(200, "POST", "/login/step-up", body("password", ann.Password))
		if c.cookie.Value == before.Value {
			t.Error("the cookie stays at step-up")
		}
		c.must(201, "POST", "/me/tokens", `{"name":"x"}`)
		thief := &client{site: s, tls: true, cookie: before}
		thief.must(401, "GET", "/me", "")
	})
}

// keyOf is the id of an account's first key.
func (s *site) keyOf(name string) string {
	x, err := s.Accounts.Account(s.t.Context(), name)
	if err != nil {
		s.t.Fatal(err)
	}
	return x.Keys[0].ID
}

// A token that leaks must not be able to make itself one that stays, nor to lock
// its owner out.
func TestATokenMakesNoCredential(t *testing.T) {
	s := newSite(t)
	s.admin("other")
	root := s.Add("root", func(a *accounts.Account) { a.Role = policy.RoleAdmin })
	c, _ := s.token("root", nil)
	c.must(200, "GET", "/accounts", "")
	c.cookie = s.loggedIn(root).cookie // which a token makes the API ignore
	for _, op := range []struct{ method, path, body string }{
		{"POST", "/me/keys", body("key", authorized(protocoltest.NewKey(t)))},
		{"DELETE", "/me/keys/" + s.keyOf("root"), ""},
		{"POST", "/me/app-passwords", `{"name":"x"}`},
		{"POST", "/me/tokens", `{"name":"x"}`},
		{"POST", "/me/clients", `{"name":"x","device":{"computer":"x"}}`},
		{"POST", "/me/totp", ""},
		{"DELETE", "/me/totp", ""},
		{"POST", "/me/recovery-codes", ""},
		{"PUT", "/me/password", body("current", root.Password, "new", "a wholly new passphrase")},
		{"PATCH", "/me/profile", `{"email":"eve@example.org"}`},
		{"POST", "/login/step-up", body("password", root.Password)},
		{"POST", "/accounts/root/keys", body("key", authorized(protocoltest.NewKey(t)))},
		{"POST", "/accounts/root/app-passwords", `{"name":"x"}`},
		{"POST", "/accounts/root/tokens", `{"name":"x"}`},
		{"PUT", "/accounts/root/password", body("password", "a wholly new passphrase")},
		{"POST", "/accounts/root/reset-link", ""},
		{"PATCH", "/accounts/root", `{"email":"eve@example.org"}`},
	} {
		if w := c.do(op.method, op.path, op.body); w.Code != 403 && w.Code != 409 {
			t.Errorf("%s %s is %d: %s", op.method, op.path, w.Code, w.Body)
		}
	}
	s.loggedIn(root)
}

// A token is worth what its account is worth now, and no more than it was made for.
func TestATokenIsNoMoreThanItsAccount(t *testing.T) {
	s := newSite(t)
	s.admin("other")
	s.Add("user")
	s.Add("root", func(a *accounts.Account) { a.Role = policy.RoleAdmin })
	users, _ := s.token("user", nil)
	users.must(200, "GET", "/me", "")
	users.must(403, "GET", "/accounts", "")

	reads, made := s.token("root", func(c *accounts.Credential) { c.Scope.ReadOnly = true })
	writes, _ := s.token("root", nil)
	reads.must(200, "GET", "/accounts", "")
	reads.must(403, "POST", "/accounts", `{"username":"eve"}`)
	reads.must(403, "PATCH", "/site", `{"language":"de"}`)
	writes.must(200, "PATCH", "/site", `{"language":"de"}`)

	elsewhere, _ := s.token("root", func(c *accounts.Credential) { c.AllowedIPs = []string{"198.51.100.0/24"} })
	elsewhere.must(401, "GET", "/accounts", "")
	soon := time.Now().Add(time.Hour)
	late, id := s.token("root", func(c *accounts.Credential) { c.Expires = &soon })
	late.must(200, "GET", "/accounts", "")
	gone := time.Now().Add(-time.Second)
	if _, err := s.Accounts.UpdateCredential(t.Context(), "root", id.ID, func(c *accounts.Credential) error { c.Expires = &gone; return nil }, accounts.Forced); err != nil {
		t.Fatal(err)
	}
	late.must(401, "GET", "/accounts", "")

	if _, err := s.Accounts.UpdateCredential(t.Context(), "root", made.ID, func(c *accounts.Credential) error { c.Scope.ReadOnly = false; return nil }, accounts.Forced); err != nil {
		t.Fatal(err)
	}
	reads.must(200, "PATCH", "/site", `{"language":"en"}`)
	s.Change("root", func(a *accounts.Account) { a.Role = policy.RoleUser })
	writes.must(403, "GET", "/accounts", "")
	writes.must(403, "PATCH", "/site", `{"language":"fr"}`)
	writes.must(200, "GET", "/me", "")
	s.Change("root", func(a *accounts.Account) { a.Protocols = []policy.Door{policy.SFTP, policy.Web} })
	writes.must(401, "GET", "/me", "")
	s.Change("root", func(a *accounts.Account) { a.Protocols = nil })
	if _, err := s.Accounts.RemoveCredential(t.Context(), "root", made.ID, accounts.Forced); err != nil {
		t.Fatal(err)
	}
	reads.must(401, "GET", "/me", "")
	s.Disable("root")
	writes.must(401, "GET", "/me", "")
}

// An app password is for files alone, and a token is read from one place only.
func TestWhatIsNoToken(t *testing.T) {
	s := newSite(t)
	ann := s.Add("ann")
	_, secret, err := s.Accounts.AddCredential(t.Context(), "ann", accounts.Credential{Kind: policy.KindAppPassword, Name: "phone"}, accounts.Forced)
	if err != nil {
		t.Fatal(err)
	}
	good, _ := s.token("ann", nil)
	bearer := good.header.Get("Authorization")
	for name, header := range map[string]http.Header{
		"an app password": {"Authorization": {"Bearer " + secret}},
		"a password":      {"Authorization": {"Bearer " + ann.Password}},
		"nothing":         {"Authorization": {"Bearer "}},
		"Basic":           {"Authorization": {"Basic " + strings.TrimPrefix(bearer, "Bearer ")}},
		"cut short":       {"Authorization": {bearer[:len(bearer)-1]}},
	} {
		c := &client{site: s, tls: true, header: header}
		if w := c.do("GET", "/me", ""); w.Code != 401 {
			t.Errorf("%s is %d: %s", name, w.Code, w.Body)
		}
	}
	c := &client{site: s, tls: true, header: http.Header{"Authorization": {bearer, bearer}}}
	c.must(400, "GET", "/me", "")
	c = &client{site: s, tls: true}
	c.must(401, "GET", "/me", "")
	good.header.Set("Authorization", "bearer "+strings.TrimPrefix(bearer, "Bearer "))
	good.must(200, "GET", "/me", "")
}

// That an account has a second factor is told to nobody who has not its password.
func TestALoginWithACode(t *testing.T) {
	s := newSite(t)
	ann := s.Add("ann")
	c := s.loggedIn(ann)
	begun := c.must(200, "POST", "/me/totp", "")
	secret := begun["secret"].(string)
	if uri := begun["uri"].(string); !strings.HasPrefix(uri, "otpauth://totp/") || !strings.Contains(uri, secret) || begun["qr_png"] == "" || !strings.HasPrefix(begun["qr_svg"].(string), "<svg") {
		t.Errorf("begun %v", begun)
	}
	s.loggedIn(ann) // it does not count before it is confirmed
	c.must(422, "POST", "/me/totp/confirm", `{"code":"000000"}`)
	before := c.cookie.Value
	codes := c.must(200, "POST", "/me/totp/confirm", body("code", totp(t, secret, time.Now())))["recovery_codes"].([]any)
	if len(codes) != 10 || c.cookie.Value == before {
		t.Errorf("confirmed with %d codes, a new cookie: %v", len(codes), c.cookie.Value != before)
	}
	again := &client{site: s, tls: true}
	w := again.do("POST", "/login", body("username", "ann", "password", ann.Password))
	if w.Code != 401 || !strings.Contains(w.Body.String(), "body.code") || again.cookie != nil {
		t.Errorf("without a code the answer is %d: %s", w.Code, w.Body)
	}
	for name, b := range map[string]string{
		"a wrong password":             body("username", "ann", "password", "wrong"),
		"a wrong password with a code": body("username", "ann", "password", "wrong", "code", codes[1].(string)),
	} {
		if w := again.do("POST", "/login", b); w.Code != 401 || strings.Contains(w.Body.String(), "code") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	first := body("username", "ann", "password", ann.Password, "code", codes[0].(string))
	again.must(200, "POST", "/login", first)
	(&client{site: s, tls: true}).must(401, "POST", "/login", first)
	if left := again.must(200, "GET", "/me/recovery-codes", "")["left"]; left != 9.0 {
		t.Errorf("%v codes are left", left)
	}
	again.must(401, "POST", "/login/step-up", body("password", ann.Password))
	again.must(200, "POST", "/login/step-up", body("password", ann.Password, "code", codes[1].(string)))
	again.must(200, "POST", "/me/recovery-codes", "")
	(&client{site: s, tls: true}).must(401, "POST", "/login", body("username", "ann", "password", ann.Password, "code", codes[2].(string)))
	if w := again.do("DELETE", "/me/totp", ""); w.Code >= 300 {
		t.Errorf("it cannot be turned off: %d %s", w.Code, w.Body)
	}
	s.loggedIn(ann)
}

// Where a second factor is demanded and there is none, a login is good for
// enrolling and for nothing else.
func TestALoginThatMustEnrol(t *testing.T) {
	s := newSite(t)
	ann := s.Add("ann", func(a *accounts.Account) { a.Role = policy.RoleAdmin })
	s.Change("ann", func(a *accounts.Account) { a.SecondFactor.Required = policy.Allow })
	c := &client{site: s, tls: true}
	if got := c.must(200, "POST", "/login", body("username", "ann", "password", ann.Password)); got["must_enrol"] != true {
		t.Fatalf("logged in %v", got)
	}
	for _, path := range []string{"/accounts", "/me/keys", "/me/connect", "/me/tokens", "/site"} {
		if w := c.do("GET", path, ""); w.Code != 403 || !strings.Contains(w.Body.String(), "/me/totp") {
			t.Errorf("%s is %d: %s", path, w.Code, w.Body)
		}
	}
	secret := c.must(200, "POST", "/me/totp", "")["secret"].(string)
	c.must(200, "POST", "/me/totp/confirm", body("code", totp(t, secret, time.Now())))
	c.must(200, "GET", "/accounts", "")
	if w := c.do("DELETE", "/me/totp", ""); w.Code != 403 {
		t.Errorf("what is demanded can be turned off: %d", w.Code)
	}
}

// A new password ends what others are logged in with, and the cookie that was known.
func TestANewPasswordEndsTheOtherLogins(t *testing.T) {
	s := newSite(t)
	ann := s.Add("ann")
	elsewhere, c := s.loggedIn(ann), s.loggedIn(ann)
	before := c.cookie
	c.must(422, "PUT", "/me/password", body("new", ann.Password))
	c.must(401, "PUT", "/me/password", body("current", "wrong", "new", "a wholly new passphrase"))
	c.must(422, "PUT", "/me/password", body("current", ann.Password, "new", "short"))
	c.must(200, "PUT", "/me/password", body("current", ann.Password, "new", "a wholly new passphrase"))
	c.must(200, "GET", "/me", "")
	elsewhere.must(401, "GET", "/me", "")
	(&client{site: s, tls: true, cookie: before}).must(401, "GET", "/me", "")
}
