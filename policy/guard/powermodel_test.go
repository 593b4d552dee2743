package guard_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/mount"
)

// The same for changes in any order.
func TestPowerCutAnywhere(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		sync := rapid.SampledFrom([]string{mount.SyncClose, mount.SyncAlways}).Draw(r, "sync")
		how := rapid.SampledFrom([]policy.Uploads{policy.InPlace, policy.Atomic}).Draw(r, "uploads")
		m := &chance{T: r, outage: newOutage(t, sync, how), is: map[string]string{}, inPlace: how == policy.InPlace}
		m.fail = r.Errorf
		for name, is := range m.may {
			m.is[name] = is[0]
		}
		defer m.user.Close(nil)
		for range rapid.IntRange(1, 25).Draw(r, "changes") {
			m.next()
		}
	})
}

// chance makes up changes of a tree, of which it knows what it holds.
type chance struct {
	*rapid.T
	*outage
	is      map[string]string
	inPlace bool
	count   int
}

func (m *chance) next() {
	m.count++
	switch rapid.SampledFrom([]string{"store", "store", "mkdir", "rename", "rename", "copy", "remove"}).Draw(m.T, "change") {
	case "store":
		name := m.target("file", false)
		m.play(store(name, fmt.Sprint("upload ", m.count), m.inPlace))
	case "mkdir":
		if name := m.target("folder", false); m.is[name] == "" {
			m.play(makes(name))
		}
	case "rename":
		if from, to := m.pair(); from != "" {
			d := renames(from, to, nil)
			d.moved = m.carried(from, to)
			m.play(d)
			m.shift(from, to)
		}
	case "copy":
		if from, to := m.pair(); from != "" {
			d := copies(from, to, m.copied(from, to))
			m.play(d)
		}
	case "remove":
		if name := m.one("removed"); name != "" {
			m.play(m.removal(name))
		}
	}
}

func (m *chance) play(d deed) {
	m.plays(d)
	for name, is := range d.after {
		if is == gone {
			delete(m.is, name)
		} else {
			m.is[name] = is
		}
	}
	if m.wrong > 0 {
		m.FailNow()
	}
}

// one is something that is there, nothing where nothing is.
func (m *chance) one(label string) string {
	if len(m.is) == 0 {
		return ""
	}
	return rapid.SampledFrom(slices.Sorted(maps.Keys(m.is))).Draw(m.T, label)
}

// target is a name for a file: a new one or, where it may be, one that is there.
func (m *chance) target(label string, any bool) string {
	folders := []string{""}
	var taken []string
	for _, name := range slices.Sorted(maps.Keys(m.is)) {
		if m.is[name] == folded {
			folders = append(folders, name)
		}
		if any || m.is[name] != folded {
			taken = append(taken, name)
		}
	}
	if len(taken) > 0 && rapid.Bool().Draw(m.T, label+" is there") {
		return rapid.SampledFrom(taken).Draw(m.T, label)
	}
	name := fmt.Sprintf("%s/n%d", rapid.SampledFrom(folders).Draw(m.T, label+" in"), m.count)
	return name
}

// pair is a source and a target of which none holds the other.
func (m *chance) pair() (from, to string) {
	from, to = m.one("from"), m.target("to", true)
	if from == "" || inside(from, to) || inside(to, from) {
		return "", ""
	}
	return from, to
}

// carried is what may stand under all names that a rename concerns.
func (m *chance) carried(from, to string) map[string][]string {
	after := map[string][]string{}
	for name := range m.may {
		if inside(to, name) || inside(from, name) {
			after[name] = []string{gone}
		}
	}
	for name := range m.may {
		if inside(from, name) {
			after[to+strings.TrimPrefix(name, from)] = m.may[name]
		}
	}
	return after
}

func (m *chance) shift(from, to string) {
	moving := map[string]string{}
	for name, is := range m.is {
		if inside(from, name) {
			moving[to+strings.TrimPrefix(name, from)] = is
		}
	}
	maps.DeleteFunc(m.is, func(name, _ string) bool { return inside(from, name) || inside(to, name) })
	maps.Copy(m.is, moving)
}

// copied is what stands under all names that a copy concerns.
func (m *chance) copied(from, to string) map[string]string {
	after := map[string]string{}
	for name := range m.may {
		if inside(to, name) {
			after[name] = gone
		}
	}
	for name, is := range m.is {
		if inside(from, name) {
			after[to+strings.TrimPrefix(name, from)] = is
		}
	}
	return after
}

func (m *chance) removal(name string) deed {
	d := deed{
		what:   "remove " + name,
		do:     func(u *user) error { return u.RemoveAll(u.w.t.Context(), path.MustParse(name)) },
		after:  map[string]string{},
		always: true,
	}
	for n := range m.is {
		if inside(name, n) {
			d.after[n] = gone
		}
	}
	return d
}
