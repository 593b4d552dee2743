package record

import (
	"time"

	"gatehouse/admin/rest"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/accounts/credentials"
)

// KeySettings is an SSH key to be added.
type KeySettings struct {
	Key        string     `json:"key" maxLength:"16384" doc:"an authorized_keys line"`
	Name       string     `json:"name,omitempty" maxLength:"200" doc:"default: the line's comment"`
	Expires    *time.Time `json:"expires,omitempty"`
	AllowedIPs []string   `json:"allowed_ips,omitempty" doc:"addresses or CIDR"`
}

// Parse makes a record of the settings; the store gives it an id.
func (s KeySettings) Parse() (accounts.Key, error) {
	key, err := credentials.ParseKey(s.Key)
	if err != nil {
		return key, rest.Invalid("key", err.Error())
	}
	if s.Name != "" {
		key.Name = s.Name
	}
	if _, err := parsePrefixes("allowed_ips", s.AllowedIPs); err != nil {
		return key, err
	}
	if s.Expires != nil && !s.Expires.After(time.Now()) {
		return key, rest.Invalid("expires", "is in the past")
	}
	key.Expires, key.AllowedIPs = s.Expires, s.AllowedIPs
	return key, nil
}

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
	ID         string     `json:"id"`
	Kind       string     `json:"kind" enum:"app-password,token,client"`
	Name       string     `json:"name"`
	Added      time.Time  `json:"added"`
	Expires    *time.Time `json:"expires,omitempty"`
	AllowedIPs []string   `json:"allowed_ips,omitempty"`
	Doors      []string   `json:"doors"`
	ReadOnly   bool       `json:"read_only"`
	Folder     string     `json:"folder,omitempty"`
	LastUsed   *UseView   `json:"last_used,omitempty"`
	// Latest are where a client came from of late: each address and door once.
	Latest []UseView   `json:"latest,omitempty" doc:"of a client: up to 10 addresses that it came from, newest first"`
	Device *DeviceView `json:"device,omitempty"`
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
	Secret   string   `json:"secret" doc:"shown this once"`
	Warnings []string `json:"warnings,omitempty" doc:"why it may be of no use"`
}

// Parse makes a record of the settings; the store gives it an id.
func (s CredentialSettings) Parse(kind policy.CredentialKind) (accounts.Credential, error) {
	c := accounts.Credential{
		Kind: kind, Name: s.Name, Expires: s.Expires, AllowedIPs: s.AllowedIPs, Doors: doorsOf(s.Doors),
		Scope: policy.Scope{ReadOnly: s.ReadOnly},
	}
	if s.Expires != nil && !s.Expires.After(time.Now()) {
		return c, rest.Invalid("expires", "is in the past")
	}
	if _, err := parsePrefixes("allowed_ips", s.AllowedIPs); err != nil {
		return c, err
	}
	if s.Folder != "" {
		p, err := ParsePath("folder", s.Folder)
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

// ViewCredential shows a credential; its secret is in no record.
func ViewCredential(c accounts.Credential, activity accounts.Activity) CredentialView {
	v := CredentialView{
		ID: c.ID, Kind: string(c.Kind), Name: c.Name, Added: c.Added, Expires: c.Expires, AllowedIPs: c.AllowedIPs,
		Doors: doorTexts(c.OpenDoors()), ReadOnly: c.Scope.ReadOnly, LastUsed: useView(c.ID, activity),
	}
	if c.Scope.Folder != nil {
		v.Folder = c.Scope.Folder.String()
	}
	for _, use := range activity.Latest[c.ID] {
		v.Latest = append(v.Latest, UseView{use.At, use.Address, string(use.Door)})
	}
	if d := c.Device; d != nil {
		v.Device = &DeviceView{DeviceSettings: DeviceSettings{d.Computer, d.OS, d.Client, d.Version}, Syncs: []SyncView{}}
		for _, y := range d.Syncs {
			v.Device.Syncs = append(v.Device.Syncs, ViewSync(c.ID, y, activity))
		}
	}
	return v
}

// ViewSync shows what a client keeps in step.
func ViewSync(client string, y accounts.Sync, activity accounts.Activity) SyncView {
	v := SyncView{ID: y.ID, Local: y.Local, Remote: y.Remote.String(), Created: y.Created}
	if last := activity.LastSync(client, y.ID); !last.At.IsZero() {
		v.LastSync = &last.At
	}
	return v
}

// ViewKeys shows the SSH keys of an account.
func ViewKeys(x accounts.Account, activity accounts.Activity) []KeyView {
	views := []KeyView{}
	for _, k := range x.Keys {
		views = append(views, keyView(k, activity))
	}
	return views
}

func keyView(k accounts.Key, activity accounts.Activity) KeyView {
	return KeyView{
		ID: k.ID, Name: k.Name, PublicKey: k.PublicKey, Fingerprint: k.Fingerprint,
		Added: k.Added, Expires: k.Expires, AllowedIPs: k.AllowedIPs, LastUsed: useView(k.ID, activity),
	}
}

// useView is when a credential was last used, nil where it never was.
func useView(id string, activity accounts.Activity) *UseView {
	use, ok := activity.LastUsed[id]
	if !ok {
		return nil
	}
	return &UseView{use.At, use.Address, string(use.Door)}
}

// UseView is the last use of a credential.
type UseView struct {
	Time    time.Time `json:"time"`
	Address string    `json:"address,omitempty"`
	Door    string    `json:"door,omitempty"`
}

// KeyView is an SSH public key.
type KeyView struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`
	PublicKey   string     `json:"public_key"`
	Fingerprint string     `json:"fingerprint"`
	Added       time.Time  `json:"added"`
	Expires     *time.Time `json:"expires,omitempty"`
	AllowedIPs  []string   `json:"allowed_ips,omitempty"`
	LastUsed    *UseView   `json:"last_used,omitempty"`
}
