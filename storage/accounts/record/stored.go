package record

import (
	"strings"

	"gatehouse/policy"
	"gatehouse/storage/state"
	"gatehouse/storage/state/typed"
)

// Scope is the scope of the records. Accounts, groups and site share it, so that
// a change of several is one batch.
const Scope = "accounts"

// What the names of records in Scope begin with; the site's is SiteName.
const (
	AccountPrefix = "account/"
	GroupPrefix   = "group/"
	SiteName      = "site"
)

// Split takes a record's name apart; a name without a slash is a kind of its own.
func Split(name string) (kind, id string) {
	i := strings.IndexByte(name, '/')
	if i < 0 {
		return name, ""
	}
	return name[:i+1], name[i+1:]
}

// DecodeAccount reads an account.
func DecodeAccount(r state.Record) (*Account, error) {
	a := new(Account)
	if err := typed.Decode(r, a); err != nil {
		return nil, err
	}
	a.Revision = r.Revision
	return a, nil
}

// DecodeGroup reads a group.
func DecodeGroup(r state.Record) (*Group, error) {
	g := new(Group)
	if err := typed.Decode(r, g); err != nil {
		return nil, err
	}
	g.Revision = r.Revision
	return g, nil
}

// DecodeSite reads the site. Keys that are newer than the record keep their defaults.
func DecodeSite(r state.Record) (*Site, error) {
	s := &Site{Site: policy.DefaultSite()}
	if err := typed.Decode(r, s); err != nil {
		return nil, err
	}
	s.Revision = r.Revision
	return s, nil
}

// RecordName returns the name under which the account stands.
func (a *Account) RecordName() string { return AccountPrefix + a.ID }

// RecordName returns the name under which the group stands.
func (g *Group) RecordName() string { return GroupPrefix + g.ID }

// RecordName returns the name under which the site stands.
func (s *Site) RecordName() string { return SiteName }

// Written gives the account's revision for writing.
func (a *Account) Written() *uint64 { return &a.Revision }

// Written gives the group's revision for writing.
func (g *Group) Written() *uint64 { return &g.Revision }

// Written gives the site's revision for writing.
func (s *Site) Written() *uint64 { return &s.Revision }
