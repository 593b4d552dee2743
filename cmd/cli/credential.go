package cli

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/admin"
)

// A credentialKind is one face of the credentials: app passwords, tokens, clients.
type credentialKind struct{ use, at, short, add string }

func (a *app) appPasswordCommand() *cobra.Command {
	return a.credentialCommand(credentialKind{"app-password", "app-passwords", "App passwords: for one program on file doors", "Make an app password; it is shown this once"})
}

func (a *app) tokenCommand() *cobra.Command {
	return a.credentialCommand(credentialKind{"token", "tokens", "API tokens", "Make an API token; it is shown this once"})
}

func (a *app) clientCommand() *cobra.Command {
	return a.credentialCommand(credentialKind{"client", "clients", "Registered clients: computers that sync", "Register a client; its secret is shown this once"})
}

func (a *app) credentialCommand(k credentialKind) *cobra.Command {
	return parent(k.use, k.short, a.credentialAdd(k), a.credentialList(k), a.credentialRemove(k))
}

func (k credentialKind) path(account string) string {
	return "/accounts/" + segment(account) + "/" + k.at
}

func (a *app) credentialAdd(k credentialKind) *cobra.Command {
	var name, expires, folder string
	var from, doors []string
	var readOnly bool
	device := map[string]*string{}
	cmd := &cobra.Command{Use: "add NAME", Short: k.add, Args: exactly(1)}
	f := cmd.Flags()
	f.StringVar(&name, "name", "", "what it is for, such as \"laptop\"")
	f.StringVar(&expires, "expires", "", "a date (through that day) or an RFC 3339 instant")
	f.StringVar(&folder, "folder", "", "tree path outside of which it gives nothing")
	f.StringSliceVar(&from, "allow-ip", nil, "address or CIDR it may come from")
	f.StringSliceVar(&doors, "doors", nil, "the doors it is for (default: all that it may use)")
	f.BoolVar(&readOnly, "read-only", false, "it changes nothing")
	if k.use == "client" {
		for _, key := range []string{"computer", "os", "client", "version"} {
			device[key] = f.String(key, "", "of the device")
		}
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if name == "" {
			return usagef("say what it is for: --name")
		}
		body := map[string]any{"name": name, "read_only": readOnly}
		if folder != "" {
			body["folder"] = folder
		}
		if len(from) > 0 {
			body["allowed_ips"] = from
		}
		if len(doors) > 0 {
			body["doors"] = doors
		}
		if expires != "" {
			t, err := parseEnd(expires, time.Now())
			if err != nil {
				return err
			}
			body["expires"] = t.Format(time.RFC3339)
		}
		if len(device) > 0 {
			face := map[string]string{}
			for key, value := range device {
				face[key] = *value
			}
			body["device"] = face
		}
		var made admin.MadeCredential
		if err := a.call(cmd, http.MethodPost, k.path(args[0]), nil, body, &made); err != nil {
			return err
		}
		return a.done(made, "%s (shown this once; its id is %s)", made.Secret, made.ID)
	}
	return cmd
}

// parseEnd reads a date, through which something lasts, or an instant.
func parseEnd(text string, now time.Time) (time.Time, error) {
	t, day, err := parseMoment(text, now)
	if day {
		t = t.AddDate(0, 0, 1)
	}
	return t, err
}

func (a *app) credentials(cmd *cobra.Command, k credentialKind, account string) ([]admin.CredentialView, error) {
	var list []admin.CredentialView
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

func scopeText(c admin.CredentialView) string {
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

func expiresText(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return when(*t)
}

func usedText(u *admin.UseView) string {
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
		named := func(c admin.CredentialView) bool { return c.Name == args[1] }
		i := slices.IndexFunc(list, func(c admin.CredentialView) bool { return c.ID == args[1] })
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
