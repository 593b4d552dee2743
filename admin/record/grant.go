package record

import (
	"slices"
	"strings"

	"gatehouse/admin/rest"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// GrantSettings is a grant to be made: a preset, or single permissions.
type GrantSettings struct {
	Path        string   `json:"path" minLength:"1" maxLength:"4096" doc:"a tree path"`
	Preset      string   `json:"preset,omitempty" enum:"full,read-only,upload-only"`
	Permissions []string `json:"permissions,omitempty" doc:"list, read, create, write, delete, share"`
	Recursive   *bool    `json:"recursive,omitempty" doc:"default true"`
	At          string   `json:"at,omitempty" maxLength:"255" doc:"the name under which the folder appears in the account's root"`
}

// Parse makes a policy grant of the settings; the store gives it an id.
func (s GrantSettings) Parse() (policy.Grant, error) {
	g := policy.Grant{Recursive: s.Recursive == nil || *s.Recursive, At: s.At}
	var err error
	if g.Path, err = ParsePath("path", s.Path); err != nil {
		return g, err
	}
	switch {
	case (s.Preset == "") == (len(s.Permissions) == 0):
		return g, rest.Invalid("permissions", "give either a preset or permissions")
	case s.Preset != "":
		g.Permissions, err = policy.Preset(s.Preset)
	default:
		g.Permissions, err = policy.ParsePermissions(s.Permissions)
	}
	if err != nil {
		return g, rest.Invalid("permissions", err.Error())
	}
	return g, nil
}

// GrantInput asks for a grant to a record.
type GrantInput struct {
	rest.NameInput
	rest.MatchInput
	Body GrantSettings
}

// WithoutGrant takes the grant with this id away.
func WithoutGrant(grants []policy.Grant, id string) ([]policy.Grant, error) {
	i := slices.IndexFunc(grants, func(g policy.Grant) bool { return g.ID == id })
	if i < 0 {
		return nil, accounts.ErrNotFound
	}
	return slices.Delete(slices.Clone(grants), i, i+1), nil
}

// CutGrants tells of each grant how much less of it holds than it says.
func CutGrants(views []GrantView, cuts []policy.CutGrant) []GrantView {
	for i, v := range views {
		for _, c := range cuts {
			if c.ID == v.ID && v.ID != "" {
				views[i].Cut = viewCut(c.To, c.Left)
			}
		}
	}
	return views
}

func viewCut(to string, left []policy.Grant) *GrantCut {
	cut := &GrantCut{To: to, Left: []string{}}
	for _, g := range left {
		cut.Left = append(cut.Left, g.Permissions.String()+" "+g.Path.String())
	}
	return cut
}

// Warning says in one line what is left of a grant, "" where all of it holds.
func (v GrantView) Warning() string {
	switch {
	case v.Cut == nil:
		return ""
	case len(v.Cut.Left) == 0:
		return "the grant on " + v.Path + " gives nothing: it is cut to " + v.Cut.To
	}
	return "the grant on " + v.Path + " gives less than it says, it is cut to " + v.Cut.To + ": " + strings.Join(v.Cut.Left, ", ")
}

// ViewGrants shows grants.
func ViewGrants(grants []policy.Grant) []GrantView {
	views := make([]GrantView, 0, len(grants))
	for _, g := range grants {
		views = append(views, grantView(g))
	}
	return views
}

func grantView(g policy.Grant) GrantView {
	return GrantView{ID: g.ID, Path: g.Path.String(), Permissions: g.Permissions.Names(), Recursive: g.Recursive, At: g.At}
}

// GrantView is a grant.
type GrantView struct {
	ID          string   `json:"id"`
	Path        string   `json:"path"`
	Permissions []string `json:"permissions"`
	Recursive   bool     `json:"recursive"`
	At          string   `json:"at,omitempty"`
	// Cut is of a guest's, or a personal group's.
	Cut *GrantCut `json:"cut,omitempty" doc:"absent: all of it holds"`
}

// GrantCut is what is left of a grant that gives less than it says.
type GrantCut struct {
	To   string   `json:"to" doc:"whose rights it is cut to"`
	Left []string `json:"left" doc:"what holds: permissions and folder"`
}
