package locks_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"gatehouse/policy/path"
	"gatehouse/storage/locks"
	"gatehouse/storage/state/memory"
)

// model is the rules of RFC 4918 said naively, over a plain list.
type model []locks.Lock

func covers(l locks.Lock, q path.Path) bool { return l.Path == q || l.Deep && l.Path.Contains(q) }

func (m model) conflicts(r locks.Request) bool {
	asked := locks.Lock{Path: r.Path, Deep: r.Deep}
	for _, l := range m {
		if (covers(l, r.Path) || covers(asked, l.Path)) && !(l.Shared && r.Shared) {
			return true
		}
	}
	return false
}

// blocked asks for every single path that a change touches, among all there are.
func (m model) blocked(account string, tokens map[string]bool, t locks.Touch, all []path.Path) bool {
	touched := []path.Path{}
	for _, q := range all {
		if q == t.Path || t.Tree && t.Path.Contains(q) || t.Member && !t.Path.IsRoot() && q == t.Path.Dir() {
			touched = append(touched, q)
		}
	}
	for _, q := range touched {
		exclusive, shared, mine := false, false, false
		for _, l := range m {
			if !covers(l, q) {
				continue
			}
			submitted := l.AccountID == account && tokens[l.Token]
			exclusive = exclusive || !l.Shared && !submitted
			shared = shared || l.Shared
			mine = mine || l.Shared && submitted
		}
		if exclusive || shared && !mine {
			return true
		}
	}
	return false
}

// everyPath is all paths of two names and three levels.
func everyPath() []path.Path {
	all := []path.Path{path.Root}
	for i := 0; len(all[i].String()) <= 4; i++ {
		for _, name := range []string{"a", "b"} {
			q, err := all[i].Join(name)
			if err != nil {
				panic(err)
			}
			all = append(all, q)
		}
	}
	return all
}

func TestTableAgreesWithTheModel(t *testing.T) {
	all := everyPath()
	// A change is asked about down to the third level: below the last there is
	// always one more, so that what a deep lock covers shows.
	top := all[:7]
	rapid.Check(t, func(rt *rapid.T) {
		store := memory.New()
		tables := []*locks.Table{locks.New(store, one), locks.New(store, one)}
		var m model
		table := func() *locks.Table { return rapid.SampledFrom(tables).Draw(rt, "node") }
		account := func() string { return rapid.SampledFrom([]string{"1", "2"}).Draw(rt, "account") }
		at := func() path.Path { return rapid.SampledFrom(top).Draw(rt, "path") }
		rt.Repeat(map[string]func(*rapid.T){
			"lock": func(rt *rapid.T) {
				r := locks.Request{Path: at(), Deep: rapid.Bool().Draw(rt, "deep"), Shared: rapid.Bool().Draw(rt, "shared"), AccountID: account()}
				l, err := table().Lock(t.Context(), r)
				if m.conflicts(r) != errors.Is(err, locks.ErrLocked) {
					rt.Fatalf("lock %+v: %v", r, err)
				}
				if err == nil {
					m = append(m, l)
				}
			},
			"unlock": func(rt *rapid.T) {
				if len(m) == 0 {
					rt.Skip()
				}
				i := rapid.IntRange(0, len(m)-1).Draw(rt, "lock")
				by, on := account(), at()
				err := table().Unlock(t.Context(), on, by, m[i].Token)
				if mine := by == m[i].AccountID && covers(m[i], on); mine != (err == nil) {
					rt.Fatalf("unlock %+v by %s at %s: %v", m[i], by, on, err)
				}
				if err == nil {
					m = append(m[:i:i], m[i+1:]...)
				}
			},
			"moved": func(rt *rapid.T) {
				q := at()
				if err := table().Moved(t.Context(), q); err != nil {
					rt.Fatal(err)
				}
				var left model
				for _, l := range m {
					if !q.Contains(l.Path) {
						left = append(left, l)
					}
				}
				m = left
			},
			"": func(rt *rapid.T) {
				by, node := account(), table()
				tokens := map[string]bool{}
				var list []string
				for _, l := range m {
					if rapid.Bool().Draw(rt, "submitted") {
						tokens[l.Token] = true
						list = append(list, l.Token)
					}
				}
				touch := locks.Touch{Path: at(), Tree: rapid.Bool().Draw(rt, "tree"), Member: rapid.Bool().Draw(rt, "member")}
				err := node.Check(t.Context(), by, list, touch)
				if got := errors.Is(err, locks.ErrLocked); got != m.blocked(by, tokens, touch, all) {
					rt.Fatalf("check %+v by %s with %d of %+v: %v", touch, by, len(list), m, err)
				}
				covering, err := node.Covering(t.Context(), touch.Path)
				want := 0
				for _, l := range m {
					if covers(l, touch.Path) {
						want++
					}
				}
				if err != nil || len(covering) != want {
					rt.Fatalf("%d locks hold on %s, want %d, %v", len(covering), touch.Path, want, err)
				}
			},
		})
	})
}
