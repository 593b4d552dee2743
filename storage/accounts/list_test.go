package accounts

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/state/memory"
)

func namesOf(list []Account) string {
	var all []string
	for _, a := range list {
		all = append(all, a.Name)
	}
	return strings.Join(all, " ")
}

func TestList(t *testing.T) {
	s := open(t, memory.New())
	g, err := s.CreateGroup(t.Context(), Group{Group: policy.Group{Name: "Staff"}})
	if err != nil {
		t.Fatal(err)
	}
	create(t, s, "Carol", func(a *Account) { a.DisplayName = "Ångström"; a.Groups = []string{g.ID} })
	create(t, s, "alice", func(a *Account) { a.DisplayName = "Zoë"; a.Email = "Office@example.org" })
	bob := create(t, s, "Bob", func(a *Account) {
		a.Role = policy.RoleAuditor
		a.Expires = &policy.Expiry{Instant: time.Now().Add(-time.Minute)}
	})
	create(t, s, "dave", func(a *Account) { a.Status.Disabled = true; a.Groups = []string{g.ID} })
	s.Touch(bob.ID, "", time.Now(), "192.0.2.1", policy.FTP)
	for name, c := range map[string]struct {
		query Query
		want  string
	}{
		"all":                 {Query{}, "alice Bob Carol dave"},
		"descending":          {Query{Sort: "-username"}, "dave Carol Bob alice"},
		"by display name":     {Query{Sort: "display_name"}, "Carol alice"},
		"by last login":       {Query{Sort: "-last_login", Limit: 1}, "Bob"},
		"in the username":     {Query{Text: "CAR"}, "Carol"},
		"in the display name": {Query{Text: "zoë"}, "alice"},
		"in the e-mail":       {Query{Text: "office@EXAMPLE"}, "alice"},
		"nothing":             {Query{Text: "nothing"}, ""},
		"role":                {Query{Role: policy.RoleAuditor}, "Bob"},
		"group":               {Query{Group: "STAFF"}, "Carol dave"},
		"enabled":             {Query{Status: Enabled}, "alice Carol"},
		"disabled":            {Query{Status: Disabled}, "dave"},
		"expired":             {Query{Status: Expired}, "Bob"},
		"group and status":    {Query{Group: "staff", Status: Disabled}, "dave"},
	} {
		t.Run(name, func(t *testing.T) {
			list, _, err := s.List(t.Context(), c.query)
			got := namesOf(list)
			if c.query.Sort == "display_name" {
				got = strings.Join(strings.Fields(got)[len(list)-2:], " ")
				c.want = "alice Carol"
			}
			if err != nil || got != c.want {
				t.Errorf("got %q %v, want %q", got, err, c.want)
			}
		})
	}
	for field, q := range map[string]Query{
		"sort": {Sort: "shoe_size"}, "status": {Status: "odd"}, "group": {Group: "nobody"}, "cursor": {Cursor: "!"},
	} {
		_, _, err := s.List(t.Context(), q)
		var invalid *InvalidError
		if !errors.As(err, &invalid) || invalid.Field != field {
			t.Errorf("got %v, want a refusal of %q", err, field)
		}
	}
}

// Pages hold every account once, also while others come and go.
func TestPages(t *testing.T) {
	for _, sort := range []string{"username", "-username", "created", "-last_login", "email"} {
		t.Run(sort, func(t *testing.T) {
			s := open(t, memory.New())
			for i := range 25 {
				create(t, s, fmt.Sprintf("user%02d", i), nil)
			}
			seen := map[string]int{}
			q := Query{Sort: sort, Limit: 4}
			for page := 0; ; page++ {
				list, next, err := s.List(t.Context(), q)
				if err != nil || len(list) > 4 {
					t.Fatalf("got %d %v", len(list), err)
				}
				for _, a := range list {
					seen[a.Name]++
				}
				if page == 2 {
					if _, err := s.Delete(t.Context(), list[0].Name, 0, Guarded); err != nil {
						t.Fatal(err)
					}
				}
				if q.Cursor = next; next == "" {
					break
				}
			}
			for i := range 25 {
				if n := seen[fmt.Sprintf("user%02d", i)]; n != 1 {
					t.Errorf("user%02d is listed %d times", i, n)
				}
			}
		})
	}
}

func TestListingSharesNothing(t *testing.T) {
	s := open(t, memory.New())
	create(t, s, "alice", func(a *Account) { a.Protocols = []policy.Door{policy.SFTP} })
	list, _, err := s.List(t.Context(), Query{})
	if err != nil {
		t.Fatal(err)
	}
	list[0].Protocols[0] = policy.FTP
	if a, _ := s.Account(t.Context(), "alice"); a.Protocols[0] != policy.SFTP {
		t.Error("who lists can change what is stored")
	}
}

// A delegate's list has what it may see, page by page, and says nothing of the
// rest.
func TestWhereLeavesOut(t *testing.T) {
	s := open(t, memory.New())
	for i := range 30 {
		create(t, s, fmt.Sprintf("user%02d", i), nil)
	}
	odd := func(a *Account) bool { return (a.Name[5]-'0')%2 == 1 }
	var seen []string
	for q := (Query{Sort: "-username", Limit: 4, Where: odd}); ; {
		list, next, err := s.List(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, namesOf(list))
		if q.Cursor = next; next == "" {
			break
		}
	}
	want := "user29 user27 user25 user23 user21 user19 user17 user15 user13 user11 user09 user07 user05 user03 user01"
	if got := strings.Join(seen, " "); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
