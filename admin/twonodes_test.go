package admin_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"gatehouse/admin/admintest"
	"gatehouse/protocols/protocoltest"
)

// eachNode asks every node at once and returns the answers' statuses.
func eachNode(nodes []*admintest.Site, ask func(i int, s *admintest.Site) int) []int {
	codes := make([]int, len(nodes))
	var all sync.WaitGroup
	start := make(chan struct{})
	for i, s := range nodes {
		all.Go(func() {
			<-start
			codes[i] = ask(i, s)
		})
	}
	close(start)
	all.Wait()
	return codes
}

func went(codes []int) (n int) {
	for _, c := range codes {
		if c < 300 {
			n++
		}
	}
	return n
}

// Two administrators who take the role from each other at the same moment, each on
// another node: one stays. So does a username, a home, and a group's name belong to
// one, whoever asks where.
func TestRulesOverAllNodesAtOnce(t *testing.T) {
	run := func(t *testing.T, nodes []*admintest.Site) {
		first, second := nodes[0].Admin("first"), nodes[1].Admin("second")
		roots := []*admintest.Client{first, second}
		names := []string{"second", "first"}
		for round := range 15 {
			codes := eachNode(nodes, func(i int, s *admintest.Site) int {
				return at(roots[i], s).Do("PATCH", "/accounts/"+names[i], admintest.Body("role", "user")).Code
			})
			if n := went(codes); n > 1 {
				t.Fatalf("round %d: nobody administers any more: %v", round, codes)
			}
			for _, name := range names {
				nodes[0].Root().Must(200, "PATCH", "/accounts/"+name, admintest.Body("role", "admin"))
			}
			name := fmt.Sprint("user", round)
			codes = eachNode(nodes, func(i int, s *admintest.Site) int {
				return s.Root().Do("POST", "/accounts", admintest.Body("username", []string{name, "USER" + fmt.Sprint(round)}[i], "password", "a wholly new sentence")).Code
			})
			if n := went(codes); n != 1 {
				t.Errorf("round %d: %d accounts of one name: %v", round, n, codes)
			}
			codes = eachNode(nodes, func(i int, s *admintest.Site) int {
				return s.Root().Do("POST", "/accounts", admintest.Body("username", fmt.Sprint("homed", round, "-", i), "home", "/home/shared"+fmt.Sprint(round), "password", "a wholly new sentence")).Code
			})
			if n := went(codes); n != 1 {
				t.Errorf("round %d: %d accounts with one home: %v", round, n, codes)
			}
			codes = eachNode(nodes, func(_ int, s *admintest.Site) int {
				return s.Root().Do("POST", "/groups", admintest.Body("name", name)).Code
			})
			if n := went(codes); n != 1 {
				t.Errorf("round %d: %d groups of one name: %v", round, n, codes)
			}
		}
	}
	t.Run("memory", func(t *testing.T) { run(t, admintest.Several(t, protocoltest.Nodes{Count: 2})) })
	t.Run("redis", func(t *testing.T) {
		run(t, admintest.Several(t, protocoltest.Nodes{Count: 2, Store: protocoltest.Redis(t)}))
	})
}

// Of administrators who have looked at a quota and change it at the same moment, each
// on another node, one does, and the others hear that it has changed: of a folder's own,
// of a home's and of a group's.
func TestOneSetsAQuotaOfThoseWhoLooked(t *testing.T) {
	run := func(t *testing.T, nodes []*admintest.Site) {
		root := nodes[0].Root()
		root.Must(201, "POST", "/accounts", admintest.Body("username", "ann", "password", "a wholly new sentence"))
		root.Must(201, "POST", "/groups", admintest.Body("name", "all", "folder", "/all"))
		for round := range 10 {
			for _, folder := range []string{"/shared", "/home/ann", "/all"} {
				tag := func(s *admintest.Site) string {
					return s.Root().Do("GET", "/quotas/at?path="+folder, "").Header().Get("ETag")
				}
				seen := tag(nodes[0])
				for began := time.Now(); tag(nodes[1]) != seen; seen = tag(nodes[0]) { // both hear of the round before
					if time.Since(began) > 30*time.Second {
						t.Fatalf("%s: the nodes do not agree", folder)
					}
				}
				codes := eachNode(nodes, func(i int, s *admintest.Site) int {
					c := s.Root()
					c.Header = http.Header{"If-Match": {seen}}
					return c.Do("PUT", "/quotas", fmt.Sprintf(`{"path":%q,"limit_bytes":%d}`, folder, 1000+10*round+i)).Code
				})
				if went(codes) != 1 || !slices.Contains(codes, 412) {
					t.Errorf("round %d, %s: %v, want that one sets it and the other hears 412", round, folder, codes)
				}
			}
		}
	}
	t.Run("memory", func(t *testing.T) { run(t, admintest.Several(t, protocoltest.Nodes{Count: 2})) })
	t.Run("redis", func(t *testing.T) {
		run(t, admintest.Several(t, protocoltest.Nodes{Count: 2, Store: protocoltest.Redis(t)}))
	})
}
