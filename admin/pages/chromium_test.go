package pages_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/accounts/links"
)

// TestInABrowserWithoutScripts goes the ways that people go, in a real browser: a
// phone, in the dark, with scripts switched off. Every page on the way is held to
// what inspect asks.
func TestInABrowserWithoutScripts(t *testing.T) {
	s := newSite(t)
	b := newBrowser(t)
	b.open("data:text/html," + url.PathEscape("<h1>off</h1><script>document.querySelector('h1').innerText='on'</script>"))
	if b.text("h1") != "off" {
		t.Fatal("scripts are on")
	}
	const password = "an entirely new passphrase"
	var codes []string
	t.Run("a password that must be changed", func(t *testing.T) {
		b.t = t
		ann := s.mustChange("ann")
		b.open(s.page("/connect")) // as from a bookmark
		b.on("Log in")
		b.logIn("ann", "a wrong password")
		if !strings.Contains(b.text(".problem"), "reference") {
			t.Error("a refusal has no reference")
		}
		b.on("Log in")
		b.logIn("ann", ann.Password)
		b.on("Set a new password")
		b.setPassword(password, "something else")
		if !strings.Contains(b.text(".problem"), "not the same") {
			t.Error("two different passwords are not told")
		}
		b.setPassword(ann.Password, ann.Password)
		if !strings.Contains(b.text(".problem"), "present") {
			t.Errorf("the password that must be changed is taken again: %s", b.text("main"))
		}
		b.setPassword(password, password)
		b.on("Your account")
		if !strings.Contains(b.text(".done"), "new password is set") {
			t.Error("it does not say that it is done")
		}
	})
	t.Run("a second factor", func(t *testing.T) {
		b.t = t
		b.press("Second factor")
		b.on("Second factor")
		b.press("Begin")
		b.on("Second factor")
		b.confirm("000000")
		if !strings.Contains(b.text(".problem"), "code") {
			t.Error("a wrong code is not told")
		}
		b.on("Second factor")
		b.confirm(code(t, b.text("#secret"), time.Now()))
		b.on("Your recovery codes")
		if codes = strings.Fields(b.text(".codes")); len(codes) < 8 {
			t.Errorf("the recovery codes are %d", len(codes))
		}
		b.press("I have kept them")
		b.on("Your account")
		b.press("How to connect")
		b.on("How to connect")
		if text := b.text("main"); !strings.Contains(text, "SHA256:") || !strings.Contains(text, "sftp -P 2022") || !strings.Contains(text, "app password") {
			t.Errorf("one cannot connect with that:\n%s", text)
		}
		b.press("Log out")
		b.on("Log in")
	})
	t.Run("the way in with a code", func(t *testing.T) {
		b.t = t
		b.logIn("ann", password)
		b.on("Enter your code")
		b.fill("Code", "123456")
		b.press("Go on")
		b.on("Enter your code")
		b.fill("Code", codes[0])
		b.press("Go on")
		b.on("Your account")
		b.press("Second factor")
		if text := b.text("main"); !strings.Contains(text, "You have 9 recovery codes left") {
			t.Errorf("the recovery code was not used up: %s", text)
		}
		b.on("Second factor")
		b.press("Make new recovery codes")
		b.on("Your recovery codes")
		b.press("Log out")
	})
	t.Run("an invitation", func(t *testing.T) {
		b.t = t
		invitation := links.Invitation{Email: "bob@example.org", Role: policy.RoleUser}
		secret := s.link(links.Link{Kind: links.Invite, By: "socket", Invitation: &invitation})
		address := s.page("/invitation") + "#" + secret
		b.open(address)
		b.on("Accept your invitation")
		b.fill("The whole link", address)
		b.press("Go on")
		b.on("Your new account")
		b.fill("Username", "ann")
		b.fill("New password", password)
		b.fill("The same once more", password)
		b.press("Make the account")
		if !strings.Contains(b.text(".problem"), "taken") {
			t.Errorf("a name that is taken is not told: %s", b.text("main"))
		}
		b.on("Your new account")
		b.fill("Username", "bob")
		b.fill("New password", password)
		b.fill("The same once more", password)
		b.press("Make the account")
		b.on("Done")
		b.press("Log in")
		b.logIn("bob", password)
		b.on("Your account")
		b.press("Log out")
	})
	t.Run("a reset link", func(t *testing.T) {
		b.t = t
		carl := s.Add("carl", func(a *accounts.Account) { a.Protocols = []policy.Door{policy.SFTP} })
		secret := s.link(links.Link{Kind: links.Reset, By: "socket", Account: carl.ID})
		b.open(s.page("/reset") + "#" + secret)
		b.on("Reset your password")
		b.fill("The whole link", "no link at all")
		b.press("Go on")
		b.on("Reset your password")
		b.fill("The whole link", secret)
		b.press("Go on")
		b.on("Set a new password")
		b.setPassword(password, password)
		b.on("Done")
		b.press("Log in")
		b.logIn("carl", password)
		b.on("Your account")
	})
}

func (b *browser) logIn(name, password string) {
	b.t.Helper()
	b.fill("Username", name)
	b.fill("Password", password)
	b.press("Log in")
}

func (b *browser) setPassword(first, again string) {
	b.t.Helper()
	b.fill("New password", first)
	b.fill("The same once more", again)
	b.press("Set the password")
}

func (b *browser) confirm(code string) {
	b.t.Helper()
	b.fill("Type the code", code)
	b.press("Turn it on")
}
