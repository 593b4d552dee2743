package document

import (
	"encoding/json"
	"errors"

	"gatehouse/admin/record"
	"gatehouse/admin/rest"
	"gatehouse/storage/accounts"
)

// groupFields are what a document says of a group beside its settings.
type groupFields struct {
	Name   string                  `json:"name"`
	Kind   string                  `json:"kind"`
	Owner  string                  `json:"owner"`
	Grants *[]record.GrantSettings `json:"grants"`
}

func (p *applier) group(raw json.RawMessage) (AppliedChange, error) {
	w := &groupWriter{applier: p, directory: p.directory()}
	var err error
	if w.patch, err = pick(raw, &w.fields, "name", "kind", "owner", "grants"); err != nil {
		return AppliedChange{}, err
	}
	before, err := p.api.Accounts.Group(p.ctx, w.fields.Name)
	switch {
	case errors.Is(err, accounts.ErrNotFound):
		return w.create()
	case err != nil:
		return AppliedChange{}, err
	case p.existing == existingKeep:
		return w.compare(before)
	}
	return w.change(before)
}

// groupWriter brings one group in line with what a document says.
type groupWriter struct {
	*applier
	fields    groupFields
	patch     []byte
	directory *record.Directory
}

func (w *groupWriter) create() (AppliedChange, error) {
	c := AppliedChange{Name: w.fields.Name, Action: "create"}
	g := accounts.Group{}
	g.Name = w.fields.Name
	if err := w.found(&g); err != nil {
		return c, err
	}
	if err := w.write(&g); err != nil {
		return c, err
	}
	c.After = rest.Map(documentGroup(g, w.directory))
	if w.dry {
		return c, nil
	}
	made, err := w.api.Accounts.CreateGroup(w.ctx, g)
	if err != nil {
		return c, err
	}
	w.offer(made.ID, joinsNew)
	return c, w.api.RecordGroup(w.ctx, "group.create", c.Name, "", nil, c.After)
}

func (w *groupWriter) change(before accounts.Group) (AppliedChange, error) {
	c := AppliedChange{Name: w.fields.Name, Action: "change"}
	after := before
	if err := w.write(&after); err != nil {
		return c, err
	}
	c.Before, c.After = rest.Difference(rest.Map(documentGroup(before, w.directory)), rest.Map(documentGroup(after, w.directory)))
	if len(c.Before)+len(c.After) == 0 {
		return AppliedChange{Name: c.Name}, nil
	}
	if w.dry {
		return c, nil
	}
	_, err := w.api.Accounts.UpdateGroup(w.ctx, before.Name, 0, func(g *accounts.Group) error {
		if err := w.write(g); err != nil {
			return err
		}
		return w.api.GroupConfirmed(w.ctx, g.ID, &g.Group, w.confirm)
	}, rest.CallerOf(w.ctx).Option())
	if err != nil {
		return c, err
	}
	was := map[string]any{"name": before.Name}
	for key, value := range c.Before {
		was[key] = value
	}
	return c, w.api.RecordGroup(w.ctx, "group.change", c.Name, "", was, c.After)
}

// found puts into a group what it has for life.
func (w *groupWriter) found(g *accounts.Group) (err error) {
	if g.Kind = w.fields.Kind; g.Kind == "" {
		g.Kind = accounts.UserGroup
	}
	g.Owner = ""
	if w.fields.Owner == "" {
		return nil
	}
	if g.Owner, err = w.directory.AccountID(w.fields.Owner); err != nil {
		return rest.Invalid("owner", "there is no account "+w.fields.Owner)
	}
	return nil
}

// write puts into a group what the document says; it may be called more than once.
func (w *groupWriter) write(g *accounts.Group) error {
	s, err := rest.Merge(record.GroupSettingsOf(*g, w.directory), record.GroupSettings{}, w.patch)
	if err != nil {
		return err
	}
	if w.fields.Grants != nil {
		if g.Grants, err = asGrants(*w.fields.Grants, g.Grants); err != nil {
			return err
		}
	}
	return s.Write(g, w.directory)
}
