package cli

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/admin/record"
	"gatehouse/storage/accounts"
)

// What an answer warns of is on standard error, whichever the command, and
// stays in the JSON.
func TestWarningsAreTold(t *testing.T) {
	const warned = `{"id":"g1","path":"/x","permissions":["list"],"recursive":true,"warnings":["it is not\u001b seen"]}`
	address, _ := fake(t, map[string]string{"POST /accounts/ann/grants": warned, "DELETE /accounts/ann?confirm=ann&files=keep": warned})
	for line, json := range map[string]bool{
		"grant add ann /x --preset full":                false,
		"grant add ann /x --preset full --json":         true,
		"account delete ann --files keep --confirm ann": false,
	} {
		status, out, errs := run(t, nil, append(strings.Fields(line), "--server", address)...)
		if status != 0 || errs != "warning: it is not? seen\n" {
			t.Errorf("%s ends with %d: %q", line, status, errs)
		}
		if json && !strings.Contains(out, `"warnings": [`) {
			t.Errorf("%s drops the warnings: %s", line, out)
		}
	}
}

// A name that is nobody's is in the message: there may be several in a command.
func TestANameThatIsMissingIsNamed(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = fmt.Fprintf(w, `{"title":"Not Found","detail":%q}`, accounts.ErrNotFound.Error())
	}))
	t.Cleanup(s.Close)
	for line, want := range map[string]string{
		"account show alcie":               "no such account, group or credential: accounts/alcie",
		"group add-member crw alice":       "groups/crw/members/alice",
		"grant add crew /p --preset full":  "accounts/crew/grants (for a group give --group)",
		"quota set typo --quota 1GiB":      "there is neither an account nor a folder typo: folders begin with /",
		"quota rescan typo":                "folders begin with /",
		"account show a%2f..%2f\u001b[31m": "accounts/",
	} {
		if status, _, errs := run(t, nil, append(strings.Fields(line), "--server", s.URL)...); status != 1 || !strings.Contains(errs, want) || strings.Contains(errs, "\x1b") {
			t.Errorf("%s ends with %d: %q", line, status, errs)
		}
	}
}

// Who makes a guest hears what it lacks to log in, as with any account.
func TestANewGuestWithoutCredentialsIsTold(t *testing.T) {
	address, _ := fake(t, map[string]string{"POST /accounts": `{"username":"anna","role":"guest","managed_by":{"accounts":["ann"]}}`})
	if _, out, errs := run(t, nil, "guest", "add", "anna", "--managed-by", "ann", "--server", address); !strings.Contains(out, "neither password nor key yet: gatehouse account passwd anna") {
		t.Errorf("it says %s%s", out, errs)
	}
}

// What is no text is not sent for a key.
func TestAFileThatIsNoKey(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f1")
	if err := os.WriteFile(name, []byte{0xff, 0, 0xfe, '\n', 1}, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readKeys([]string{name}); err == nil || !strings.Contains(err.Error(), "give the .pub file") {
		t.Errorf("it is read: %v", err)
	}
}

func TestALockedAccountLooksLocked(t *testing.T) {
	const locked = `{"username":"ann","role":"user","status":{"state":"enabled"},"locked_until":"2031-01-01T10:00:00Z","was_locked":true,"failed_logins":10}`
	const free = `{"username":"bob","role":"user","status":{"state":"enabled"},"was_locked":false}`
	address, _ := fake(t, map[string]string{
		"GET /accounts?limit=1000": `{"items":[` + locked + `,` + free + `]}`, "GET /accounts/ann": locked,
		"POST /accounts/ann/unlock": free, "POST /accounts/bob/unlock": free,
	})
	until := "locked until " + when(time.Date(2031, 1, 1, 10, 0, 0, 0, time.UTC))
	for line, want := range map[string]string{
		"account list": until, "account show ann": until, "account show ann --json": `"locked_until": "2031-01-01T10:00:00Z"`,
		"account unlock bob": "account bob was not locked; it is enabled",
	} {
		if _, out, errs := run(t, nil, append(strings.Fields(line), "--server", address)...); !strings.Contains(out, want) {
			t.Errorf("%s says %q%s, which lacks %q", line, out, errs, want)
		}
	}
}

// A day that was given is shown as that day.
func TestExpiryIsShownAsItWasGiven(t *testing.T) {
	var given end
	if err := given.Set("2031-01-01"); err != nil {
		t.Fatal(err)
	}
	if got := expiresText(&given.Time); !strings.HasPrefix(got, "through 2031-01-01 (") {
		t.Errorf("a token is good %s", got)
	}
	instant := time.Date(2031, 1, 1, 12, 30, 0, 0, time.Local)
	if got := expiresText(&instant); got != "2031-01-01 12:30:00" {
		t.Errorf("an instant is shown as %s", got)
	}
	x := record.AccountView{ExpiresOn: "2031-01-01", ExpiresZone: "Europe/Berlin"}
	if got := expiryText(x); got != "through 2031-01-01 (Europe/Berlin)" {
		t.Errorf("an account is good %s", got)
	}
	if got := expiryText(record.AccountView{}); got != "never" {
		t.Errorf("an account without expiry is good %s", got)
	}
}
