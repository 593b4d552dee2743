package cli

import (
	"net/http"

	"github.com/spf13/cobra"

	"gatehouse/admin/invitation"
	"gatehouse/admin/record"
)

func (a *app) accountClone() *cobra.Command {
	var email, name, expires string
	var by, byGroups []string
	var stdin, mustChange bool
	cmd := &cobra.Command{
		Use: "clone NAME NEW", Short: "Create an account like another: groups, grants, protocols, network and limits", Args: exactly(2),
		Long: "Never copied: credentials, identity, history, role, manage rights, and grants below the source's home.",
	}
	f := cmd.Flags()
	f.StringVar(&email, "email", "", "primary e-mail `ADDRESS`")
	f.StringVar(&name, "display-name", "", "`NAME` for people")
	role := oneOf(f, "role", "(default user)", "user", "guest")
	f.StringVar(&expires, "expires", "", "last `DAY` YYYY-MM-DD, or an RFC 3339 instant")
	f.StringSliceVar(&by, "managed-by", nil, "`ACCOUNT` that manages it")
	f.StringSliceVar(&byGroups, "managed-by-group", nil, "`GROUP` whose managers manage it")
	f.BoolVar(&stdin, "password-stdin", false, "read the password from standard input")
	f.BoolVar(&mustChange, "must-change", false, "the password must be changed at first login")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body := map[string]any{"username": args[1]}
		for key, value := range map[string]string{"email": email, "display_name": name, "role": *role, "expires": expires} {
			if value != "" {
				body[key] = value
			}
		}
		if len(by)+len(byGroups) > 0 {
			body["managed_by"] = managers(by, byGroups)
		}
		if mustChange {
			body["must_change"] = true
		}
		if stdin {
			password, err := a.readSecret("password")
			if err != nil {
				return err
			}
			body["password"] = password
		}
		var made record.AccountView
		if err := a.call(cmd, http.MethodPost, "/accounts/"+segment(args[0])+"/clone", nil, body, &made); err != nil {
			return err
		}
		return a.done(made, "account %s created like %s, home %s", made.Username, args[0], made.Home)
	}
	return cmd
}

func (a *app) accountResetLink() *cobra.Command {
	return &cobra.Command{Use: "reset-link NAME", Short: "Print an address at which the account sets a new password: good once, for 24 hours", Args: exactly(1), RunE: func(cmd *cobra.Command, args []string) error {
		var made invitation.MadeLink
		if err := a.call(cmd, http.MethodPost, "/accounts/"+segment(args[0])+"/reset-link", nil, nil, &made); err != nil {
			return err
		}
		return a.done(made, "%s (good once, until %s)", made.URL, when(made.GoodTill))
	}}
}

func (a *app) accountResetFactor() *cobra.Command {
	return &cobra.Command{Use: "reset-second-factor NAME", Short: "Take an account's second factor away: its sessions end", Args: exactly(1), RunE: func(cmd *cobra.Command, args []string) error {
		if err := a.call(cmd, http.MethodDelete, "/accounts/"+segment(args[0])+"/totp", nil, nil, nil); err != nil {
			return err
		}
		return a.done(struct{}{}, "%s has no second factor any more", args[0])
	}}
}
