package admin_test

import (
	"fmt"
	"testing"

	"gatehouse/admin/admintest"
	"gatehouse/protocols/protocoltest"
)

// at is the same browser or script, which asks another node.
func at(c *admintest.Client, s *admintest.Site) *admintest.Client {
	other := *c
	other.Site = s
	return &other
}

// A script whose requests go to one node after the other sees what it has just
// done; so does the person whom it made an account.
func TestAScriptSeesWhatItDidOnAnotherNode(t *testing.T) {
	run := func(t *testing.T, nodes []*admintest.Site) {
		a, b := nodes[0], nodes[1]
		root := a.Admin("root")
		for i := range 20 {
			name := fmt.Sprint("user", i)
			at(root, a).Must(201, "POST", "/accounts", admintest.Body("username", name, "password", "a sentence of "+name))
			person := &admintest.Client{Site: b, TLS: true}
			person.Must(200, "POST", "/login", admintest.Body("username", name, "password", "a sentence of "+name))
			at(root, b).Must(200, "PATCH", "/accounts/"+name, admintest.Body("display_name", "Number"))
			if got := at(root, a).Must(200, "GET", "/accounts/"+name, "")["display_name"]; got != "Number" {
				t.Fatalf("%s has the name %v", name, got)
			}
			at(root, a).Must(200, "POST", "/accounts/"+name+"/disable", "{}")
			at(person, b).Must(401, "GET", "/me", "")
			at(root, b).Must(200, "DELETE", "/accounts/"+name+"?files=delete&confirm="+name, "")
			at(root, a).Must(404, "GET", "/accounts/"+name, "")
		}
	}
	t.Run("memory", func(t *testing.T) { run(t, admintest.Several(t, protocoltest.Nodes{Count: 2})) })
	t.Run("redis", func(t *testing.T) {
		run(t, admintest.Several(t, protocoltest.Nodes{Count: 2, Store: protocoltest.Redis(t)}))
	})
}

// An administrator asks one node and sees, and ends, what is on the others.
func TestSessionsOfAllNodesAreListedAndEnded(t *testing.T) {
	nodes := admintest.Several(t, protocoltest.Nodes{Count: 3})
	root := nodes[0].Admin("root")
	p := nodes[0].Add("ann")
	for _, s := range nodes[1:] {
		s.LoggedIn(p)
	}
	var list []map[string]any
	admintest.Eventually(t, func() bool {
		list = root.List("/accounts/ann/sessions")
		return len(list) == 2
	})
	for _, d := range list {
		if on, ok := d["nodes"].([]any); !ok || len(on) != 1 {
			t.Errorf("the session is on %v", d["nodes"])
		}
		root.Must(200, "DELETE", "/sessions/"+d["id"].(string), "")
	}
	if left := root.List("/accounts/ann/sessions"); len(left) != 0 {
		t.Errorf("of those ended there are still %v", left)
	}
	if n := len(nodes[1].Sessions.List()) + len(nodes[2].Sessions.List()); n != 0 {
		t.Errorf("the other nodes still have %d", n)
	}
}

func TestNodesAreListed(t *testing.T) {
	nodes := admintest.Several(t, protocoltest.Nodes{Count: 2})
	root := nodes[1].Admin("root")
	list := root.List("/nodes")
	if len(list) != 2 || list[0]["state"] != "alive" || list[1]["state"] != "alive" || list[0]["self"] == list[1]["self"] {
		t.Errorf("got %v", list)
	}
	nodes[0].LoggedIn(nodes[0].Add("ann")).Must(403, "GET", "/nodes", "")
	if alone := admintest.New(t).Admin("root").List("/nodes"); len(alone) != 0 {
		t.Errorf("a gateway alone lists %v", alone)
	}
}
