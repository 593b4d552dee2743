package document

import (
	"maps"
	"slices"
	"strings"

	"gatehouse/admin/rest"
	"gatehouse/storage/accounts"
)

// What becomes of an account, a group or a quota of a document that is there
// already. A file of another program's users must neither hand somebody's account
// to whoever has that name there, nor give people here what the file is about.
const (
	existingReplace = "replace"
	existingKeep    = "keep"
)

// leftAlone tells of a record that is there already what of it the document would
// have changed.
func leftAlone(c AppliedChange) AppliedChange {
	differs := map[string]bool{}
	for name := range c.Before {
		differs[name] = true
	}
	for name := range c.After {
		differs[name] = true
	}
	if len(differs) == 0 {
		return AppliedChange{Name: c.Name}
	}
	its := strings.Join(slices.Sorted(maps.Keys(differs)), ", ")
	return AppliedChange{Name: c.Name, Action: "keep", Notes: []string{"is there already: left alone, and keeps its own " + its}}
}

// compare leaves a group alone that is there already. One that is in everything as
// the document says takes the accounts in that the document makes.
func (w *groupWriter) compare(before accounts.Group) (AppliedChange, error) {
	c := AppliedChange{Name: before.Name}
	// Of what the document does not say it means nothing: what the group has beyond
	// that would be given to who joins it.
	after := accounts.Group{}
	after.ID, after.Name = before.ID, before.Name
	if err := w.found(&after); err != nil {
		return c, err
	}
	if err := w.write(&after); err != nil {
		return c, err
	}
	c.Before, c.After = rest.Difference(rest.Map(documentGroup(before, w.directory)), rest.Map(documentGroup(after, w.directory)))
	if c = leftAlone(c); c.Action == "" {
		w.offer(before.ID, joinsSame)
	}
	return c, nil
}

// A joining says why an account that an import makes may become a member of a group.
type joining int

// The joinings; the zero one is that it may not.
const (
	joinsNew  joining = iota + 1 // the document has made the group
	joinsSame                    // it is there already, and as the document says
)

// offer notes that accounts which the document makes may join a group.
func (p *applier) offer(group string, j joining) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.joins == nil {
		p.joins = map[string]joining{}
	}
	p.joins[group] = max(p.joins[group], j)
}

// join leaves of an account's groups those that give it what the document says,
// and tells of the others: whoever is in a group here has what is shared in it.
func (w *accountWriter) join(x *accounts.Account) (notes []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	x.Groups = slices.DeleteFunc(slices.Clone(x.Groups), func(id string) bool {
		g, err := w.api.Accounts.GroupByID(w.ctx, id)
		if err != nil { // the document is yet to make it
			return false
		}
		switch w.joins[id] {
		case joinsNew:
			return false
		case joinsSame:
			notes = append(notes, "becomes a member of "+g.Name+", which is there already and is as the document says")
			return false
		}
		notes = append(notes, "is not made a member of "+g.Name+", which is there already and gives what is shared in it here")
		return true
	})
	return notes
}
