package trail_test

import (
	"net/http"
	"strings"
	"testing"

	"gatehouse/admin/admintest"
	"gatehouse/storage/events"
)

// What nothing can ever be found by is refused with what was meant: an empty list
// would read as if nothing had happened.
func TestEventsAreAskedForByWhatThereIs(t *testing.T) {
	s := admintest.New(t)
	root := s.Root()
	s.Admin("boss")
	s.Add("anna")
	gone := s.Add("gone")
	root.Must(200, http.MethodPatch, "/accounts/gone", `{"display_name":"G"}`)
	root.Must(200, http.MethodDelete, "/accounts/gone?confirm=gone&files=delete", "")
	(&admintest.Client{Site: s, TLS: true}).Must(401, http.MethodPost, "/login", `{"username":"anna","password":"wrong"}`)
	(&admintest.Client{Site: s, TLS: true}).Must(401, http.MethodPost, "/login", `{"username":"stranger","password":"wrong"}`)
	for query, least := range map[string]int{
		"kind=login": 3, "kind=login.refused": 2, "kind=login.": 2, "kind=account": 2, "account=anna": 1, "account=ANNA": 1,
		"account=gone": 2, "account_id=" + gone.ID: 2, "account=stranger": 1, "actor=socket": 2, "actor=socket+(uid+0)": 0,
		"rule=credential": 1, "door=api": 1, "door=account": 0, "rule=quota": 0, "kind=file.upload": 0,
	} {
		page := root.Must(200, http.MethodGet, "/events?"+query, "")
		if items, _ := page["items"].([]any); len(items) < least || least == 0 && len(items) > 0 && !strings.HasPrefix(query, "actor") {
			t.Errorf("%s finds %d, want %d or more", query, len(items), least)
		}
	}
	for query, hint := range map[string]string{
		"kind=login.refsued": `did you mean \"login.refused\"`, "kind=nonsense": "There are login", "account=ana": `did you mean \"anna\"`,
		"account=nobody": "no event tells of one", "account_id=x": "no event tells of one", "actor=bos": `did you mean \"boss\"`,
		"rule=adress": `did you mean \"address\"`, "door=ssh": "sftp", "address=x": "no address", "group=x": "no such group",
	} {
		for _, at := range []string{"/events?", "/events/live?"} {
			w := root.Do(http.MethodGet, at+query, "")
			if name, _, _ := strings.Cut(query, "="); w.Code != 422 || !strings.Contains(w.Body.String(), hint) || !strings.Contains(w.Body.String(), `"query.`+name+`"`) {
				t.Errorf("%s%s: got %d %s", at, query, w.Code, w.Body)
			}
		}
	}
	if kinds := root.List("/event-kinds"); len(kinds) != len(events.Kinds()) || kinds[0]["tells"] == "" {
		t.Errorf("the kinds are %v", kinds)
	}
}

// Whom a delegate does not see, gone or there, it hears nothing of by asking.
func TestADelegateAsksForNoStrangersEvents(t *testing.T) {
	o := admintest.NewOffice(t)
	o.Delegate.Must(200, http.MethodPatch, "/accounts/ann", `{"display_name":"A"}`)
	o.Root().Must(200, http.MethodPatch, "/accounts/zoe", `{"display_name":"Z"}`)
	o.Delegate.Must(200, http.MethodGet, "/events?account=ann", "")
	there, not := o.Delegate.Do(http.MethodGet, "/events?account=zoe", ""), o.Delegate.Do(http.MethodGet, "/events?account=who", "")
	if there.Code != 422 || strings.ReplaceAll(there.Body.String(), "zoe", "who") != not.Body.String() {
		t.Errorf("%d %s\nand %d %s", there.Code, there.Body, not.Code, not.Body)
	}
	o.Delegate.Must(200, http.MethodGet, "/events?group=whatever", "")
}

// A change names the credential that made it, and the group that it is about.
func TestChangesTellByWhatAndOfWhichGroup(t *testing.T) {
	s := admintest.New(t)
	boss := s.Admin("boss")
	s.Add("anna")
	boss.Must(201, http.MethodPost, "/groups", `{"name":"crew"}`)
	boss.Must(200, http.MethodPut, "/groups/crew/members/anna", "")
	found := boss.Must(200, http.MethodGet, "/events?group=crew", "")["items"].([]any)
	if len(found) != 2 {
		t.Fatalf("the group has the events %v", found)
	}
	joined := found[0].(map[string]any)
	if joined["account"] != "anna" || joined["group"] != "crew" || !strings.HasPrefix(joined["credential"].(string), "password") {
		t.Errorf("got %v", joined)
	}
	if after := joined["after"].(map[string]any)["groups"].([]any); len(after) != 1 || after[0] != "crew" {
		t.Errorf("got %v", joined)
	}
}
