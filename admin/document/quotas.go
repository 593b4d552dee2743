package document

import (
	"encoding/json"

	"gatehouse/admin/record"
	"gatehouse/admin/rest"
)

// exportQuotas are the quotas of folders that nobody else's record has.
func (a *API) exportQuotas() []DocumentQuota {
	var list []DocumentQuota
	for _, limit := range a.quotas.ByHand() {
		list = append(list, DocumentQuota{limit.Folder.String(), record.QuotaLimits(limit.Amount)})
	}
	return list
}

// quota sets the quota of a folder, also of one that is not there yet.
func (p *applier) quota(raw json.RawMessage) (AppliedChange, error) {
	var q DocumentQuota
	c := AppliedChange{}
	if rest, err := pick(raw, &q, "path", "limit_bytes", "limit_files"); err != nil || string(rest) != "{}" {
		return c, orUnknown(err)
	}
	folder, err := record.ParsePath("path", q.Path)
	if err != nil {
		return c, err
	}
	c.Name = folder.String()
	before, had := p.api.quotas.On(folder)
	if c.Before, c.After = rest.Difference(rest.Map(before), rest.Map(q.QuotaSettings)); len(c.Before)+len(c.After) == 0 {
		return AppliedChange{Name: c.Name}, nil
	}
	if c.Action = "change"; !had {
		c.Action, c.Before, c.After = "create", nil, rest.Map(q.QuotaSettings)
	} else if p.existing == existingKeep {
		return leftAlone(c), nil
	}
	if p.api.FolderThere(p.ctx, "path", folder) != nil {
		c.Notes = []string{"there is no such folder yet"}
	}
	if p.dry {
		return c, nil
	}
	return c, p.api.quotas.Put(p.ctx, folder, q.QuotaSettings)
}

func orUnknown(err error) error {
	if err == nil {
		err = rest.Invalid("quotas", "a quota has path, limit_bytes and limit_files")
	}
	return err
}
