package document_test

import (
	"net/http"
	"testing"

	"gatehouse/admin/admintest"
)

// A stolen token writes a document with "secrets" spelt in another way that JSON
// has, to set a password that it knows.
func TestNoSpellingOfSecretsPassesTheCheck(t *testing.T) {
	s := admintest.New(t)
	s.Admin("boss")
	token := &admintest.Client{Site: s, TLS: true, Header: http.Header{"Authorization": {"Bearer " + secretOf(t, s, "boss")}}}
	victim := s.Add("victim")
	for _, key := range []string{`secrets`, `\u0073ecrets`, `secret\u0073`} {
		token.Must(403, http.MethodPost, "/apply", `{"gatehouse":1,"accounts":[{"username":"victim","`+key+`":{"password":{"hash":"`+hash+`"}}}]}`)
	}
	s.LoggedIn(victim)
}

// A stolen token would stay when it is revoked, if it could give its own account
// a key, or an e-mail address to which reset links go.
func TestADocumentChangesNoCredentialsOfItsOwnAccountForAToken(t *testing.T) {
	s := admintest.New(t)
	boss := s.Admin("boss")
	token := &admintest.Client{Site: s, TLS: true, Header: http.Header{"Authorization": {"Bearer " + secretOf(t, s, "boss")}}}
	for name, field := range map[string]string{
		"a key": `"keys":[{"public_key":"` + admintest.AKey + `"}]`, "e-mail": `"email":"mallory@example.org"`,
		"recovery e-mail": `"recovery_email":"mallory@example.org"`, "the factor": `"second_factor":"exempt"`,
	} {
		doc := `{"gatehouse":1,"accounts":[{"username":"boss",` + field + `}]}`
		for _, query := range []string{"", "?dry_run=true"} {
			got := token.Must(200, http.MethodPost, "/apply"+query, doc)
			if refused, _ := got["refused"].([]any); len(refused) != 1 {
				t.Errorf("%s%s by a token: %v", name, query, got)
			}
		}
		got := boss.Must(200, http.MethodPost, "/apply?confirm=self", doc)
		if changes, _ := got["changes"].([]any); len(changes) != 1 {
			t.Errorf("%s by who has just proved itself: %v", name, got)
		}
	}
	token.Must(200, http.MethodPost, "/apply", `{"gatehouse":1,"accounts":[{"username":"boss","theme":"dark"}]}`)
}

// A group in a document may take the caller's own doors away.
func TestADocumentThatEndsOnesOwnSessionAsksForConfirmation(t *testing.T) {
	s := admintest.New(t)
	boss := s.Admin("boss")
	s.Admin("other")
	boss.Must(201, http.MethodPost, "/groups", `{"name":"staff"}`)
	boss.Must(200, http.MethodPut, "/groups/staff/members/boss", "")
	got := boss.Must(200, http.MethodPost, "/apply", `{"gatehouse":1,"groups":[{"name":"staff","protocols":["sftp"]}]}`)
	if refused, _ := got["refused"].([]any); len(refused) != 1 {
		t.Errorf("without confirm=self: %v", got)
	}
	boss.Must(200, http.MethodGet, "/me", "")
}
