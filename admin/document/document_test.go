package document_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"gatehouse/admin/admintest"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

const hash = "$6$saltsaltsalt$bAnMnzWcQ0sGxEVI9IHm0gZVOUPOx3fuBVPVeg2d2Zl9PykbjMZEAaTGyN9UzqNXzkkzb5PXXPM3mvDLrmR7N1"

// Hashes travel over the socket and for who has just proved itself: neither a
// token nor a browser left open carries them off or brings its own.
func TestSecretsOfADocument(t *testing.T) {
	s := admintest.New(t)
	boss := s.Admin("boss")
	token := &admintest.Client{Site: s, TLS: true, Header: http.Header{"Authorization": {"Bearer " + secretOf(t, s, "boss")}}}
	doc := `{"gatehouse":1,"accounts":[{"username":"eve","role":"admin","secrets":{"password":{"hash":"` + hash + `"}}}]}`
	token.Must(403, http.MethodPost, "/apply", doc)
	token.Must(403, http.MethodGet, "/export?secrets=true", "")
	token.Must(200, http.MethodGet, "/export", "")
	if w := boss.Do(http.MethodGet, "/export?secrets=true", ""); w.Code != 200 || !strings.Contains(w.Body.String(), "argon2id") {
		t.Errorf("just proved: %d %s", w.Code, w.Body)
	}
	if w := boss.Do(http.MethodGet, "/export", ""); strings.Contains(w.Body.String(), "argon2id") || strings.Contains(w.Body.String(), `"secrets"`) {
		t.Errorf("an export without secrets has %s", w.Body)
	}
	s.Root().Must(200, http.MethodPost, "/apply", doc)
	for _, e := range eventsOf(t, s, "export", "account.create") {
		if strings.Contains(textOf(t, e), hash) {
			t.Errorf("the trail has the hash: %+v", e)
		}
	}
	if n := len(eventsOf(t, s, "export")); n != 3 {
		t.Errorf("%d events of exports, want 3", n)
	}
}

// A second factor that was sealed elsewhere cannot be read: no password opens a
// door until the account has enrolled anew.
func TestForeignSecondFactorAsksForAnother(t *testing.T) {
	s := admintest.New(t)
	answer := s.Root().Must(200, http.MethodPost, "/apply", `{"gatehouse":1,"accounts":[{"username":"eve","secrets":{
		"password":{"hash":"`+hash+`"},
		"totp":{"id":"f1","sealed":"AAAA","added":"2026-01-01T00:00:00Z","confirmed":true}}}]}`)
	if !strings.Contains(textOf(t, answer), "must enrol again") {
		t.Errorf("nothing is said of it: %v", answer)
	}
	x, err := s.Accounts.Account(t.Context(), "eve")
	if err != nil || x.TOTP != nil || x.SecondFactor.Required != policy.Allow {
		t.Errorf("%+v, %v", x, err)
	}
}

// A document is judged record by record; a dry run judges as the real one does.
func TestApplyJudgesEachRecord(t *testing.T) {
	s := admintest.New(t)
	s.Add("anna", func(x *accounts.Account) { x.Email = "anna@example.org" })
	root := s.Root()
	for name, test := range map[string]struct{ record, why string }{
		"an unknown setting":       {`{"username":"bert","nonsense":1}`, "nonsense"},
		"a wrong type":             {`{"username":"bert","email":7}`, "email"},
		"a bad role":               {`{"username":"bert","role":"emperor"}`, "role"},
		"a bad name":               {`{"username":"a/b"}`, "username"},
		"a hash of unknown format": {`{"username":"bert","secrets":{"password":{"hash":"plain"}}}`, "secrets.password.hash"},
		"a bad key":                {`{"username":"bert","keys":[{"public_key":"ssh-rsa AAAA"}]}`, "key"},
		"a bad grant":              {`{"username":"bert","grants":[{"path":"x","preset":"full"}]}`, "path"},
		"no such group":            {`{"username":"anna","groups":["nobody"]}`, ""},
	} {
		for _, query := range []string{"?dry_run=true", ""} {
			r := root.Must(200, http.MethodPost, "/apply"+query, `{"gatehouse":1,"accounts":[`+test.record+`]}`)
			refused, _ := r["refused"].([]any)
			if query != "" && test.why == "" {
				continue // it may come with the rest of the document
			}
			if len(refused) != 1 || !strings.Contains(textOf(t, refused[0]), test.why) {
				t.Errorf("%s%s: got %v", name, query, r)
			}
		}
	}
	for _, bad := range []string{`{}`, `{"gatehouse":2}`, `[]`, `{"gatehouse":1,"acounts":[]}`, `null`} {
		root.Must(422, http.MethodPost, "/apply", bad)
	}
	r := root.Must(200, http.MethodPost, "/apply", `{"gatehouse":1,"accounts":[{"username":"anna","notes":"x"}]}`)
	x, err := s.Accounts.Account(t.Context(), "anna")
	if err != nil || x.Notes != "x" || x.Email != "anna@example.org" {
		t.Errorf("what was not named has changed: %+v, %v, %v", x, err, r)
	}
}

// secretOf makes a token of an account.
func secretOf(t *testing.T, s *admintest.Site, account string) string {
	t.Helper()
	made := s.Root().Must(201, http.MethodPost, "/accounts/"+account+"/tokens", `{"name":"script"}`)
	secret, _ := made["secret"].(string)
	return secret
}

func eventsOf(t *testing.T, s *admintest.Site, kinds ...events.Kind) []events.Event {
	t.Helper()
	var all []events.Event
	for _, kind := range kinds {
		found, _, err := s.Events.List(t.Context(), events.Query{Kind: kind})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	return all
}

func textOf(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
