package credentials

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/accounts/field"
)

// maxSyncs is how many folders a client keeps in step.
const maxSyncs = 1_000

// NewSync completes a sync that a client begins: ID and Created are made here.
func NewSync(y Sync) Sync {
	y.ID, y.Created = randomText(idSize), time.Now().UTC().Truncate(time.Second)
	return y
}

// SyncKey is the name of a sync's last use among the uses of credentials.
func SyncKey(client, sync string) string { return client + "/" + sync }

// SyncAt returns the place of the client's sync with this id, -1 where it has none.
func (c *Credential) SyncAt(id string) int {
	if c.Device == nil {
		return -1
	}
	return slices.IndexFunc(c.Device.Syncs, func(y Sync) bool { return y.ID == id })
}

func (c *Credential) checkDevice() error {
	if (c.Device != nil) != (c.Kind == policy.KindClient) {
		return &field.Error{Field: "device", Why: "is what a client has, and nothing else"}
	}
	if c.Device == nil {
		return nil
	}
	for name, value := range map[string]string{
		"computer": c.Device.Computer, "os": c.Device.OS, "client": c.Device.Client, "version": c.Device.Version,
	} {
		if why := field.Text(value, field.MaxName); why != "" {
			return &field.Error{Field: "device." + name, Why: why}
		}
	}
	if why := field.Missing(c.Device.Computer); why != "" {
		return &field.Error{Field: "device.computer", Why: why}
	}
	return checkSyncs(c.Device.Syncs)
}

func checkSyncs(list []Sync) error {
	if len(list) > maxSyncs {
		return &field.Error{Field: "device.syncs", Why: fmt.Sprintf("are more than %d", maxSyncs)}
	}
	ids := make(map[string]bool, len(list))
	for _, y := range list {
		if y.ID == "" || ids[y.ID] {
			return &field.Error{Field: "device.syncs", Why: "hold one twice, or one without an id"}
		}
		ids[y.ID] = true
		if why := cmp.Or(field.Text(y.Local, field.MaxText), field.Missing(y.Local)); why != "" {
			return &field.Error{Field: "local_path", Why: why}
		}
	}
	return nil
}
