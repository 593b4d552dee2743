package admin

import (
	"context"
	"slices"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

// CredentialSettings is an app password, a token or a client to be made.
type CredentialSettings struct {
	Name       string          `json:"name" minLength:"1" maxLength:"200"`
	Expires    *time.Time      `json:"expires,omitempty" nullable:"true"`
	AllowedIPs []string        `json:"allowed_ips,omitempty" doc:"addresses or CIDR"`
	Doors      *[]string       `json:"doors,omitempty" doc:"of sftp, ftp, webdav, api; default: all that its kind may use"`
	ReadOnly   bool            `json:"read_only,omitempty" doc:"of a token: the scope read, else read-write"`
	Folder     string          `json:"folder,omitempty" maxLength:"4096" doc:"a tree path outside of which it gives nothing"`
	Device     *DeviceSettings `json:"device,omitempty" doc:"of a client"`
}

// DeviceSettings is the face of a registered client.
type DeviceSettings struct {
	Computer string `json:"computer" maxLength:"200"`
	OS       string `json:"os,omitempty" maxLength:"200"`
	Client   string `json:"client,omitempty" maxLength:"200" doc:"its type"`
	Version  string `json:"version,omitempty" maxLength:"200"`
}

// CredentialView is what is told of an app password, a token or a client.
type CredentialView struct {
	ID         string      `json:"id"`
	Kind       string      `json:"kind" enum:"app-password,token,client"`
	Name       string      `json:"name"`
	Added      time.Time   `json:"added"`
	Expires    *time.Time  `json:"expires,omitempty"`
	AllowedIPs []string    `json:"allowed_ips,omitempty"`
	Doors      []string    `json:"doors"`
	ReadOnly   bool        `json:"read_only"`
	Folder     string      `json:"folder,omitempty"`
	LastUsed   *UseView    `json:"last_used,omitempty"`
	Device     *DeviceView `json:"device,omitempty"`
}

// DeviceView is the face of a registered client.
type DeviceView struct {
	DeviceSettings
	Syncs []SyncView `json:"syncs"`
}

// SyncView is a folder that a client keeps in step.
type SyncView struct {
	ID       string     `json:"id"`
	Local    string     `json:"local_path"`
	Remote   string     `json:"remote_path"`
	Created  time.Time  `json:"created"`
	LastSync *time.Time `json:"last_sync,omitempty"`
}

// MadeCredential is the one answer that holds a secret.
type MadeCredential struct {
	CredentialView
	Secret string `json:"secret" doc:"shown this once"`
}

// credential makes a record of the settings; the store gives it an id.
func (s CredentialSettings) credential(kind policy.CredentialKind) (accounts.Credential, error) {
	c := accounts.Credential{
		Kind: kind, Name: s.Name, Expires: s.Expires, AllowedIPs: s.AllowedIPs, Doors: doorsOf(s.Doors),
		Scope: policy.Scope{ReadOnly: s.ReadOnly},
	}
	if s.Expires != nil && !s.Expires.After(time.Now()) {
		return c, invalid("expires", "is in the past")
	}
	if _, err := parsePrefixes("allowed_ips", s.AllowedIPs); err != nil {
		return c, err
	}
	if s.Folder != "" {
		p, err := parsePath("folder", s.Folder)
		if err != nil {
			return c, err
		}
		c.Scope.Folder = &p
	}
	if d := s.Device; d != nil {
		c.Device = &accounts.Device{Computer: d.Computer, OS: d.OS, Client: d.Client, Version: d.Version}
	}
	return c, nil
}

func credentialView(c accounts.Credential, activity accounts.Activity) CredentialView {
	v := CredentialView{
		ID: c.ID, Kind: string(c.Kind), Name: c.Name, Added: c.Added, Expires: c.Expires, AllowedIPs: c.AllowedIPs,
		Doors: doorTexts(c.OpenDoors()), ReadOnly: c.Scope.ReadOnly, LastUsed: useView(c.ID, activity),
	}
	if c.Scope.Folder != nil {
		v.Folder = c.Scope.Folder.String()
	}
	if d := c.Device; d != nil {
		v.Device = &DeviceView{DeviceSettings: DeviceSettings{d.Computer, d.OS, d.Client, d.Version}, Syncs: []SyncView{}}
		for _, y := range d.Syncs {
			v.Device.Syncs = append(v.Device.Syncs, syncView(c.ID, y, activity))
		}
	}
	return v
}

func syncView(client string, y accounts.Sync, activity accounts.Activity) SyncView {
	v := SyncView{ID: y.ID, Local: y.Local, Remote: y.Remote.String(), Created: y.Created}
	if last := activity.LastSync(client, y.ID); !last.At.IsZero() {
		v.LastSync = &last.At
	}
	return v
}

// credentialViews shows the account's credentials of a kind, the newest last.
func (a *API) credentialViews(ctx context.Context, x accounts.Account, kind policy.CredentialKind) ([]CredentialView, error) {
	activity, err := a.Accounts.Activity(ctx, x.ID)
	if err != nil {
		return nil, a.problem(err)
	}
	views := []CredentialView{}
	for _, c := range x.Credentials {
		if c.Kind == kind {
			views = append(views, credentialView(c, activity))
		}
	}
	slices.SortStableFunc(views, func(x, y CredentialView) int { return x.Added.Compare(y.Added) })
	return views, nil
}

// makeCredential gives an account a credential, and returns its secret, which is
// kept nowhere. Whether the caller may is judged before.
func (a *API) makeCredential(ctx context.Context, x accounts.Account, kind policy.CredentialKind, s CredentialSettings) (MadeCredential, error) {
	c, err := s.credential(kind)
	if err != nil {
		return MadeCredential{}, a.problem(err)
	}
	event := credentialEvent(kind, "add")
	if err := a.intend(ctx, event, x.Name); err != nil {
		return MadeCredential{}, err
	}
	made, secret, err := a.Accounts.AddCredential(ctx, x.Name, c, callerOf(ctx).option())
	if err != nil {
		return MadeCredential{}, a.problem(err)
	}
	view := credentialView(made, accounts.Activity{})
	if err := a.record(ctx, event, x.Name, nil, asMap(view)); err != nil {
		return MadeCredential{}, err
	}
	return MadeCredential{CredentialView: view, Secret: secret}, nil
}

// dropCredential revokes an account's credential of a kind, with every session
// that it proved.
func (a *API) dropCredential(ctx context.Context, x accounts.Account, kind policy.CredentialKind, id string) error {
	c, ok := x.Credential(id)
	if !ok || c.Kind != kind {
		return a.problem(accounts.ErrNotFound)
	}
	event := credentialEvent(kind, "remove")
	if err := a.intend(ctx, event, x.Name); err != nil {
		return err
	}
	if _, err := a.Accounts.RemoveCredential(ctx, x.Name, id, callerOf(ctx).option()); err != nil {
		return a.problem(err)
	}
	return a.record(ctx, event, x.Name, asMap(credentialView(c, accounts.Activity{})), nil)
}

// credentialEvent is account.app-password.add, account.token.remove, and so on.
func credentialEvent(kind policy.CredentialKind, what string) events.Kind {
	return events.Kind("account." + string(kind) + "." + what)
}
