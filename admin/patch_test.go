package admin_test

import (
	"encoding/json"
	"strings"
	"testing"

	"gatehouse/admin/admintest"
	"gatehouse/storage/state"
)

// What null resets must be what the site began with: a lockout that is off, or
// passwords of no length, would be the weakest setting instead.
func TestNullResetsSitePolicyToItsDefault(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	before := c.Must(200, "GET", "/site", "")
	c.Must(200, "PATCH", "/site", `{"lockout":{"failures":3,"period":"1h"},"password":{"min_length":20},"ban":{"failures":2}}`)
	c.Must(200, "PATCH", "/site", `{"lockout":{"failures":null,"period":null},"password":null,"ban":{"failures":null}}`)
	after := c.Must(200, "GET", "/site", "")
	for _, key := range []string{"lockout", "password", "ban"} {
		is, _ := json.Marshal(after[key])
		was, _ := json.Marshal(before[key])
		if string(is) != string(was) {
			t.Errorf("%s is %s, want %s", key, is, was)
		}
	}
}

func TestADateOfExpiryStaysInTheZoneItWasSetIn(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	made := c.Must(201, "POST", "/accounts", `{"username":"alice","expires":"2031-02-03","time_zone":"Asia/Tokyo"}`)
	if made["expires_at"] != "2031-02-03T15:00:00Z" {
		t.Fatalf("expires at %v", made["expires_at"])
	}
	moved := c.Must(200, "PATCH", "/accounts/alice", `{"time_zone":"America/New_York"}`)
	if moved["expires_at"] != made["expires_at"] {
		t.Errorf("a change of the time zone moves the end to %v", moved["expires_at"])
	}
	anew := c.Must(200, "PATCH", "/accounts/alice", `{"expires":"2031-02-04"}`)
	if anew["expires_at"] != "2031-02-05T05:00:00Z" {
		t.Errorf("a new date ends at %v", anew["expires_at"])
	}
}

func TestEventsOfChangesSayWhatWasBefore(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	s.Add("ann")
	c.Must(201, "POST", "/groups", `{"name":"crew","protocols":["sftp"]}`)
	c.Must(200, "PATCH", "/groups/crew", `{"protocols":["ftp"]}`)
	c.Must(200, "PUT", "/quotas", `{"path":"/home/ann","limit_bytes":1000}`)
	c.Must(200, "PUT", "/quotas", `{"path":"/home/ann","limit_bytes":2000}`)
	c.Must(200, "POST", "/accounts/ann/unlock", "")
	type event struct {
		Kind          string
		Before, After map[string]any
	}
	var page struct{ Items []event }
	if err := json.Unmarshal(c.Do("GET", "/events", "").Body.Bytes(), &page); err != nil {
		t.Fatal(err)
	}
	for _, e := range page.Items { // newest first
		before, _ := json.Marshal(e.Before)
		switch {
		case e.Kind == "group.change" && !strings.Contains(string(before), "sftp"):
			t.Errorf("%+v lacks what was", e)
		case e.Kind == "quota.set" && e.After["limit_bytes"] == 2000.0 && e.Before["limit_bytes"] != 1000.0:
			t.Errorf("%+v lacks what was", e)
		case e.Kind == "account.unlock" && len(e.After) > 0:
			t.Errorf("%+v names what did not change", e)
		}
	}
}

// A group's deletion that a kill cut short leaves its id with members: it counts
// for nothing, is not shown, and does not stand in the way of a change.
func TestAMembershipOfAGroupThatIsGone(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	s.Add("ann")
	c.Must(201, "POST", "/groups", `{"name":"crew"}`)
	c.Must(200, "PUT", "/groups/crew/members/ann", "")
	g, err := s.Accounts.Group(t.Context(), "crew")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.State.Apply(t.Context(), state.Batch{
		Scope: "accounts", ID: state.NewOperationID(), Deletes: []string{"group/" + g.ID, "groupname/crew"},
	}); err != nil {
		t.Fatal(err)
	}
	admintest.Eventually(t, func() bool { _, err := s.Accounts.Group(t.Context(), "crew"); return err != nil })
	if now := c.Must(200, "GET", "/accounts/ann", ""); now["groups"] != nil {
		t.Errorf("she is in %v", now["groups"])
	}
	if now := c.Must(200, "PATCH", "/accounts/ann", `{"display_name":"Ann"}`); now["display_name"] != "Ann" {
		t.Errorf("got %v", now)
	}
}

// A home that is the whole tree would make its owner master of all; a path that
// is relative, climbs, or leads to no folder that could be adopted is a mistake.
func TestHomesAreAbsolutePathsOfFoldersTheirOwn(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	for _, home := range []string{"/", "relative/path", "/home/../etc"} {
		c.Must(422, "POST", "/accounts", `{"username":"ann","home":"`+home+`"}`)
	}
	c.Must(422, "POST", "/accounts", `{"username":"ann","home":"/ghost","adopt_home":true}`)
	s.Mkdir("/there")
	c.Must(201, "POST", "/accounts", `{"username":"ann","home":"/there","adopt_home":true}`)
}
