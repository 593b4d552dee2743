package document

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"gatehouse/admin/record"
	"gatehouse/admin/rest"
	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts"
	"gatehouse/storage/accounts/credentials"
)

// asGrants reads grants; one that is there already keeps its id.
func asGrants(list []record.GrantSettings, present []policy.Grant) ([]policy.Grant, error) {
	var grants []policy.Grant
	for _, s := range list {
		g, err := s.Parse()
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
	Username    string                  `json:"username"`
	ID          string                  `json:"id"`
	Disabled    *bool                   `json:"disabled"`
	DisabledWhy string                  `json:"disabled_why"`
	Grants      *[]record.GrantSettings `json:"grants"`
	Keys        *[]DocumentKey          `json:"keys"`
	AdoptHome   bool                    `json:"adopt_home"`
	Secrets     *DocumentSecrets        `json:"secrets"`
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
func (p *applier) directory() *record.Directory {
	d := record.NewDirectory(p.ctx, p.api.Accounts)
	d.Lenient = p.dry
	return d
}

// accountWriter brings one account in line with what a document says.
type accountWriter struct {
	*applier
	fields    accountFields
	patch     []byte
	directory *record.Directory
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
	if s := w.fields.Secrets; s != nil && s.TOTPSecret != "" && x.ID == "" {
		draft, err := w.api.Accounts.Prepare(w.ctx, x) // what is sealed for it is sealed for its id
		if err != nil {
			return c, err
		}
		x.ID = draft.ID
	}
	if err := w.write(&x); err != nil {
		return c, err
	}
	if w.existing == existingKeep {
		w.notes = append(w.notes, w.join(&x)...)
	}
	c.After, c.Notes = w.api.documentAccount(x, w.zone, w.directory).describe(), w.notes
	if w.dry {
		return c, w.check(x, path.Root)
	}
	made, err := w.api.Provision.Create(w.ctx, x, "", false, w.fields.AdoptHome)
	if bad, ok := errors.AsType[*accounts.InvalidError](err); ok && bad.Field == "id" && x.ID != "" {
		// Another account has or had the id: what is sealed for it is of no use then.
		w.fields.ID = ""
		return w.create()
	}
	if err != nil {
		return c, err
	}
	return c, w.api.Record(w.ctx, "account.create", made.Name, nil, c.After)
}

func (w *accountWriter) change(before accounts.Account) (AppliedChange, error) {
	c := AppliedChange{Name: before.Name, Action: "change"}
	was := w.api.documentAccount(before, w.zone, w.directory)
	after := before
	if err := w.write(&after); err != nil {
		return c, err
	}
	c.Notes = w.notes
	c.Before, c.After = differ(was, w.api.documentAccount(after, w.zone, w.directory))
	if w.existing == existingKeep {
		return leftAlone(c), nil
	}
	if len(c.Before)+len(c.After) == 0 {
		return AppliedChange{Name: before.Name, Notes: c.Notes}, nil
	}
	if err := w.api.MayProfile(w.ctx, before, after); err != nil {
		return c, err
	}
	if w.dry {
		return c, w.check(after, before.Home)
	}
	update := w.api.Provision.Change
	if w.fields.AdoptHome {
		update = w.api.Provision.ChangeAdopting
	}
	_, err := update(w.ctx, before.Name, 0, func(x *accounts.Account) error {
		was := *x
		if err := w.write(x); err != nil {
			return err
		}
		if err := w.api.MayProfile(w.ctx, was, *x); err != nil {
			return err
		}
		return w.api.Confirmed(w.ctx, *x, w.confirm)
	}, rest.CallerOf(w.ctx).Option())
	if err != nil {
		return c, err
	}
	return c, w.api.Record(w.ctx, "account.change", before.Name, c.Before, c.After)
}

// check judges what an account would be, as if it were a new one: those that the
// document makes besides it are taken as there. home is the one that it has.
func (w *accountWriter) check(x accounts.Account, home path.Path) error {
	name := x.Name
	if _, err := w.api.Accounts.Account(w.ctx, x.Name); err == nil {
		x.Name = "check " + rand.Text()
	}
	x.ID, x.Credentials = "", nil
	x.Groups = slices.DeleteFunc(slices.Clone(x.Groups), func(id string) bool {
		_, err := w.api.Accounts.GroupByID(w.ctx, id)
		return err != nil
	})
	kept := slices.DeleteFunc(slices.Clone(x.ManagedBy), w.directory.Planned)
	if len(kept) < len(x.ManagedBy) && len(kept) == 0 && x.Role == policy.RoleGuest {
		x.Role = policy.RoleUser // who answers for the guest comes with the document
	}
	x.ManagedBy = kept
	x, err := w.api.Accounts.Prepare(w.ctx, x)
	if err != nil || w.fields.AdoptHome || x.Home == home {
		return err
	}
	x.Name = name
	return w.api.Provision.HomeFree(w.ctx, x)
}

// write puts into an account what the document says; it may be called more than once.
func (w *accountWriter) write(x *accounts.Account) error {
	w.notes = nil
	settings, err := rest.Merge(record.SettingsOf(*x, w.directory), record.AccountSettings{}, w.patch)
	if err != nil {
		return err
	}
	if settings.Home == "" || settings.Home == "/" {
		settings.Home = ""
		if !x.Home.IsRoot() {
			settings.Home = x.Home.String()
		}
	}
	if err := settings.Write(x, w.zone, w.directory); err != nil {
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
	x.Status = policy.Status{Disabled: *want, By: rest.CallerOf(w.ctx).ID(), At: time.Now().UTC().Truncate(time.Millisecond)}
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
		key, err := credentials.ParseKey(k.PublicKey)
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
