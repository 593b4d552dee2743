package cli

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/admin/record"
)

func (a *app) guestCommand() *cobra.Command {
	return parent("guest", "Guests: accounts from outside that somebody answers for", a.guestAdd(), a.guestList(), a.guestManagers())
}

func (a *app) guestAdd() *cobra.Command {
	var s settings
	var stdin bool
	cmd := &cobra.Command{
		Use: "add NAME --managed-by ACCOUNT", Short: "Create a guest", Args: exactly(1),
		Example: "  gatehouse guest add anna --managed-by alice --expires 2031-01-31 --password-stdin",
	}
	s.flags(cmd, "role", "manage-users", "manage-guests", "manage-personal-groups", "share-links")
	cmd.Flags().BoolVar(&stdin, "password-stdin", false, "read the password from standard input")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body, err := s.body(cmd)
		if err != nil {
			return err
		}
		if body["managed_by"] == nil {
			return usagef("say who answers for the guest: --managed-by or --managed-by-group")
		}
		body["username"], body["role"] = args[0], "guest"
		made, err := a.createAccount(cmd, body, stdin)
		if err != nil || a.json {
			return err
		}
		a.say("guest %s created, managed by %s", made.Username, managersText(made.ManagedBy))
		a.sayIfUnproved(made)
		return nil
	}
	return cmd
}

func managersText(m *record.ManagersSettings) string {
	if m == nil {
		return "nobody"
	}
	names := append([]string{}, m.Accounts...)
	for _, g := range m.Groups {
		names = append(names, "group "+g)
	}
	return strings.Join(names, ", ")
}

func (a *app) guestList() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List guests and who manages them", Args: exactly(0), RunE: func(cmd *cobra.Command, _ []string) error {
		all, err := a.accounts(cmd, url.Values{"role": {"guest"}})
		if err != nil {
			return err
		}
		var rows [][]string
		for _, x := range all {
			rows = append(rows, []string{x.Username, statusText(x), managersText(x.ManagedBy), expiryText(x)})
		}
		return a.list(all, []string{"NAME", "STATUS", "MANAGED BY", "EXPIRES"}, rows)
	}}
}

func (a *app) guestManagers() *cobra.Command {
	var by, groups []string
	cmd := &cobra.Command{Use: "managers NAME --managed-by ACCOUNT", Short: "Say who answers for a guest from now on", Args: exactly(1)}
	cmd.Flags().StringSliceVar(&by, "managed-by", nil, "`ACCOUNT` that manages it")
	cmd.Flags().StringSliceVar(&groups, "managed-by-group", nil, "`GROUP` whose managers manage it")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(by)+len(groups) == 0 {
			return usagef("give --managed-by or --managed-by-group")
		}
		var x record.AccountView
		// null first: a merge patch would keep a list that is not named.
		body := map[string]any{"managed_by": map[string]any{"accounts": listOf(by), "groups": listOf(groups)}}
		if err := a.call(cmd, http.MethodPatch, "/accounts/"+segment(args[0]), nil, body, &x); err != nil {
			return err
		}
		return a.done(x, "%s is managed by %s", x.Username, managersText(x.ManagedBy))
	}
	return cmd
}

// listOf is null for an empty list: it resets what is there.
func listOf(names []string) any {
	if len(names) == 0 {
		return nil
	}
	return names
}
