package cli

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/admin/invitation"
)

func (a *app) invitationCommand() *cobra.Command {
	revoke := &cobra.Command{Use: "revoke ID", Short: "Revoke an invitation", Args: exactly(1), RunE: func(cmd *cobra.Command, args []string) error {
		if err := a.call(cmd, http.MethodDelete, "/invitations/"+segment(args[0]), nil, nil, nil); err != nil {
			return err
		}
		return a.done(struct{}{}, "revoked")
	}}
	return parent("invitation", "Invitations: an address at which somebody makes an account", a.invitationAdd(), a.invitationList(), revoke)
}

func (a *app) invitationAdd() *cobra.Command {
	var name, expires, file string
	var groups, by, byGroups []string
	cmd := &cobra.Command{
		Use: "add EMAIL | add --csv FILE", Short: "Invite somebody; the address to pass on is shown this once",
		Example: "  gatehouse invitation add anna@example.org --group crew --expires 2031-01-31\n" +
			"  gatehouse invitation add --csv people.csv",
	}
	f := cmd.Flags()
	f.StringVar(&name, "display-name", "", "`NAME` for people")
	role := oneOf(f, "role", "(default user)", "user", "guest", "auditor", "admin")
	f.StringVar(&expires, "expires", "", "last `DAY` of the account, or an RFC 3339 instant")
	f.StringSliceVar(&groups, "group", nil, "`GROUP` it will be a member of")
	f.StringSliceVar(&by, "managed-by", nil, "`ACCOUNT` that will manage it")
	f.StringSliceVar(&byGroups, "managed-by-group", nil, "`GROUP` whose managers will manage it")
	f.StringVar(&file, "csv", "", "`FILE` of many: email, display_name, role, groups, expires; - is standard input")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if file != "" && len(args) == 0 {
			return a.inviteMany(cmd, file)
		}
		if len(args) != 1 || file != "" {
			return usagef("give one e-mail address, or --csv FILE")
		}
		body := map[string]any{"email": args[0]}
		for key, value := range map[string]string{"display_name": name, "role": *role, "expires": expires} {
			if value != "" {
				body[key] = value
			}
		}
		if len(groups) > 0 {
			body["groups"] = groups
		}
		if len(by)+len(byGroups) > 0 {
			body["managed_by"] = managers(by, byGroups)
		}
		var made invitation.MadeInvitation
		if err := a.call(cmd, http.MethodPost, "/invitations", nil, body, &made); err != nil {
			return err
		}
		return a.done(made, "%s (good once, until %s)", made.URL, when(made.GoodTill))
	}
	return cmd
}

func managers(accounts, groups []string) map[string]any {
	m := map[string]any{}
	if len(accounts) > 0 {
		m["accounts"] = accounts
	}
	if len(groups) > 0 {
		m["groups"] = groups
	}
	return m
}

func (a *app) inviteMany(cmd *cobra.Command, file string) error {
	read := func() ([]byte, error) { return os.ReadFile(file) }
	if file == "-" {
		read = func() ([]byte, error) { return io.ReadAll(a.In) }
	}
	text, err := read()
	if err != nil {
		return fmt.Errorf("read the list: %w", err)
	}
	var made []invitation.InvitedRow
	if err := a.call(cmd, http.MethodPost, "/invitations/bulk", nil, map[string]string{"csv": string(text)}, &made); err != nil {
		return err
	}
	var rows [][]string
	var warnings []string
	failed := 0
	for _, r := range made {
		result := r.Error
		if r.Invitation != nil {
			result = r.Invitation.URL
			warnings = append(warnings, r.Invitation.Warnings...)
		} else {
			failed++
		}
		rows = append(rows, []string{fmt.Sprint(r.Row), r.Email, result})
	}
	slices.Sort(warnings)
	a.warn(slices.Compact(warnings)) // one site has one
	if err := a.list(made, []string{"ROW", "E-MAIL", "ADDRESS TO PASS ON"}, rows); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d could not be invited", failed, len(made))
	}
	return nil
}

func (a *app) invitationList() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List invitations that are still good", Args: exactly(0), RunE: func(cmd *cobra.Command, _ []string) error {
		var list []invitation.InvitationView
		if err := a.call(cmd, http.MethodGet, "/invitations", nil, nil, &list); err != nil {
			return err
		}
		var rows [][]string
		for _, i := range list {
			rows = append(rows, []string{i.Email, i.Role, orDash(strings.Join(i.Groups, ",")), i.By, when(i.GoodTill), i.ID})
		}
		return a.list(list, []string{"E-MAIL", "ROLE", "GROUPS", "BY", "GOOD UNTIL", "ID"}, rows)
	}}
}
