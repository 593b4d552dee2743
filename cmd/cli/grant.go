package cli

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/admin/group"
	"gatehouse/admin/record"
	"gatehouse/storage/accounts"
)

func (a *app) grantCommand() *cobra.Command {
	return parent("grant", "Grants: rights on folders", a.grantAdd(), a.grantList(), a.grantRemove())
}

func (a *app) grantAdd() *cobra.Command {
	var at string
	var flat, group bool
	cmd := &cobra.Command{
		Use: "add NAME PATH", Short: "Grant an account or a group rights on a folder", Args: exactly(2),
		Long: "PATH is a tree path. A folder outside of the account's root is seen under the name that --at gives it.",
		Example: "  gatehouse grant add bob /home/alice/project --preset read-only --at project\n" +
			"  gatehouse grant add crew /projects/crew --permissions list,read,create --group",
	}
	f := cmd.Flags()
	preset := oneOf(f, "preset", "", "full", "read-only", "upload-only")
	permissions := someOf(f, "permissions", "", "list", "read", "create", "write", "delete", "share")
	f.StringVar(&at, "at", "", "`NAME` under which the folder appears in the root")
	f.BoolVar(&flat, "not-recursive", false, "only the folder and its direct files")
	f.BoolVar(&group, "group", false, groupUsage)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if (*preset == "") == (len(*permissions) == 0) {
			return usagef("give either --preset or --permissions")
		}
		body := record.GrantSettings{Path: args[1], Preset: *preset, Permissions: *permissions, At: at, Recursive: new(!flat)}
		var made any
		err := a.call(cmd, http.MethodPost, owner(group, args[0])+"/grants", nil, body, &made)
		if errors.Is(err, accounts.ErrNotFound) && !group {
			return fmt.Errorf("%w (for a group give --group)", err)
		}
		if err != nil {
			return err
		}
		return a.done(made, "%s is granted %s", args[0], args[1])
	}
	return cmd
}

// groupUsage is of --group: accounts and groups may have the same name.
const groupUsage = "NAME is a group, not an account"

// owner is the API's path of an account or group.
func owner(group bool, name string) string {
	if group {
		return "/groups/" + segment(name)
	}
	return "/accounts/" + segment(name)
}

func (a *app) grantList() *cobra.Command {
	var group bool
	cmd := &cobra.Command{Use: "list NAME", Short: "List an account's or a group's own grants", Args: exactly(1)}
	cmd.Flags().BoolVar(&group, "group", false, groupUsage)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		grants, err := a.grants(cmd, group, args[0])
		if err != nil {
			return err
		}
		var rows [][]string
		for _, g := range grants {
			depth := "tree"
			if !g.Recursive {
				depth = "folder"
			}
			cut := "-"
			if g.Cut != nil {
				cut = "to " + g.Cut.To + ": " + orDash(strings.Join(g.Cut.Left, "; "))
			}
			rows = append(rows, []string{g.Path, strings.Join(g.Permissions, ","), depth, orDash(g.At), cut, g.ID})
		}
		return a.list(grants, []string{"PATH", "PERMISSIONS", "DEPTH", "AT", "CUT", "ID"}, rows)
	}
	return cmd
}

func (a *app) grants(cmd *cobra.Command, ofGroup bool, name string) ([]record.GrantView, error) {
	if ofGroup {
		var g group.GroupView
		err := a.call(cmd, http.MethodGet, owner(ofGroup, name), nil, nil, &g)
		return g.Grants, err
	}
	var grants []record.GrantView
	err := a.call(cmd, http.MethodGet, owner(ofGroup, name)+"/grants", nil, nil, &grants)
	return grants, err
}

func (a *app) grantRemove() *cobra.Command {
	var group bool
	cmd := &cobra.Command{Use: "remove NAME PATH-or-ID", Short: "Remove an account's or a group's grants on a folder", Args: exactly(2)}
	cmd.Flags().BoolVar(&group, "group", false, groupUsage)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		grants, err := a.grants(cmd, group, args[0])
		if err != nil {
			return err
		}
		removed := 0
		for _, g := range grants {
			if g.ID != args[1] && g.Path != args[1] {
				continue
			}
			if err := a.call(cmd, http.MethodDelete, owner(group, args[0])+"/grants/"+segment(g.ID), nil, nil, nil); err != nil {
				return err
			}
			removed++
		}
		if removed == 0 {
			return fmt.Errorf("%s has no grant of its own on %s", args[0], args[1])
		}
		return a.done(map[string]int{"removed": removed}, "removed")
	}
	return cmd
}
