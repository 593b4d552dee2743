package self_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/admin/admintest"
	"gatehouse/policy"
	"gatehouse/protocols/protocoltest"
	"gatehouse/storage/accounts"
)

// Who finds a browser open must not be able to take the account over: whatever
// it is proved with changes only after a proof of the last minutes.
func TestCredentialsChangeOnlyAfterAFreshProof(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := admintest.New(t)
		ann := s.Add("ann")
		c := s.LoggedIn(ann)
		key := admintest.Body("key", admintest.Authorized(protocoltest.NewKey(t)))
		c.Must(201, "POST", "/me/keys", key)
		time.Sleep(11 * time.Minute)
		for _, op := range []struct{ method, path, body string }{
			{"POST", "/me/keys", admintest.Body("key", admintest.Authorized(protocoltest.NewKey(t)))},
			{"DELETE", "/me/keys/" + s.KeyOf("ann"), ""},
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
			w := c.Do(op.method, op.path, op.body)
			if w.Code != 403 || !strings.Contains(w.Body.String(), "/login/step-up") {
				t.Errorf("%s %s is %d: %s", op.method, op.path, w.Code, w.Body)
			}
		}
		c.Must(200, "PATCH", "/me/profile", `{"language":"de","theme":"dark"}`)
		c.Must(401, "POST", "/login/step-up", admintest.Body("password", "a wrong one"))
		before := c.Cookie
		c.Must(200, "POST", "/login/step-up", admintest.Body("password", ann.Password))
		if c.Cookie.Value == before.Value {
			t.Error("the cookie stays at step-up")
		}
		c.Must(201, "POST", "/me/tokens", `{"name":"x"}`)
		thief := &admintest.Client{Site: s, TLS: true, Cookie: before}
		thief.Must(401, "GET", "/me", "")
	})
}

// A token that leaks must not be able to make itself one that stays, nor to lock
// its owner out.
func TestATokenMakesNoCredential(t *testing.T) {
	s := admintest.New(t)
	s.Admin("other")
	root := s.Add("root", func(a *accounts.Account) { a.Role = policy.RoleAdmin })
	c, _ := s.Token("root", nil)
	c.Must(200, "GET", "/accounts", "")
	c.Cookie = s.LoggedIn(root).Cookie // which a token makes the API ignore
	for _, op := range []struct{ method, path, body string }{
		{"POST", "/me/keys", admintest.Body("key", admintest.Authorized(protocoltest.NewKey(t)))},
		{"DELETE", "/me/keys/" + s.KeyOf("root"), ""},
		{"POST", "/me/app-passwords", `{"name":"x"}`},
		{"POST", "/me/tokens", `{"name":"x"}`},
		{"POST", "/me/clients", `{"name":"x","device":{"computer":"x"}}`},
		{"POST", "/me/totp", ""},
		{"DELETE", "/me/totp", ""},
		{"POST", "/me/recovery-codes", ""},
		{"PUT", "/me/password", admintest.Body("current", root.Password, "new", "a wholly new passphrase")},
		{"PATCH", "/me/profile", `{"email":"eve@example.org"}`},
		{"POST", "/login/step-up", admintest.Body("password", root.Password)},
		{"POST", "/accounts/root/keys", admintest.Body("key", admintest.Authorized(protocoltest.NewKey(t)))},
		{"POST", "/accounts/root/app-passwords", `{"name":"x"}`},
		{"POST", "/accounts/root/tokens", `{"name":"x"}`},
		{"PUT", "/accounts/root/password", admintest.Body("password", "a wholly new passphrase")},
		{"POST", "/accounts/root/reset-link", ""},
		{"PATCH", "/accounts/root", `{"email":"eve@example.org"}`},
	} {
		if w := c.Do(op.method, op.path, op.body); w.Code != 403 && w.Code != 409 {
			t.Errorf("%s %s is %d: %s", op.method, op.path, w.Code, w.Body)
		}
	}
	s.LoggedIn(root)
}

// A token is worth what its account is worth now, and no more than it was made for.
func TestATokenIsNoMoreThanItsAccount(t *testing.T) {
	s := admintest.New(t)
	s.Admin("other")
	s.Add("user")
	s.Add("root", func(a *accounts.Account) { a.Role = policy.RoleAdmin })
	users, _ := s.Token("user", nil)
	users.Must(200, "GET", "/me", "")
	users.Must(403, "GET", "/accounts", "")

	reads, made := s.Token("root", func(c *accounts.Credential) { c.Scope.ReadOnly = true })
	writes, _ := s.Token("root", nil)
	reads.Must(200, "GET", "/accounts", "")
	reads.Must(403, "POST", "/accounts", `{"username":"eve"}`)
	reads.Must(403, "PATCH", "/site", `{"language":"de"}`)
	writes.Must(200, "PATCH", "/site", `{"language":"de"}`)

	elsewhere, _ := s.Token("root", func(c *accounts.Credential) { c.AllowedIPs = []string{"198.51.100.0/24"} })
	elsewhere.Must(401, "GET", "/accounts", "")
	soon := time.Now().Add(time.Hour)
	late, id := s.Token("root", func(c *accounts.Credential) { c.Expires = &soon })
	late.Must(200, "GET", "/accounts", "")
	gone := time.Now().Add(-time.Second)
	if _, err := s.Accounts.UpdateCredential(t.Context(), "root", id.ID, func(c *accounts.Credential) error { c.Expires = &gone; return nil }, accounts.Forced); err != nil {
		t.Fatal(err)
	}
	late.Must(401, "GET", "/accounts", "")

	if _, err := s.Accounts.UpdateCredential(t.Context(), "root", made.ID, func(c *accounts.Credential) error { c.Scope.ReadOnly = false; return nil }, accounts.Forced); err != nil {
		t.Fatal(err)
	}
	reads.Must(200, "PATCH", "/site", `{"language":"en"}`)
	s.Change("root", func(a *accounts.Account) { a.Role = policy.RoleUser })
	writes.Must(403, "GET", "/accounts", "")
	writes.Must(403, "PATCH", "/site", `{"language":"fr"}`)
	writes.Must(200, "GET", "/me", "")
	s.Change("root", func(a *accounts.Account) { a.Protocols = []policy.Door{policy.SFTP, policy.Web} })
	writes.Must(401, "GET", "/me", "")
	s.Change("root", func(a *accounts.Account) { a.Protocols = nil })
	if _, err := s.Accounts.RemoveCredential(t.Context(), "root", 0, made.ID, accounts.Forced); err != nil {
		t.Fatal(err)
	}
	reads.Must(401, "GET", "/me", "")
	s.Disable("root")
	writes.Must(401, "GET", "/me", "")
}

// An app password is for files alone, and a token is read from one place only.
func TestWhatIsNoToken(t *testing.T) {
	s := admintest.New(t)
	ann := s.Add("ann")
	_, secret, err := s.Accounts.AddCredential(t.Context(), "ann", 0, accounts.Credential{Kind: policy.KindAppPassword, Name: "phone"}, accounts.Forced)
	if err != nil {
		t.Fatal(err)
	}
	good, _ := s.Token("ann", nil)
	bearer := good.Header.Get("Authorization")
	for name, header := range map[string]http.Header{
		"an app password": {"Authorization": {"Bearer " + secret}},
		"a password":      {"Authorization": {"Bearer " + ann.Password}},
		"nothing":         {"Authorization": {"Bearer "}},
		"Basic":           {"Authorization": {"Basic " + strings.TrimPrefix(bearer, "Bearer ")}},
		"cut short":       {"Authorization": {bearer[:len(bearer)-1]}},
	} {
		c := &admintest.Client{Site: s, TLS: true, Header: header}
		if w := c.Do("GET", "/me", ""); w.Code != 401 {
			t.Errorf("%s is %d: %s", name, w.Code, w.Body)
		}
	}
	c := &admintest.Client{Site: s, TLS: true, Header: http.Header{"Authorization": {bearer, bearer}}}
	c.Must(400, "GET", "/me", "")
	c = &admintest.Client{Site: s, TLS: true}
	c.Must(401, "GET", "/me", "")
	good.Header.Set("Authorization", "bearer "+strings.TrimPrefix(bearer, "Bearer "))
	good.Must(200, "GET", "/me", "")
}

// That an account has a second factor is told to nobody who has not its password.
func TestALoginWithACode(t *testing.T) {
	s := admintest.New(t)
	ann := s.Add("ann")
	c := s.LoggedIn(ann)
	begun := c.Must(200, "POST", "/me/totp", "")
	secret := begun["secret"].(string)
	if uri := begun["uri"].(string); !strings.HasPrefix(uri, "otpauth://totp/") || !strings.Contains(uri, secret) || begun["qr_png"] == "" || !strings.HasPrefix(begun["qr_svg"].(string), "<svg") {
		t.Errorf("begun %v", begun)
	}
	s.LoggedIn(ann) // it does not count before it is confirmed
	c.Must(422, "POST", "/me/totp/confirm", `{"code":"000000"}`)
	before := c.Cookie.Value
	codes := c.Must(200, "POST", "/me/totp/confirm", admintest.Body("code", admintest.TOTP(t, secret, time.Now())))["recovery_codes"].([]any)
	if len(codes) != 10 || c.Cookie.Value == before {
		t.Errorf("confirmed with %d codes, a new cookie: %v", len(codes), c.Cookie.Value != before)
	}
	again := &admintest.Client{Site: s, TLS: true}
	w := again.Do("POST", "/login", admintest.Body("username", "ann", "password", ann.Password))
	if w.Code != 401 || !strings.Contains(w.Body.String(), "body.code") || again.Cookie != nil {
		t.Errorf("without a code the answer is %d: %s", w.Code, w.Body)
	}
	for name, b := range map[string]string{
		"a wrong password":             admintest.Body("username", "ann", "password", "wrong"),
		"a wrong password with a code": admintest.Body("username", "ann", "password", "wrong", "code", codes[1].(string)),
	} {
		if w := again.Do("POST", "/login", b); w.Code != 401 || strings.Contains(w.Body.String(), "code") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	first := admintest.Body("username", "ann", "password", ann.Password, "code", codes[0].(string))
	again.Must(200, "POST", "/login", first)
	(&admintest.Client{Site: s, TLS: true}).Must(401, "POST", "/login", first)
	if left := again.Must(200, "GET", "/me/recovery-codes", "")["left"]; left != 9.0 {
		t.Errorf("%v codes are left", left)
	}
	again.Must(401, "POST", "/login/step-up", admintest.Body("password", ann.Password))
	again.Must(200, "POST", "/login/step-up", admintest.Body("password", ann.Password, "code", codes[1].(string)))
	again.Must(200, "POST", "/me/recovery-codes", "")
	(&admintest.Client{Site: s, TLS: true}).Must(401, "POST", "/login", admintest.Body("username", "ann", "password", ann.Password, "code", codes[2].(string)))
	if w := again.Do("DELETE", "/me/totp", ""); w.Code >= 300 {
		t.Errorf("it cannot be turned off: %d %s", w.Code, w.Body)
	}
	s.LoggedIn(ann)
}

// Where a second factor is demanded and there is none, a login is good for
// enrolling and for nothing else.
func TestALoginThatMustEnrol(t *testing.T) {
	s := admintest.New(t)
	ann := s.Add("ann", func(a *accounts.Account) { a.Role = policy.RoleAdmin })
	s.Change("ann", func(a *accounts.Account) { a.SecondFactor.Required = policy.Allow })
	c := &admintest.Client{Site: s, TLS: true}
	if got := c.Must(200, "POST", "/login", admintest.Body("username", "ann", "password", ann.Password)); got["must_enrol"] != true {
		t.Fatalf("logged in %v", got)
	}
	for _, path := range []string{"/accounts", "/me/keys", "/me/connect", "/me/tokens", "/site"} {
		if w := c.Do("GET", path, ""); w.Code != 403 || !strings.Contains(w.Body.String(), "/me/totp") {
			t.Errorf("%s is %d: %s", path, w.Code, w.Body)
		}
	}
	secret := c.Must(200, "POST", "/me/totp", "")["secret"].(string)
	c.Must(200, "POST", "/me/totp/confirm", admintest.Body("code", admintest.TOTP(t, secret, time.Now())))
	c.Must(200, "GET", "/accounts", "")
	if w := c.Do("DELETE", "/me/totp", ""); w.Code != 403 {
		t.Errorf("what is demanded can be turned off: %d", w.Code)
	}
}

// A new password ends what others are logged in with, and the cookie that was known.
func TestANewPasswordEndsTheOtherLogins(t *testing.T) {
	s := admintest.New(t)
	ann := s.Add("ann")
	elsewhere, c := s.LoggedIn(ann), s.LoggedIn(ann)
	before := c.Cookie
	c.Must(422, "PUT", "/me/password", admintest.Body("new", ann.Password))
	c.Must(401, "PUT", "/me/password", admintest.Body("current", "wrong", "new", "a wholly new passphrase"))
	if w := c.Do("PUT", "/me/password", admintest.Body("current", ann.Password, "new", "short")); w.Code != 422 || !strings.Contains(w.Body.String(), `"body.new"`) {
		t.Errorf("a short one: %d %s", w.Code, w.Body)
	}
	c.Must(200, "PUT", "/me/password", admintest.Body("current", ann.Password, "new", "a wholly new passphrase"))
	c.Must(200, "GET", "/me", "")
	elsewhere.Must(401, "GET", "/me", "")
	(&admintest.Client{Site: s, TLS: true, Cookie: before}).Must(401, "GET", "/me", "")
}

func TestAPasswordThatMustBeChangedLetsNothingElseBeDone(t *testing.T) {
	s := admintest.New(t)
	s.Admin("root")
	s.Root().Must(201, "POST", "/accounts", `{"username":"second","role":"admin","password":"the first passphrase","must_change":true}`)
	c := &admintest.Client{Site: s, TLS: true}
	if v := c.Must(200, "POST", "/login", `{"username":"second","password":"the first passphrase"}`); v["must_change_password"] != true {
		t.Errorf("logged in as %v", v)
	}
	before := c.Cookie.Value
	c.Must(403, "GET", "/accounts", "")
	c.Must(401, "PUT", "/me/password", `{"current":"wrong","new":"the second passphrase"}`)
	c.Must(422, "PUT", "/me/password", `{"current":"the first passphrase","new":"the first passphrase"}`)
	c.Must(422, "PUT", "/me/password", `{"current":"the first passphrase","new":"short"}`)
	c.Must(200, "PUT", "/me/password", `{"current":"the first passphrase","new":"the second passphrase"}`)
	if c.Cookie.Value == before {
		t.Error("the cookie is the same as before the change")
	}
	c.Must(200, "GET", "/accounts", "")
	old := &admintest.Client{Site: s, TLS: true, Cookie: &http.Cookie{Name: c.Cookie.Name, Value: before}}
	old.Must(401, "GET", "/me", "")
}

// Who holds an administrator's browser, but not the password, must not get the
// account for good.
func TestOnesOwnPasswordTakesThePresentOne(t *testing.T) {
	s := admintest.New(t)
	root := s.Admin("root")
	root.Must(409, "PUT", "/accounts/root/password", `{"password":"another passphrase"}`)
	root.Must(200, "GET", "/me", "")
}

func TestASharedAccountChangesNoPassword(t *testing.T) {
	s := admintest.New(t)
	bot := s.Add("bot", func(a *accounts.Account) { a.Shared = true })
	ann := s.Add("ann")
	login := func(name, password string) *admintest.Client {
		c := &admintest.Client{Site: s, TLS: true}
		c.Must(200, "POST", "/login", `{"username":"`+name+`","password":"`+password+`"}`)
		return c
	}
	change := func(c *admintest.Client, password string, want int) {
		t.Helper()
		c.Must(want, "PUT", "/me/password", `{"current":"`+password+`","new":"a wholly new passphrase"}`)
	}
	change(login("bot", bot.Password), bot.Password, 403)
	c := login("ann", ann.Password)
	s.Root().Must(200, "PATCH", "/site", `{"self_service":{"password":false}}`)
	change(c, ann.Password, 403)
	s.Root().Must(200, "PATCH", "/site", `{"self_service":{"password":null}}`)
	change(c, ann.Password, 200)
}

// A login that is there to enrol a second factor changes no password, and hears why.
func TestALoginThatMustEnrolChangesNoPassword(t *testing.T) {
	s := admintest.New(t)
	ann := s.Add("ann", func(a *accounts.Account) { a.SecondFactor.Required = policy.Allow })
	c := s.LoggedIn(ann)
	w := c.Do("PUT", "/me/password", admintest.Body("current", ann.Password, "new", "a wholly new passphrase"))
	if w.Code != 403 || !strings.Contains(w.Body.String(), "/me/totp") {
		t.Errorf("it is %d: %s", w.Code, w.Body)
	}
}

// Of several who change one's own credentials as they read them, one does: none
// of them undoes what the others have not seen.
func TestALostUpdateOfOnesOwnCredentialsIsRefused(t *testing.T) {
	s := admintest.New(t)
	s.Add("ann")
	c := s.LoggedIn(s.Add("bea"))
	for _, at := range []string{"/me/app-passwords", "/me/tokens"} {
		c.Header = nil
		c.Header = http.Header{"If-Match": {c.Do("GET", at, "").Header().Get("ETag")}}
		var wg sync.WaitGroup
		codes := make([]int, 4)
		for i := range codes {
			one := *c
			wg.Go(func() { codes[i] = one.Do("POST", at, `{"name":"phone"}`).Code })
		}
		wg.Wait()
		slices.Sort(codes)
		if !slices.Equal(codes, []int{201, 412, 412, 412}) {
			t.Errorf("%s: %v", at, codes)
		}
	}
	c.Must(412, "POST", "/me/keys", admintest.Body("key", admintest.AKey))
	c.Header = http.Header{"If-Match": {c.Do("GET", "/me/keys", "").Header().Get("ETag")}}
	id := c.Must(201, "POST", "/me/keys", admintest.Body("key", admintest.AKey))["id"].(string)
	c.Must(412, "DELETE", "/me/keys/"+id, "")
	c.Must(412, "DELETE", "/me/totp", "")
	c.Header = nil
	c.Must(200, "DELETE", "/me/keys/"+id, "")
}
