package cli

import (
	"bufio"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/admin"
	"gatehouse/admin/record"
)

// accountChange are the settings, and what goes with the password and the home.
type accountChange struct {
	settings
	mustChange, adoptHome bool
}

func (c *accountChange) body(cmd *cobra.Command) (map[string]any, error) {
	body, err := c.settings.body(cmd)
	if err == nil && cmd.Flags().Changed("must-change") {
		body["must_change"] = c.mustChange
	}
	if err == nil && c.adoptHome {
		body["adopt_home"] = true
	}
	return body, err
}

func (a *app) accountSet() *cobra.Command {
	var c accountChange
	cmd := &cobra.Command{Example: "  gatehouse account set alice --expires 2031-01-31 --quota 20GiB\n" +
		"  gatehouse account set alice --expires never --protocols inherit --allow-ip any"}
	c.flags(cmd)
	cmd.Flags().BoolVar(&c.mustChange, "must-change", false, "the password must be changed at the next login")
	cmd.Flags().BoolVar(&c.adoptHome, "adopt-home", false, "with --home: take a folder that exists already, with what it holds")
	return setCommand(a, cmd, "/accounts/", &c, accountPairs)
}

func (a *app) accountDisable() *cobra.Command {
	var why string
	cmd := &cobra.Command{Use: "disable NAME", Short: "Disable an account: every session ends at once", Args: exactly(1)}
	cmd.Flags().StringVar(&why, "why", "", "the `REASON`, for other administrators")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var x record.AccountView
		if err := a.call(cmd, http.MethodPost, "/accounts/"+segment(args[0])+"/disable", nil, map[string]string{"why": why}, &x); err != nil {
			return err
		}
		return a.done(x, "account %s is %s", x.Username, statusText(x))
	}
	return cmd
}

func (a *app) accountEnable() *cobra.Command {
	return &cobra.Command{Use: "enable NAME", Short: "Enable an account again", Args: exactly(1), RunE: func(cmd *cobra.Command, args []string) error {
		var x record.AccountView
		if err := a.call(cmd, http.MethodPost, "/accounts/"+segment(args[0])+"/enable", nil, nil, &x); err != nil {
			return err
		}
		return a.done(x, "account %s is %s", x.Username, statusText(x))
	}}
}

func (a *app) accountUnlock() *cobra.Command {
	return &cobra.Command{
		Use: "unlock NAME", Short: "Lift a lockout after wrong passwords, and forget them", Args: exactly(1),
		Long: "A lockout is the account's; a ban is an address's: see gatehouse ban.",
		RunE: func(cmd *cobra.Command, args []string) error {
			var x admin.UnlockedAccount
			if err := a.call(cmd, http.MethodPost, "/accounts/"+segment(args[0])+"/unlock", nil, nil, &x); err != nil {
				return err
			}
			was := "was not locked"
			if x.WasLocked {
				was = "is unlocked"
			}
			return a.done(x, "account %s %s; it is %s", x.Username, was, statusText(x.AccountView))
		},
	}
}

// done prints v for scripts, the line for people.
func (a *app) done(v any, format string, args ...any) error {
	if a.json {
		return a.printJSON(v)
	}
	a.say(format, args...)
	return nil
}

func (a *app) accountDelete() *cobra.Command {
	var confirm string
	cmd := &cobra.Command{Use: "delete NAME --files keep|delete", Short: "Delete an account for good", Args: exactly(1)}
	files := oneOf(cmd.Flags(), "files", "what becomes of its home (kept: in /.kept)", "keep", "delete")
	cmd.Flags().StringVar(&confirm, "confirm", "", "the `NAME` again, for scripts")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *files == "" {
			return usagef("say what becomes of the home: --files keep or --files delete")
		}
		if confirm == "" {
			_, _ = fmt.Fprintf(a.Err, "This deletes %s for good. Type the name to go on: ", args[0])
			line, _ := bufio.NewReader(a.In).ReadString('\n')
			confirm = strings.TrimSpace(line)
		}
		if confirm != args[0] {
			return fmt.Errorf("the name was not confirmed: nothing was deleted")
		}
		query := url.Values{"confirm": {confirm}, "files": {*files}}
		if err := a.call(cmd, http.MethodDelete, "/accounts/"+segment(args[0]), query, nil, nil); err != nil {
			return err
		}
		return a.done(struct{}{}, "account %s deleted", args[0])
	}
	return cmd
}

func (a *app) accountPasswd() *cobra.Command {
	var stdin, mustChange bool
	cmd := &cobra.Command{Use: "passwd NAME", Short: "Set an account's password", Args: exactly(1)}
	cmd.Flags().BoolVar(&stdin, "password-stdin", false, "read the password from standard input without asking")
	cmd.Flags().BoolVar(&mustChange, "must-change", false, "it must be changed at first login")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		password, err := a.readSecret("password")
		if err != nil {
			return err
		}
		body := map[string]any{"password": password, "must_change": mustChange}
		if err := a.call(cmd, http.MethodPut, "/accounts/"+segment(args[0])+"/password", nil, body, nil); err != nil {
			return err
		}
		return a.done(struct{}{}, "password of %s set", args[0])
	}
	return cmd
}
