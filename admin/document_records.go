package admin

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"gatehouse/auth"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// groupFields are what a document says of a group beside its settings.
type groupFields struct {
	Name   string           `json:"name"`
	Kind   string           `json:"kind"`
	Owner  string           `json:"owner"`
	Grants *[]GrantSettings `json:"grants"`
}

func (p *applier) group(raw json.RawMessage) (AppliedChange, error) {
	var f groupFields
	c := AppliedChange{}
	patch, err := pick(raw, &f, "name", "kind", "owner", "grants")
	if err != nil {
		return c, err
	}
	c.Name = f.Name
	before, err := p.api.Accounts.Group(p.ctx, f.Name)
	missing := errors.Is(err, accounts.ErrNotFound)
	if err != nil && !missing {
		return c, err
	}
	d := p.directory()
	write := func(g *accounts.Group) error {
		s, err := merge(groupSettingsOf(*g, d), GroupSettings{}, patch)
		if err != nil {
			return err
		}
		if f.Grants != nil {
			if g.Grants, err = asGrants(*f.Grants, g.Grants); err != nil {
				return err
			}
		}
		return s.write(g, d)
	}
	after := before
	if missing {
		after.Name, after.Kind = f.Name, f.Kind
		if after.Kind == "" {
			after.Kind = accounts.UserGroup
		}
		if f.Owner != "" {
			if after.Owner, err = d.accountID(f.Owner); err != nil {
				return c, invalid("owner", "there is no account "+f.Owner)
			}
		}
	}
	if err := write(&after); err != nil {
		return c, err
	}
	if missing {
		c.Action, c.After = "create", asMap(documentGroup(after, d))
		if p.dry {
			return c, nil
		}
		if _, err := p.api.Accounts.CreateGroup(p.ctx, after); err != nil {
			return c, err
		}
		return c, p.api.record(p.ctx, "group.create", "", nil, c.After)
	}
	c.Before, c.After = difference(asMap(documentGroup(before, d)), asMap(documentGroup(after, d)))
	if len(c.Before)+len(c.After) == 0 {
		return c, nil
	}
	c.Action = "change"
	if p.dry {
		return c, nil
	}
	_, err = p.api.Accounts.UpdateGroup(p.ctx, before.Name, 0, func(g *accounts.Group) error {
		if err := write(g); err != nil {
			return err
		}
		return p.api.groupConfirmed(p.ctx, g.ID, &g.Group, p.confirm)
	}, callerOf(p.ctx).option())
	if err != nil {
		return c, err
	}
	was := map[string]any{"name": before.Name}
	for key, value := range c.Before {
		was[key] = value
	}
	return c, p.api.record(p.ctx, "group.change", "", was, c.After)
}

// asGrants reads grants; one that is there already keeps its id.
func asGrants(list []GrantSettings, present []policy.Grant) ([]policy.Grant, error) {
	var grants []policy.Grant
	for _, s := range list {
		g, err := s.grant()
		if err != nil {
			return nil, err
		}
		same := func(x policy.Grant) bool {
			return x.Path == g.Path && x.Permissions == g.Permissions && x.Recursive == g.Recursive && x.At == g.At
		}
		if i := slices.IndexFunc(present, same); i >= 0 {
			g.ID = present[i].ID
		}
		grants = append(grants, g)
	}
	return grants, nil
}

// accountFields are what a document says of an account beside its settings.
type accountFields struct {
	Username    string           `json:"username"`
	ID          string           `json:"id"`
	Disabled    *bool            `json:"disabled"`
	DisabledWhy string           `json:"disabled_why"`
	Grants      *[]GrantSettings `json:"grants"`
	Keys        *[]DocumentKey   `json:"keys"`
	AdoptHome   bool             `json:"adopt_home"`
	Secrets     *DocumentSecrets `json:"secrets"`
}

func (p *applier) account(raw json.RawMessage) (AppliedChange, error) {
	var f accountFields
	patch, err := pick(raw, &f, "username", "id", "disabled", "disabled_why", "grants", "keys", "adopt_home", "secrets")
	if err != nil {
		return AppliedChange{}, err
	}
	w := &accountWriter{applier: p, fields: f, patch: patch, directory: p.directory()}
	before, err := p.api.Accounts.Account(p.ctx, f.Username)
	switch {
	case errors.Is(err, accounts.ErrNotFound):
		return w.create()
	case err != nil:
		return AppliedChange{}, err
	}
	return w.change(before)
}

// directory names records; in a dry run also those that the document would make.
func (p *applier) directory() *directory {
	d := p.api.directory(p.ctx)
	d.lenient = p.dry
	return d
}

// accountWriter brings one account in line with what a document says.
type accountWriter struct {
	*applier
	fields    accountFields
	patch     []byte
	directory *directory
	notes     []string
}

func (w *accountWriter) create() (AppliedChange, error) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	x := accounts.Account{Imported: now}
	x.Name, x.Role = w.fields.Username, policy.RoleUser
	if w.fields.Secrets != nil {
		x.ID = w.fields.ID
	}
	c := AppliedChange{Name: x.Name, Action: "create"}
	if err := w.write(&x); err != nil {
		return c, err
	}
	c.After, c.Notes = w.api.documentAccount(x, w.zone, w.directory).describe(), w.notes
	if w.dry {
		return c, w.check(x)
	}
	made, err := w.api.Sessions.CreateAccount(w.ctx, x, "", false, w.fields.AdoptHome)
	if bad, ok := errors.AsType[*accounts.InvalidError](err); ok && bad.Field == "id" && x.ID != "" {
		// Another account has or had the id: what is sealed for it is of no use then.
		w.fields.ID = ""
		return w.create()
	}
	if err != nil {
		return c, err
	}
	delete(c.After, secretMark)
	return c, w.api.record(w.ctx, "account.create", made.Name, nil, c.After)
}

func (w *accountWriter) change(before accounts.Account) (AppliedChange, error) {
	c := AppliedChange{Name: before.Name}
	was := w.api.documentAccount(before, w.zone, w.directory).describe()
	after := before
	if err := w.write(&after); err != nil {
		return c, err
	}
	c.Notes = w.notes
	c.Before, c.After = difference(was, w.api.documentAccount(after, w.zone, w.directory).describe())
	if len(c.Before)+len(c.After) == 0 {
		return AppliedChange{Name: before.Name}, nil
	}
	c.Action = "change"
	if err := w.api.mayProfile(w.ctx, before, after); err != nil {
		return c, err
	}
	if w.dry {
		return c, w.check(after)
	}
	_, err := w.api.Sessions.ChangeAccount(w.ctx, before.Name, 0, func(x *accounts.Account) error {
		was := *x
		if err := w.write(x); err != nil {
			return err
		}
		if err := w.api.mayProfile(w.ctx, was, *x); err != nil {
			return err
		}
		return w.api.confirmed(w.ctx, *x, w.confirm)
	}, callerOf(w.ctx).option())
	if err != nil {
		return c, err
	}
	delete(c.Before, secretMark)
	delete(c.After, secretMark)
	return c, w.api.record(w.ctx, "account.change", before.Name, c.Before, c.After)
}

// check judges what an account would be, as if it were a new one: those that the
// document makes besides it are taken as there.
func (w *accountWriter) check(x accounts.Account) error {
	if _, err := w.api.Accounts.Account(w.ctx, x.Name); err == nil {
		x.Name = "check " + rand.Text()
	}
	x.ID, x.Credentials = "", nil
	x.Groups = slices.DeleteFunc(slices.Clone(x.Groups), func(id string) bool {
		_, err := w.api.Accounts.GroupByID(w.ctx, id)
		return err != nil
	})
	kept := slices.DeleteFunc(slices.Clone(x.ManagedBy), w.directory.planned)
	if len(kept) < len(x.ManagedBy) && len(kept) == 0 && x.Role == policy.RoleGuest {
		x.Role = policy.RoleUser // who answers for the guest comes with the document
	}
	x.ManagedBy = kept
	_, err := w.api.Accounts.Prepare(w.ctx, x)
	return err
}

// write puts into an account what the document says; it may be called more than once.
func (w *accountWriter) write(x *accounts.Account) error {
	w.notes = nil
	settings, err := merge(settingsOf(*x, w.directory), AccountSettings{}, w.patch)
	if err != nil {
		return err
	}
	if settings.Home == "" || settings.Home == "/" {
		settings.Home = ""
		if !x.Home.IsRoot() {
			settings.Home = x.Home.String()
		}
	}
	if err := settings.write(x, w.zone, w.directory); err != nil {
		return err
	}
	if w.fields.Grants != nil {
		if x.Grants, err = asGrants(*w.fields.Grants, x.Grants); err != nil {
			return err
		}
	}
	w.writeStatus(x)
	if err := w.writeKeys(x); err != nil {
		return err
	}
	return w.writeSecrets(x)
}

func (w *accountWriter) writeStatus(x *accounts.Account) {
	want := w.fields.Disabled
	if want == nil || *want == x.Status.Disabled && (!*want || w.fields.DisabledWhy == x.Status.Why) {
		return
	}
	x.Status = policy.Status{Disabled: *want, By: callerOf(w.ctx).id(), At: time.Now().UTC().Truncate(time.Millisecond)}
	if *want {
		x.Status.Why = w.fields.DisabledWhy
	}
}

// writeKeys sets the keys; one that is there already keeps its id and its day.
func (w *accountWriter) writeKeys(x *accounts.Account) error {
	if w.fields.Keys == nil {
		return nil
	}
	var keys []accounts.Key
	for _, k := range *w.fields.Keys {
		key, err := accounts.ParseKey(k.PublicKey)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(x.Keys, func(has accounts.Key) bool { return has.Fingerprint == key.Fingerprint }); i >= 0 {
			key.ID, key.Added = x.Keys[i].ID, x.Keys[i].Added
		}
		if k.Name != "" {
			key.Name = k.Name
		}
		key.Expires, key.AllowedIPs = k.Expires, k.AllowedIPs
		keys = append(keys, key)
	}
	x.Keys = keys
	return nil
}

// writeSecrets sets what the document brings; what it does not bring stays.
func (w *accountWriter) writeSecrets(x *accounts.Account) error {
	s := w.fields.Secrets
	if s == nil {
		return nil
	}
	if s.Password != nil {
		if err := writePassword(x, *s.Password); err != nil {
			return err
		}
	}
	if s.Credentials != nil {
		x.Credentials = s.Credentials
	}
	w.writeFactor(x, s.TOTP)
	return nil
}

func writePassword(x *accounts.Account, p DocumentPassword) error {
	if x.Password != nil && x.Password.Hash == p.Hash && x.Password.MustChange == p.MustChange {
		return nil
	}
	if err := auth.KnownHash(p.Hash); err != nil {
		return invalid("secrets.password.hash", err.Error())
	}
	if p.Changed.IsZero() {
		p.Changed = time.Now().UTC().Truncate(time.Second)
	}
	x.Password = &accounts.Password{ID: rand.Text(), Hash: p.Hash, Changed: p.Changed, MustChange: p.MustChange}
	return nil
}

// writeFactor sets the second factor. One that was sealed elsewhere cannot be
// read here: the account must enrol again before any password opens a door.
func (w *accountWriter) writeFactor(x *accounts.Account, f *accounts.TOTP) {
	if f == nil || x.TOTP != nil && x.TOTP.ID == f.ID {
		return
	}
	brought := *x
	brought.TOTP = f
	if w.api.Sessions.OpensFactor(brought) {
		x.TOTP = f
		return
	}
	if x.TOTP != nil {
		return
	}
	if x.Shared {
		w.notes = append(w.notes, "its second factor cannot be read here and is left out")
		return
	}
	x.SecondFactor.Required = policy.Allow
	w.notes = append(w.notes, "its second factor cannot be read here: it must enrol again before a password opens a door")
}
