package webhook_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/admin/admintest"
	"gatehouse/admin/webhook"
	"gatehouse/admin/webhooks/message"
	"gatehouse/admin/webhooks/sender"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
	"gatehouse/storage/state"
)

const address = "https://hooks.example.org/in"

func TestAWebhookOverTheAPI(t *testing.T) {
	s := admintest.New(t)
	c := s.Admin("root")
	made := c.Must(201, "POST", "/webhooks", `{"url":"`+address+`","filter":{"kinds":["account"]},"description":"for the desk"}`)
	secret, _ := made["secret"].(string)
	if !strings.HasPrefix(secret, "whsec_") || made["by"] != "root" {
		t.Fatalf("made: %v", made)
	}
	at := "/webhooks/" + made["id"].(string)
	s.Root().Must(201, "POST", "/accounts", `{"username":"alice"}`)
	admintest.Eventually(t, func() bool { return len(s.Receiver.Taken()) == 1 })
	if m := s.Receiver.Taken()[0]; !bytes.Contains(m.Body, []byte(`"type":"account.create"`)) {
		t.Errorf("it heard of %s", m.Body)
	}
	for _, asked := range []string{at, "/webhooks"} {
		if w := c.Do("GET", asked, ""); w.Code != 200 || strings.Contains(w.Body.String(), "whsec_") || !strings.Contains(w.Body.String(), `"status":{"cursor"`) {
			t.Errorf("GET %s: %d %s", asked, w.Code, w.Body)
		}
	}
	changed := c.Must(200, "PATCH", at, `{"description":null,"filter":{"accounts":["nobody"],"path":"/projects"}}`)
	if changed["description"] != nil || changed["url"] != address || !strings.Contains(fmt.Sprint(changed["warnings"]), "no account nobody") {
		t.Errorf("changed: %v", changed)
	}
	rotated := c.Must(200, "POST", at+"/rotate", "")
	if rotated["secret"] == secret || rotated["older_secret_until"] == nil {
		t.Errorf("rotated: %v", rotated)
	}
	if at := c.Must(200, "POST", at+"/rotate?at_once=true", ""); at["older_secret_until"] != nil {
		t.Errorf("rotated at once: %v", at)
	}
	c.Must(200, "DELETE", at, "")
	c.Must(404, "GET", at, "")
	c.Must(404, "DELETE", at, "")
	found, _, err := s.Events.List(t.Context(), events.Query{Under: "webhook", Oldest: true})
	var kinds []string
	for _, e := range found {
		kinds = append(kinds, string(e.Kind))
		if text, err := json.Marshal(e); err != nil || strings.Contains(string(text), "whsec") || strings.Contains(string(text), "sealed") || e.Actor != "root" {
			t.Errorf("%s, %v", text, err)
		}
	}
	if got := strings.Join(kinds, " "); got != "webhook.create webhook.change webhook.rotate webhook.rotate webhook.delete" || err != nil {
		t.Errorf("events: %s, %v", got, err)
	}
	if was, is := found[1].Before, found[1].After; was["description"] != "for the desk" || is["url"] != nil || is["id"] != made["id"] {
		t.Errorf("the change: %v -> %v", was, is)
	}
}

// Problems name the field, by its name in the API.
func TestWhatIsWrongWithAWebhookIsNamed(t *testing.T) {
	s := admintest.New(t)
	made := s.Root().Must(201, "POST", "/webhooks", `{"url":"`+address+`"}`)
	for body, field := range map[string]string{
		`{"url":"http://hooks.example.org/"}`:                           "body.url",
		`{"url":"https://127.0.0.1/"}`:                                  "body.url",
		`{"url":"` + address + `","filter":{"kinds":["file.uplaod"]}}`:  "body.filter.kinds",
		`{"url":"` + address + `","filter":{"path":"projects"}}`:        "body.filter.path",
		`{"url":"` + address + `","filter":{"outcomes":["good"]}}`:      "body.filter.outcomes",
		`{"url":"` + address + `","filter":{"path":"/a/../b"}}`:         "body.filter.path",
		`{"url":"` + address + `","filter":{"nonsense":true}}`:          "body.filter.nonsense",
		`{"url":"` + address + `","description":"` + long(501) + `"}`:   "body.description",
		`{"url":"` + address + `","secret":"whsec_of my own choosing"}`: "body.secret",
	} {
		for _, ask := range [][2]string{{"POST", "/webhooks"}, {"PATCH", "/webhooks/" + made["id"].(string)}} {
			w := s.Root().Do(ask[0], ask[1], body)
			if w.Code != 422 || !strings.Contains(w.Body.String(), `"location":"`+field+`"`) {
				t.Errorf("%s %s: %d %s", ask[0], body, w.Code, w.Body)
			}
		}
	}
	if w := s.Root().Do("POST", "/webhooks", `{"url":"`+address+`","filter":{"kinds":["file.uplaod"]}}`); !strings.Contains(w.Body.String(), "did you mean") {
		t.Errorf("a kind misspelt: %s", w.Body)
	}
	found, _, err := s.Events.List(t.Context(), events.Query{Under: "webhook"})
	if err != nil || len(found) != 1 {
		t.Errorf("what was refused left %d events, %v", len(found), err)
	}
}

func long(n int) string { return strings.Repeat("x", n) }

// Who looks on must not learn what an address holds: it may be a secret of the
// other side's. Who does not look on learns nothing.
func TestWhoMayDoWhatWithWebhooks(t *testing.T) {
	s := admintest.New(t)
	made := s.Root().Must(201, "POST", "/webhooks", `{"url":"`+address+`?token=theirs"}`)
	at := "/webhooks/" + made["id"].(string)
	auditor := s.LoggedIn(s.Add("auditor", func(a *accounts.Account) { a.Role = policy.RoleAuditor }))
	user := s.LoggedIn(s.Add("user"))
	for _, look := range []string{"/webhooks", at, at + "/dead"} {
		if w := auditor.Do("GET", look, ""); w.Code != 200 || strings.Contains(w.Body.String(), "theirs") {
			t.Errorf("an auditor at %s: %d %s", look, w.Code, w.Body)
		}
		user.Must(403, "GET", look, "")
	}
	for _, c := range []*admintest.Client{auditor, user} {
		c.Must(403, "POST", "/webhooks", `{"url":"`+address+`"}`)
		c.Must(403, "PATCH", at, `{"disabled":true}`)
		c.Must(403, "DELETE", at, "")
		for _, do := range []string{"/rotate", "/test", "/dead/retry"} {
			c.Must(403, "POST", at+do, `{}`)
		}
		c.Must(403, "DELETE", at+"/dead", "")
	}
	if w := s.Admin("root").Do("GET", at, ""); !strings.Contains(w.Body.String(), "theirs") {
		t.Errorf("an administrator: %s", w.Body)
	}
	found, _, err := s.Events.List(t.Context(), events.Query{Kind: "webhook.create"})
	if err != nil || len(found) != 1 || strings.Contains(fmt.Sprint(found[0].After), "theirs") {
		t.Errorf("in the trail: %v, %v", found, err)
	}
}

// A token makes webhooks, and sees no secret but that of the one just made; one for
// reading alone makes none. A browser left open makes none.
func TestWhatAWebhookTakesAsProof(t *testing.T) {
	s := admintest.New(t)
	s.Add("root", func(a *accounts.Account) { a.Role = policy.RoleAdmin })
	program, _ := s.Token("root", nil)
	made := program.Must(201, "POST", "/webhooks", `{"url":"`+address+`"}`)
	if made["secret"] == nil {
		t.Errorf("made by a token: %v", made)
	}
	if w := program.Do("GET", "/webhooks/"+made["id"].(string), ""); strings.Contains(w.Body.String(), "whsec") || strings.Contains(w.Body.String(), "sealed") {
		t.Errorf("read by a token: %s", w.Body)
	}
	reader, _ := s.Token("root", func(c *accounts.Credential) { c.Name, c.Scope.ReadOnly = "a reader", true })
	reader.Must(403, "POST", "/webhooks", `{"url":"`+address+`"}`)
	reader.Must(403, "POST", "/webhooks/"+made["id"].(string)+"/rotate", "")
	reader.Must(200, "GET", "/webhooks", "")
}

func TestALostUpdateOfAWebhookIsRefused(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	w := c.Do("POST", "/webhooks", `{"url":"`+address+`"}`)
	var made webhook.MadeWebhook
	if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil {
		t.Fatal(err)
	}
	at, tag := "/webhooks/"+made.ID, w.Header().Get("ETag")
	if tag == "" || c.Do("GET", at, "").Header().Get("ETag") != tag {
		t.Fatalf("the tag %q", tag)
	}
	c.Header = map[string][]string{"If-Match": {tag}}
	c.Must(200, "PATCH", at, `{"disabled":true}`)
	c.Must(412, "PATCH", at, `{"disabled":false}`)
	c.Must(412, "POST", at+"/rotate", "")
	c.Must(412, "DELETE", at, "")
	c.Header = nil
	c.Must(200, "DELETE", at, "")
}

func TestAWebhookIsTried(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	at := "/webhooks/" + c.Must(201, "POST", "/webhooks", `{"url":"`+address+`","filter":{"kinds":["lock"]}}`)["id"].(string)
	if got := c.Must(200, "POST", at+"/test", ""); got["taken"] != true || got["outcome"] != "taken" {
		t.Errorf("%v", got)
	}
	if m := s.Receiver.Taken(); len(m) != 1 || !bytes.Contains(m[0].Body, []byte(`"type":"webhook.test"`)) {
		t.Errorf("%v", m)
	}
	s.Receiver.Answer(func(message.Signed) error { return &sender.RefusedError{Status: 503} })
	if got := c.Must(200, "POST", at+"/test", ""); got["taken"] != false || got["status"] != 503.0 || got["outcome"] != "answered 503 Service Unavailable" {
		t.Errorf("%v", got)
	}
	c.Must(404, "POST", "/webhooks/none/test", "")
}

func TestDeadLettersOverTheAPI(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	id := c.Must(201, "POST", "/webhooks", `{"url":"`+address+`","filter":{"kinds":["lock"]}}`)["id"].(string)
	at := "/webhooks/" + id
	for i := range 3 {
		e := events.Event{Kind: "lock.break", Outcome: events.OK, Path: fmt.Sprint("/", i)}
		if err := s.Events.Record(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	admintest.Eventually(t, func() bool { return len(s.Receiver.Taken()) == 3 })
	positions := bury(t, s, id)
	list := c.List(at + "/dead?limit=2")
	if len(list) != 2 || list[0]["position"] != float64(positions[0]) || list[0]["kind"] != "lock.break" {
		t.Errorf("the first two: %v", list)
	}
	next := c.Do("GET", at+"/dead?limit=2", "").Header().Get("Next-Cursor")
	if rest := c.List(at + "/dead?limit=2&cursor=" + next); len(rest) != 1 || rest[0]["position"] != float64(positions[2]) {
		t.Errorf("the third: %v", rest)
	}
	c.Must(404, "POST", at+"/dead/retry", `{"position":999999}`)
	if got := c.Must(200, "POST", at+"/dead/retry", fmt.Sprintf(`{"position":%d}`, positions[1])); got["letters"] != 1.0 {
		t.Errorf("%v", got)
	}
	admintest.Eventually(t, func() bool { return len(s.Receiver.Taken()) == 4 })
	if m := s.Receiver.Taken(); m[3].ID != m[1].ID {
		t.Error("tried again it has another id")
	}
	if got := c.Must(200, "DELETE", at+fmt.Sprintf("/dead?position=%d", positions[0]), ""); got["letters"] != 1.0 {
		t.Errorf("%v", got)
	}
	if got := c.Must(200, "DELETE", at+"/dead", ""); got["letters"] != 1.0 {
		t.Errorf("%v", got)
	}
	if got := c.Must(200, "DELETE", at+"/dead", ""); got["letters"] != 0.0 {
		t.Errorf("where there are none: %v", got)
	}
	found, _, err := s.Events.List(t.Context(), events.Query{Kind: "webhook.drop"})
	if err != nil || len(found) != 2 {
		t.Errorf("%d events of forgotten letters, %v", len(found), err)
	}
}

// bury makes dead letters of what the receiver has had, and returns their positions.
func bury(t *testing.T, s *admintest.Site, id string) []uint64 {
	t.Helper()
	var positions []uint64
	b := state.Batch{Scope: "webhooks", ID: state.NewOperationID()}
	for _, m := range s.Receiver.Taken() {
		var got struct{ Data events.Event }
		if err := json.Unmarshal(m.Body, &got); err != nil {
			t.Fatal(err)
		}
		value, err := json.Marshal(webhook.Letter{Position: got.Data.Position, Kind: got.Data.Kind, Tries: 6, Last: "answered 400 Bad Request"})
		if err != nil {
			t.Fatal(err)
		}
		b.Puts = append(b.Puts, state.Put{Name: fmt.Sprintf("dead/%s/%020d", id, got.Data.Position), Value: value})
		positions = append(positions, got.Data.Position)
	}
	if _, err := s.State.Apply(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	return positions
}

func TestThereAreOnlySoManyWebhooks(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	const most = 100
	for range most {
		c.Must(201, "POST", "/webhooks", `{"url":"`+address+`","disabled":true}`)
	}
	c.Must(409, "POST", "/webhooks", `{"url":"`+address+`"}`)
	w := c.Do("GET", "/webhooks?limit=60", "")
	if got := len(c.List("/webhooks?limit=60&cursor=" + w.Header().Get("Next-Cursor"))); got != most-60 {
		t.Errorf("the second page has %d", got)
	}
}

// An administrator who leaves takes nothing along: what is sent to the outside is
// the installation's.
func TestAWebhookOutlivesWhoMadeIt(t *testing.T) {
	s := admintest.New(t)
	s.Admin("other")
	made := s.Admin("root").Must(201, "POST", "/webhooks", `{"url":"`+address+`","filter":{"kinds":["account.delete"]}}`)
	s.Root().Must(200, "DELETE", "/accounts/root?files=delete&confirm=root", "")
	admintest.Eventually(t, func() bool { return len(s.Receiver.Taken()) == 1 })
	if got := s.Root().Must(200, "GET", "/webhooks/"+made["id"].(string), ""); got["by"] != "root" || got["disabled"] != nil {
		t.Errorf("%v", got)
	}
}

// Nothing is changed that cannot be written down.
func TestWebhooksAreNotChangedInSilence(t *testing.T) {
	s := admintest.New(t)
	at := "/webhooks/" + s.Root().Must(201, "POST", "/webhooks", `{"url":"`+address+`"}`)["id"].(string)
	silenced := s.Silenced()
	silenced.Must(503, "POST", "/webhooks", `{"url":"`+address+`"}`)
	silenced.Must(503, "PATCH", at, `{"disabled":true}`)
	silenced.Must(503, "POST", at+"/rotate", "")
	silenced.Must(503, "DELETE", at, "")
	if n := len(silenced.List("/webhooks")); n != 1 {
		t.Errorf("%d webhooks", n)
	}
}

// A browser that was left open makes no webhook: it would tell a stranger all that
// happens from then on.
func TestABrowserLeftOpenMakesNoWebhook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := admintest.New(t)
		c := s.Admin("root")
		at := "/webhooks/" + c.Must(201, "POST", "/webhooks", `{"url":"`+address+`"}`)["id"].(string)
		time.Sleep(20 * time.Minute)
		for _, do := range [][3]string{{"POST", "/webhooks", `{"url":"` + address + `"}`}, {"PATCH", at, `{"disabled":true}`}, {"POST", at + "/rotate", ""}, {"DELETE", at, ""}} {
			if w := c.Do(do[0], do[1], do[2]); w.Code != 403 || !strings.Contains(w.Body.String(), "step-up") {
				t.Errorf("%s %s: %d %s", do[0], do[1], w.Code, w.Body)
			}
		}
		c.Must(200, "GET", at, "")
	})
}
