package admin

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// DocumentVersion is the version of a Document's layout.
const DocumentVersion = 1

// A Document is accounts, groups and site policy as text: what export writes and
// apply reads. People and groups are named; fields are those of the API.
type Document struct {
	Version  int               `json:"gatehouse"`
	Site     map[string]any    `json:"site,omitempty"`
	Groups   []DocumentGroup   `json:"groups,omitempty"`
	Accounts []DocumentAccount `json:"accounts,omitempty"`
}

// DocumentGroup is a group of a Document; who is in it stands with the accounts.
type DocumentGroup struct {
	Name  string `json:"name"`
	Kind  string `json:"kind,omitempty"`
	Owner string `json:"owner,omitempty"`
	GroupSettings
	Grants []GrantSettings `json:"grants,omitempty"`
}

// DocumentAccount is an account of a Document.
type DocumentAccount struct {
	Username string `json:"username"`
	// ID is kept where the account is made and the id is free: what is sealed for
	// it can be opened then.
	ID string `json:"id,omitempty"`
	AccountSettings
	Disabled    bool             `json:"disabled,omitempty"`
	DisabledWhy string           `json:"disabled_why,omitempty"`
	Grants      []GrantSettings  `json:"grants,omitempty"`
	Keys        []DocumentKey    `json:"keys,omitempty"`
	AdoptHome   bool             `json:"adopt_home,omitempty"`
	Secrets     *DocumentSecrets `json:"secrets,omitempty"`
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
}

// DocumentPassword is a password's hash: argon2id, or a format that is verified
// and upgraded at login.
type DocumentPassword struct {
	Hash       string    `json:"hash"`
	Changed    time.Time `json:"changed,omitzero"`
	MustChange bool      `json:"must_change,omitempty"`
}

// documentAccount is an account as export writes it, with its secrets.
func (a *API) documentAccount(x accounts.Account, zone string, d *directory) DocumentAccount {
	v := DocumentAccount{
		Username: x.Name, AccountSettings: settingsOf(x, d), Disabled: x.Status.Disabled, Grants: grantSettings(x.Grants),
	}
	v.withoutDefaults(x)
	if x.Status.Disabled {
		v.DisabledWhy = x.Status.Why
	}
	if e := x.Expires; e != nil && e.Date != "" && e.Zone != "" && e.Zone != zoneOf(x.TimeZone, zone) {
		v.Expires = new(e.Instant.UTC().Format(time.RFC3339)) // the date would be another moment elsewhere
	}
	for _, k := range x.Keys {
		v.Keys = append(v.Keys, DocumentKey{k.PublicKey, k.Name, k.Expires, k.AllowedIPs})
	}
	if x.TOTP != nil {
		v.ID = x.ID
	}
	s := DocumentSecrets{Credentials: x.Credentials, TOTP: x.TOTP}
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

func documentGroup(g accounts.Group, d *directory) DocumentGroup {
	v := DocumentGroup{Name: g.Name, Owner: d.accountName(g.Owner), GroupSettings: groupSettingsOf(g, d), Grants: grantSettings(g.Grants)}
	if g.Kind != accounts.UserGroup {
		v.Kind = g.Kind
	}
	return v
}

// grantSettings writes grants without their ids, which every installation makes.
func grantSettings(grants []policy.Grant) []GrantSettings {
	var list []GrantSettings
	for _, g := range grants {
		s := GrantSettings{Path: g.Path.String(), At: g.At}
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

// describe is an account of a document as events and differences show it: that a
// secret is another, not which.
func (v DocumentAccount) describe() map[string]any {
	m := asMap(v.withoutSecrets())
	delete(m, "username")
	if v.Secrets == nil {
		return m
	}
	text, _ := json.Marshal(v.Secrets.TOTP)
	m["secrets"] = map[string]any{
		"password": v.Secrets.Password != nil, "second_factor": v.Secrets.TOTP != nil, "credentials": len(v.Secrets.Credentials),
	}
	m[secretMark] = digestOf(v.Secrets.Password, v.Secrets.Credentials, string(text))
	return m
}

// ExportPage is a piece of an export; the first has site and groups.
type ExportPage struct {
	Document
	Next string `json:"next_cursor,omitempty"`
}

type exportInput struct {
	Secrets bool   `query:"secrets" doc:"with hashes and sealed secrets: over the socket, or freshly proved"`
	Cursor  string `query:"cursor"`
	Limit   int    `query:"limit" minimum:"1" maximum:"1000" default:"500"`
}

func (a *API) export(ctx context.Context, in *exportInput) (*bodyOf[ExportPage], error) {
	if err := a.mayCarrySecrets(ctx, in.Secrets); err != nil {
		return nil, err
	}
	site, err := a.Accounts.Site(ctx)
	if err != nil {
		return nil, a.problem(err)
	}
	d := a.directory(ctx)
	page := ExportPage{Document: Document{Version: DocumentVersion}}
	if in.Cursor == "" {
		if page.Groups, err = a.exportGroups(ctx, d); err != nil {
			return nil, a.problem(err)
		}
		page.Site = asMap(site.Site)
	}
	found, next, err := a.Accounts.List(ctx, accounts.Query{Limit: in.Limit, Cursor: in.Cursor})
	if err != nil {
		return nil, a.problem(err)
	}
	for _, x := range found {
		v := a.documentAccount(x, site.TimeZone, d)
		if !in.Secrets {
			v = v.withoutSecrets()
		}
		page.Accounts = append(page.Accounts, v)
	}
	page.Next = next
	if err := a.record(ctx, "export", "", nil, map[string]any{"accounts": len(found), "secrets": in.Secrets}); err != nil {
		return nil, a.problem(err)
	}
	return &bodyOf[ExportPage]{page}, nil
}

func (a *API) exportGroups(ctx context.Context, d *directory) ([]DocumentGroup, error) {
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
