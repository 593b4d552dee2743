package cli

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"gatehouse/admin/record"
)

// A credentialKind is one face of the credentials: app passwords, tokens, clients.
type credentialKind struct {
	use, at, short, add string
	// doors that one may be narrowed to; none: it has but one.
	doors []string
	// folder: it may be narrowed to a folder.
	folder bool
	// device: it has a face.
	device  bool
	example string
}

func (a *app) appPasswordCommand() *cobra.Command {
	return a.credentialCommand(credentialKind{
		use: "app-password", at: "app-passwords", short: "App passwords: for one program on file doors",
		add: "Make an app password; it is shown this once", doors: []string{"sftp", "ftp", "webdav"}, folder: true,
		example: "  gatehouse app-password add alice --name phone --doors webdav --read-only --folder /home/alice/photos",
	})
}

func (a *app) tokenCommand() *cobra.Command {
	return a.credentialCommand(credentialKind{
		use: "token", at: "tokens", short: "API tokens", add: "Make an API token; it is shown this once",
		example: "  gatehouse token add alice --name backup --read-only --expires 2031-01-31 --allow-ip 203.0.113.0/24",
	})
}

func (a *app) clientCommand() *cobra.Command {
	return a.credentialCommand(credentialKind{
		use: "client", at: "clients", short: "Registered clients: computers that sync",
		add: "Register a client; its secret is shown this once", doors: []string{"webdav", "web", "api"}, folder: true, device: true,
		example: "  gatehouse client add alice --name laptop --computer alices-laptop --os linux",
	})
}

func (a *app) credentialCommand(k credentialKind) *cobra.Command {
	return parent(k.use, k.short, a.credentialAdd(k), a.credentialList(k), a.credentialRemove(k))
}

func (k credentialKind) path(account string) string {
	return "/accounts/" + segment(account) + "/" + k.at
}

// credentialFlags are those of add.
type credentialFlags struct {
	name, folder string
	expires      *end
	from         []string
	doors        *[]string
	readOnly     bool
	device       map[string]*string
}

func (c *credentialFlags) flags(f *pflag.FlagSet, k credentialKind) {
	f.StringVar(&c.name, "name", "", "`WHAT` it is for, such as \"laptop\"")
	c.expires = endFlag(f, "expires", "a date (through that day) or an RFC 3339 instant (default: never)")
	f.StringSliceVar(&c.from, "allow-ip", nil, "address or `CIDR` it may come from")
	f.BoolVar(&c.readOnly, "read-only", false, "it changes nothing")
	c.doors = new([]string)
	if k.doors != nil {
		c.doors = someOf(f, "doors", "the doors it is for (default: all of them)", k.doors...)
	}
	if k.folder {
		f.StringVar(&c.folder, "folder", "", "tree `PATH` outside of which it gives nothing")
	}
	if !k.device {
		return
	}
	c.device = map[string]*string{
		"computer": f.String("computer", "", "`NAME` of the computer"), "os": f.String("os", "", "`NAME` of its system"),
		"client": f.String("client", "", "`NAME` of the program"), "version": f.String("version", "", "`VERSION` of the program"),
	}
}

func (c *credentialFlags) body() (map[string]any, error) {
	if c.name == "" {
		return nil, usagef("say what it is for: --name")
	}
	body := map[string]any{"name": c.name, "read_only": c.readOnly}
	if c.folder != "" {
		body["folder"] = c.folder
	}
	if len(c.from) > 0 {
		body["allowed_ips"] = c.from
	}
	if len(*c.doors) > 0 {
		body["doors"] = *c.doors
	}
	if !c.expires.IsZero() {
		body["expires"] = c.expires.String()
	}
	if len(c.device) > 0 {
		face := map[string]string{}
		for key, value := range c.device {
			face[key] = *value
		}
		body["device"] = face
	}
	return body, nil
}

func (a *app) credentialAdd(k credentialKind) *cobra.Command {
	var c credentialFlags
	cmd := &cobra.Command{Use: "add NAME --name WHAT-FOR", Short: k.add, Args: exactly(1), Example: k.example}
	c.flags(cmd.Flags(), k)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body, err := c.body()
		if err != nil {
			return err
		}
		var made record.MadeCredential
		if err := a.call(cmd, http.MethodPost, k.path(args[0]), nil, body, &made); err != nil {
			return err
		}
		return a.done(made, "%s (shown this once; its id is %s)", made.Secret, made.ID)
	}
	return cmd
}

func (a *app) credentials(cmd *cobra.Command, k credentialKind, account string) ([]record.CredentialView, error) {
	var list []record.CredentialView
	err := a.call(cmd, http.MethodGet, k.path(account), nil, nil, &list)
	return list, err
}

func (a *app) credentialList(k credentialKind) *cobra.Command {
	return &cobra.Command{Use: "list NAME", Short: "List an account's " + k.at, Args: exactly(1), RunE: func(cmd *cobra.Command, args []string) error {
		list, err := a.credentials(cmd, k, args[0])
		if err != nil {
			return err
		}
		var rows [][]string
		for _, c := range list {
			rows = append(rows, []string{c.Name, strings.Join(c.Doors, ","), scopeText(c), when(c.Added), expiresText(c.Expires), usedText(c.LastUsed), c.ID})
		}
		return a.list(list, []string{"NAME", "DOORS", "SCOPE", "ADDED", "EXPIRES", "LAST USED", "ID"}, rows)
	}}
}

func scopeText(c record.CredentialView) string {
	var scope []string
	if c.ReadOnly {
		scope = append(scope, "read-only")
	}
	if c.Folder != "" {
		scope = append(scope, c.Folder)
	}
	if len(c.AllowedIPs) > 0 {
		scope = append(scope, "from "+strings.Join(c.AllowedIPs, ","))
	}
	return orDash(strings.Join(scope, " "))
}

func usedText(u *record.UseView) string {
	if u == nil {
		return "-"
	}
	return strings.Join([]string{when(u.Time), u.Door, u.Address}, " ")
}

func (a *app) credentialRemove(k credentialKind) *cobra.Command {
	return &cobra.Command{Use: "remove NAME ID", Short: "Revoke one: what it opened ends at once", Args: exactly(2), RunE: func(cmd *cobra.Command, args []string) error {
		list, err := a.credentials(cmd, k, args[0])
		if err != nil {
			return err
		}
		named := func(c record.CredentialView) bool { return c.Name == args[1] }
		i := slices.IndexFunc(list, func(c record.CredentialView) bool { return c.ID == args[1] })
		if i < 0 {
			if i = slices.IndexFunc(list, named); i >= 0 && slices.ContainsFunc(list[i+1:], named) {
				return fmt.Errorf("%s has several named %s: give the id", args[0], args[1])
			}
		}
		if i < 0 {
			return fmt.Errorf("%s has no %s %s", args[0], k.use, args[1])
		}
		if err := a.call(cmd, http.MethodDelete, k.path(args[0])+"/"+segment(list[i].ID), nil, nil, nil); err != nil {
			return err
		}
		return a.done(struct{}{}, "%s %s is revoked", k.use, list[i].Name)
	}}
}
