package record

import (
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// GroupSettings is what can be set of a group. Protocols, limits and quota are
// defaults for members that inherit.
type GroupSettings struct {
	Protocols   *[]string      `json:"protocols,omitempty"`
	Limits      *policy.Limits `json:"limits,omitempty"`
	Quota       *QuotaSettings `json:"quota,omitempty" doc:"of each member's home"`
	Managers    []string       `json:"managers,omitempty" nullable:"true" doc:"usernames; they add and remove members"`
	Folder      *string        `json:"folder,omitempty" nullable:"true" doc:"a tree path: the group's own folder"`
	FolderQuota *QuotaSettings `json:"folder_quota,omitempty"`
}

// Write puts the settings into a group.
func (s GroupSettings) Write(g *accounts.Group, d *Directory) error {
	g.Protocols, g.Limits, g.Quota = doorsOf(s.Protocols), policy.Limits{}, policy.Quota{}
	if s.Limits != nil {
		g.Limits = *s.Limits
	}
	if s.Quota != nil {
		g.Quota = policy.Quota{Bytes: s.Quota.LimitBytes, Files: s.Quota.LimitFiles}
	}
	g.Folder, g.FolderQuota = nil, policy.Quota{}
	if s.FolderQuota != nil {
		g.FolderQuota = policy.Quota{Bytes: s.FolderQuota.LimitBytes, Files: s.FolderQuota.LimitFiles}
	}
	if s.Folder != nil && *s.Folder != "" {
		p, err := ParsePath("folder", *s.Folder)
		if err != nil {
			return err
		}
		g.Folder = &p
	}
	var err error
	g.Managers, err = idsOf("managers", "account", s.Managers, d.ofAccounts(g.Managers))
	return err
}

// GroupSettingsOf reads the settings of a group.
func GroupSettingsOf(g accounts.Group, d *Directory) GroupSettings {
	s := GroupSettings{
		Quota: quotaSettingsOf(g.Quota), FolderQuota: quotaSettingsOf(g.FolderQuota), Managers: Named(g.Managers, d.AccountName),
	}
	if g.Protocols != nil {
		s.Protocols = new(doorTexts(g.Protocols))
	}
	if g.Limits != (policy.Limits{}) {
		s.Limits = &g.Limits
	}
	if g.Folder != nil {
		s.Folder = new(g.Folder.String())
	}
	return s
}
