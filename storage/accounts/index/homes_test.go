package index

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts/record"
	"gatehouse/storage/state"
	"gatehouse/storage/state/typed"
)

// However homes come, move and go, who asks hears of those that looking at every
// account would find, and of no other.
func TestOverlappingHomes(t *testing.T) {
	folders := []string{"/home", "/home/a", "/home/a/b", "/home/ab", "/srv"}
	rapid.Check(t, func(t *rapid.T) {
		x := New(1)
		homes := make(map[string]path.Path)
		for revision := range uint64(rapid.IntRange(1, 20).Draw(t, "changes")) {
			id := rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "account")
			if rapid.IntRange(0, 3).Draw(t, "what") == 0 {
				x.Remove(record.AccountPrefix + id)
				x.gone.names = make(map[string]bool) // one of the same id may come
				delete(homes, id)
				continue
			}
			home := path.MustParse(rapid.SampledFrom(folders).Draw(t, "home"))
			p, err := typed.Put(record.AccountPrefix+id, record.Account{Account: policy.Account{ID: id, Name: "u" + id, Home: home}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := x.Put(state.Record{Name: p.Name, Value: p.Value, Revision: revision + 1}); err != nil {
				t.Fatal(err)
			}
			homes[id] = home
		}
		for _, folder := range folders {
			folder := path.MustParse(folder)
			for _, but := range []string{"", "1", "2"} {
				var in, around []string
				for id, home := range homes {
					switch {
					case id == but:
					case folder.Contains(home):
						in = append(in, id)
					case home.Contains(folder):
						around = append(around, id)
					}
				}
				check := func(what string, got, want []string) {
					slices.Sort(got)
					slices.Sort(want)
					if fmt.Sprint(got) != fmt.Sprint(want) {
						t.Fatalf("%s %s but for %q: got %v, want %v of %v", what, folder, but, got, want, homes)
					}
				}
				check("in", ids(x.HomesIn(folder, but)), in)
				check("around", ids(x.HomesAround(folder, but)), around)
			}
		}
		if len(homes) == 0 && len(x.relations.homes) != 0 {
			t.Fatalf("of no homes there is left %v", x.relations.homes)
		}
	})
}

func ids(found func(func(*Entry) bool)) (list []string) {
	for e := range found {
		list = append(list, e.Account.ID)
	}
	return list
}
