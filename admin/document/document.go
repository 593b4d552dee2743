// Package document turns accounts, groups and the site's policy into one document,
// and brings them in line with one.
package document

import (
	"context"
	"slices"
	"time"

	"gatehouse/admin/record"
	"gatehouse/admin/rest"
	"gatehouse/admin/rights"
	"gatehouse/admin/usage"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// An API exports and applies documents.
type API struct {
	*rights.Judge
	quotas *usage.API
}

// New makes the API.
func New(j *rights.Judge, quotas *usage.API) *API { return &API{j, quotas} }

// DocumentVersion is the version of a Document's layout.
const DocumentVersion = 1

// A Document is accounts, groups and site policy as text: what export writes and
// apply reads. People and groups are named; fields are those of the API.
type Document struct {
	Version  int               `json:"gatehouse"`
	Site     map[string]any    `json:"site,omitempty"`
	Groups   []DocumentGroup   `json:"groups,omitempty"`
	Accounts []DocumentAccount `json:"accounts,omitempty"`
	// Quotas are those of folders whose quota is no setting of an account or a group.
	Quotas []DocumentQuota `json:"quotas,omitempty"`
}

// DocumentQuota is the quota of a folder.
type DocumentQuota struct {
	Path string `json:"path"`
	record.QuotaSettings
}

// DocumentGroup is a group of a Document; who is in it stands with the accounts.
type DocumentGroup struct {
	Name  string `json:"name"`
	Kind  string `json:"kind,omitempty"`
	Owner string `json:"owner,omitempty"`
	record.GroupSettings
	Grants []record.GrantSettings `json:"grants,omitempty"`
}

// DocumentAccount is an account of a Document.
type DocumentAccount struct {
	Username string `json:"username"`
	// ID is kept where the account is made and the id is free: what is sealed for
	// it can be opened then.
	ID string `json:"id,omitempty"`
	record.AccountSettings
	Disabled    bool                   `json:"disabled,omitempty"`
	DisabledWhy string                 `json:"disabled_why,omitempty"`
	Grants      []record.GrantSettings `json:"grants,omitempty"`
	Keys        []DocumentKey          `json:"keys,omitempty"`
	AdoptHome   bool                   `json:"adopt_home,omitempty"`
	Secrets     *DocumentSecrets       `json:"secrets,omitempty"`
}

// DocumentKey is an SSH public key.
type DocumentKey struct {
	PublicKey  string     `json:"public_key"`
	Name       string     `json:"name,omitempty"`
	Expires    *time.Time `json:"expires,omitempty"`
	AllowedIPs []string   `json:"allowed_ips,omitempty"`
}

// DocumentSecrets are hashes and sealed secrets. They are exported and applied
// over the socket, or by who has just proved itself.
type DocumentSecrets struct {
	Password    *DocumentPassword     `json:"password,omitempty"`
	Credentials []accounts.Credential `json:"credentials,omitempty"`
	TOTP        *accounts.TOTP        `json:"totp,omitempty"`
	// TOTPSecret is that of a second factor that counted elsewhere, in base32; an
	// export never has it.
	TOTPSecret string `json:"totp_secret,omitempty"`
}

// DocumentPassword is a password's hash: argon2id, or a format that is verified
// and upgraded at login.
type DocumentPassword struct {
	Hash       string    `json:"hash"`
	Changed    time.Time `json:"changed,omitzero"`
	MustChange bool      `json:"must_change,omitempty"`
}

// documentAccount is an account as export writes it, with its secrets.
func (a *API) documentAccount(x accounts.Account, zone string, d *record.Directory) DocumentAccount {
	v := DocumentAccount{
		Username: x.Name, AccountSettings: record.SettingsOf(x, d), Disabled: x.Status.Disabled, Grants: grantSettings(x.Grants),
	}
	v.withoutDefaults(x)
	if x.Status.Disabled {
		v.DisabledWhy = x.Status.Why
	}
	if e := x.Expires; e != nil && e.Date != "" && e.Zone != "" && e.Zone != record.Zone(x.TimeZone, zone) {
		v.Expires = new(e.Instant.UTC().Format(time.RFC3339)) // the date would be another moment elsewhere
	}
	for _, k := range x.Keys {
		v.Keys = append(v.Keys, DocumentKey{k.PublicKey, k.Name, k.Expires, k.AllowedIPs})
	}
	s := DocumentSecrets{Credentials: x.Credentials}
	if x.HasCode() { // an enrolment that was only begun is nobody's second factor
		v.ID, s.TOTP = x.ID, x.TOTP
	}
	if p := x.Password; p != nil {
		s.Password = &DocumentPassword{p.Hash, p.Changed, p.MustChange}
	}
	if s.Password != nil || s.TOTP != nil || len(s.Credentials) > 0 {
		v.Secrets = &s
	}
	return v
}

// withoutDefaults leaves out what an account has where nobody says otherwise.
func (v *DocumentAccount) withoutDefaults(x accounts.Account) {
	if x.Home.IsRoot() { // it is not made yet, and gets its own
		v.Home = ""
	}
	for _, choice := range []*string{&v.PlainFTP, &v.ShareLinks, &v.DesktopAccess} {
		if *choice == string(policy.Inherit) {
			*choice = ""
		}
	}
}

// withoutSecrets is what may be exported at any time.
func (v DocumentAccount) withoutSecrets() DocumentAccount {
	v.Secrets, v.ID = nil, ""
	return v
}

func documentGroup(g accounts.Group, d *record.Directory) DocumentGroup {
	v := DocumentGroup{Name: g.Name, Owner: d.AccountName(g.Owner), GroupSettings: record.GroupSettingsOf(g, d), Grants: grantSettings(g.Grants)}
	if g.Kind != accounts.UserGroup {
		v.Kind = g.Kind
	}
	return v
}

// grantSettings writes grants without their ids, which every installation makes.
func grantSettings(grants []policy.Grant) []record.GrantSettings {
	var list []record.GrantSettings
	for _, g := range grants {
		s := record.GrantSettings{Path: g.Path.String(), At: g.At}
		if !g.Recursive {
			s.Recursive = new(false)
		}
		if text := g.Permissions.String(); isPreset(text) {
			s.Preset = text
		} else {
			s.Permissions = g.Permissions.Names()
		}
		list = append(list, s)
	}
	return list
}

func isPreset(name string) bool {
	_, err := policy.Preset(name)
	return err == nil
}

// ExportPage is a piece of an export; the first has site and groups, the last has
// the quotas of folders.
type ExportPage struct {
	Document
	Next string `json:"next_cursor,omitempty"`
}

type exportInput struct {
	Secrets bool   `query:"secrets" doc:"with hashes and sealed secrets: over the local socket, or for an administrator who logged in with the password in the last ten minutes, never with a token"`
	Cursor  string `query:"cursor"`
	Limit   int    `query:"limit" minimum:"1" maximum:"1000" default:"500"`
}

func (a *API) export(ctx context.Context, in *exportInput) (*rest.Body[ExportPage], error) {
	if err := a.mayCarrySecrets(ctx, in.Secrets); err != nil {
		return nil, err
	}
	site, err := a.Accounts.Site(ctx)
	if err != nil {
		return nil, a.Problem(err)
	}
	d := record.NewDirectory(ctx, a.Accounts)
	page := ExportPage{Document: Document{Version: DocumentVersion}}
	if in.Cursor == "" {
		if page.Groups, err = a.exportGroups(ctx, d); err != nil {
			return nil, a.Problem(err)
		}
		page.Site = rest.Map(site.Site)
	}
	found, next, err := a.Accounts.List(ctx, accounts.Query{Limit: in.Limit, Cursor: in.Cursor})
	if err != nil {
		return nil, a.Problem(err)
	}
	for _, x := range found {
		v := a.documentAccount(x, site.TimeZone, d)
		if !in.Secrets {
			v = v.withoutSecrets()
		}
		page.Accounts = append(page.Accounts, v)
	}
	if page.Next = next; next == "" {
		page.Quotas = a.exportQuotas()
	}
	if err := a.Record(ctx, "export", "", nil, map[string]any{"accounts": len(found), "secrets": in.Secrets}); err != nil {
		return nil, a.Problem(err)
	}
	return &rest.Body[ExportPage]{Body: page}, nil
}

func (a *API) exportGroups(ctx context.Context, d *record.Directory) ([]DocumentGroup, error) {
	groups, err := a.Accounts.Groups(ctx)
	var list []DocumentGroup
	for _, g := range groups {
		list = append(list, documentGroup(g, d))
	}
	slices.SortFunc(list, func(x, y DocumentGroup) int {
		if x.Name < y.Name {
			return -1
		}
		return 1
	})
	return list, err
}
