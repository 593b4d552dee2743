package cli

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/admin/group"
)

func (a *app) groupCommand() *cobra.Command {
	return parent("group", "Groups of accounts",
		a.groupAdd(), a.groupList(), a.groupShow(), a.groupSet(), a.groupDelete(),
		a.groupMember("add-member GROUP NAME...", "Add accounts to a group", http.MethodPut),
		a.groupMember("remove-member GROUP NAME...", "Take accounts out of a group", http.MethodDelete))
}

func (a *app) groupList() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List groups", Args: exactly(0), RunE: func(cmd *cobra.Command, _ []string) error {
		var groups []group.GroupView
		if err := a.call(cmd, http.MethodGet, "/groups", nil, nil, &groups); err != nil {
			return err
		}
		var rows [][]string
		for _, g := range groups {
			rows = append(rows, []string{g.Name, fmt.Sprint(len(g.Members)), fmt.Sprint(len(g.Grants))})
		}
		return a.list(groups, []string{"NAME", "MEMBERS", "GRANTS"}, rows)
	}}
}

func (a *app) groupShow() *cobra.Command {
	return &cobra.Command{Use: "show NAME", Short: "Show a group", Args: exactly(1), RunE: func(cmd *cobra.Command, args []string) error {
		var g group.GroupView
		if err := a.call(cmd, http.MethodGet, "/groups/"+segment(args[0]), nil, nil, &g); err != nil {
			return err
		}
		return a.show(g, groupPairs(g))
	}}
}

func (a *app) groupDelete() *cobra.Command {
	return &cobra.Command{Use: "delete NAME", Short: "Delete a group; its members stay", Args: exactly(1), RunE: func(cmd *cobra.Command, args []string) error {
		if err := a.call(cmd, http.MethodDelete, "/groups/"+segment(args[0]), nil, nil, nil); err != nil {
			return err
		}
		return a.done(struct{}{}, "group %s deleted", args[0])
	}}
}

func (a *app) groupMember(use, short, method string) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: atLeast(2), RunE: func(cmd *cobra.Command, args []string) error {
		for _, name := range args[1:] {
			if err := a.call(cmd, method, "/groups/"+segment(args[0])+"/members/"+segment(name), nil, nil, nil); err != nil {
				return err
			}
		}
		return a.done(struct{}{}, "%s: %s", args[0], strings.Join(args[1:], ", "))
	}}
}

// groupSettings are the flags that add and set of a group share.
type groupSettings struct {
	settings
	managers    []string
	folder      string
	folderQuota string
}

func (s *groupSettings) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	s.protocols = someOf(f, "protocols", "default for members", append(slices.Clone(doorNames), "inherit")...)
	f.StringVar(&s.quota, "quota", "", "default `BYTES` for each member's home: 10GiB (\"none\" for no default)")
	f.Int64Var(&s.quotaFiles, "quota-files", -1, "default `FILES` for each member's home (-1: no default)")
	pairsFlag(f, &s.limits, "limit", "default for members: "+limitUsage)
	f.StringSliceVar(&s.managers, "manager", nil, "`ACCOUNT` that adds and removes members (\"none\" for nobody)")
	f.StringVar(&s.folder, "folder", "", "tree `PATH` of the group's own folder (\"none\")")
	f.StringVar(&s.folderQuota, "folder-quota", "", "`BYTES` that the folder may hold (\"none\")")
}

func (s *groupSettings) body(cmd *cobra.Command) (map[string]any, error) {
	body := map[string]any{}
	changed := cmd.Flags().Changed
	if changed("protocols") {
		body["protocols"] = listOrNull(*s.protocols, "inherit")
	}
	if changed("manager") {
		body["managers"] = listOrNull(s.managers, "none")
	}
	if changed("folder") {
		body["folder"] = orNull(s.folder, "none")
	}
	if changed("folder-quota") {
		n, err := sizeOrNull("folder-quota", s.folderQuota)
		if err != nil {
			return nil, err
		}
		body["folder_quota"] = map[string]any{"limit_bytes": n}
	}
	if err := s.limitsBody(cmd, body); err != nil {
		return nil, err
	}
	return body, s.quotaBody(cmd, body)
}

func (a *app) groupAdd() *cobra.Command {
	var s groupSettings
	var owner string
	cmd := &cobra.Command{
		Use: "add NAME", Short: "Create a group", Args: exactly(1),
		Long: "A group of --kind personal belongs to its --owner, who chooses its members; it sets no defaults and has no folder.",
		Example: "  gatehouse group add crew --folder /projects/crew --folder-quota 200GiB\n" +
			"  gatehouse grant add crew /projects/crew --preset full --group",
	}
	s.flags(cmd)
	kind := oneOf(cmd.Flags(), "kind", "(default user)", "user", "personal")
	cmd.Flags().StringVar(&owner, "owner", "", "`ACCOUNT` whose personal group it is")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body, err := s.body(cmd)
		if err != nil {
			return err
		}
		body["name"] = args[0]
		for key, value := range map[string]string{"kind": *kind, "owner": owner} {
			if value != "" {
				body[key] = value
			}
		}
		var g group.GroupView
		if err := a.call(cmd, http.MethodPost, "/groups", nil, body, &g); err != nil {
			return err
		}
		return a.done(g, "group %s created", g.Name)
	}
	return cmd
}

func (a *app) groupSet() *cobra.Command {
	var s groupSettings
	cmd := &cobra.Command{}
	s.flags(cmd)
	return setCommand(a, cmd, "/groups/", &s, groupPairs)
}

func groupPairs(g group.GroupView) [][2]string {
	pairs := [][2]string{
		{"name", g.Name}, {"id", g.ID}, {"kind", g.Kind}, {"owner", g.Owner},
		{"members", orDash(strings.Join(g.Members, ", "))}, {"managers", strings.Join(g.Managers, ", ")},
		{"protocols", doorsText(g.Protocols)},
	}
	pairs = append(pairs, [2]string{"limits", limitsText(g.Limits)}, [2]string{"quota", quotaText(g.Quota)})
	if g.Folder != nil {
		text := *g.Folder
		if q := g.FolderQuota; q != nil {
			text += ", quota " + size(q.LimitBytes)
		}
		pairs = append(pairs, [2]string{"folder", text})
	}
	for _, one := range g.Grants {
		pairs = append(pairs, [2]string{"grant", grantText(one)})
	}
	return pairs
}
