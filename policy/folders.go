package policy

import "gatehouse/policy/path"

// A FolderOrigin is the folder of a group that the account is in. It gives no
// right by itself: Permissions is what grants give on the folder.
type FolderOrigin struct {
	Path        path.Path   `json:"path"`
	Origin      string      `json:"origin"`
	Permissions Permissions `json:"permissions"`
	Quota       Quota       `json:"quota"`

	reaches bool // there is a right on it, or on something in it
}

// Folders returns the folders of the account's groups, by the groups' names.
func (e Effective) Folders() []FolderOrigin { return e.get().folders() }

func (r *resolved) folders() []FolderOrigin {
	list := []FolderOrigin{}
	e := Effective{r}
	for _, g := range r.defaults {
		if g.Folder == nil {
			continue
		}
		list = append(list, FolderOrigin{
			Path: *g.Folder, Origin: groupOrigin(g), Quota: g.FolderQuota,
			Permissions: e.Permissions(Target{Path: *g.Folder, Folder: true}),
			reaches:     e.Decide(OpStat, Target{Path: *g.Folder, Folder: true}).Allowed,
		})
	}
	return list
}
