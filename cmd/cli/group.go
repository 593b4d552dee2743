package cli

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/admin"
)

func (a *app) groupCommand() *cobra.Command {
	return parent("group", "Groups of accounts",
		a.groupAdd(), a.groupList(), a.groupShow(), a.groupSet(), a.groupDelete(),
		a.groupMember("add-member GROUP NAME...", "Add accounts to a group", http.MethodPut),
		a.groupMember("remove-member GROUP NAME...", "Take accounts out of a group", http.MethodDelete))
}

func (a *app) groupList() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List groups", Args: exactly(0), RunE: func(cmd *cobra.Command, _ []string) error {
		var groups []admin.GroupView
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
		var g admin.GroupView
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
		return a.done(struct{}{}, "done")
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
	f.StringSliceVar(&s.protocols, "protocols", nil, "default for members: of sftp,ftp,webdav,web,api (\"inherit\" for none)")
	f.StringVar(&s.quota, "quota", "", "default for each member's home: 10GiB (\"none\" for no default)")
	f.Int64Var(&s.quotaFiles, "quota-files", -1, "default for the files of each member's home (-1: no default)")
	f.StringToStringVar(&s.limits, "limit", nil, "default NAME=FIGURE of "+limitNames)
	f.StringSliceVar(&s.managers, "manager", nil, "account that adds and removes members (\"none\" for nobody)")
	f.StringVar(&s.folder, "folder", "", "tree path of the group's own folder (\"none\")")
	f.StringVar(&s.folderQuota, "folder-quota", "", "bytes that the folder may hold (\"none\")")
}

func (s *groupSettings) body(cmd *cobra.Command) (map[string]any, error) {
	body := map[string]any{}
	changed := cmd.Flags().Changed
	if changed("protocols") {
		body["protocols"] = listOrNull(s.protocols, "inherit")
	}
	if changed("manager") {
		body["managers"] = listOrNull(s.managers, "none")
	}
	if changed("folder") {
		body["folder"] = orNull(s.folder, "none")
	}
	if changed("folder-quota") {
		limits := map[string]any{"limit_bytes": nil}
		if s.folderQuota != "none" {
			n, err := parseSize(s.folderQuota)
			if err != nil {
				return nil, err
			}
			limits["limit_bytes"] = n
		}
		body["folder_quota"] = limits
	}
	if err := s.limitsBody(cmd, body); err != nil {
		return nil, err
	}
	return body, s.quotaBody(cmd, body)
}

func (a *app) groupAdd() *cobra.Command {
	var s groupSettings
	var kind, owner string
	cmd := &cobra.Command{Use: "add NAME", Short: "Create a group", Args: exactly(1)}
	s.flags(cmd)
	cmd.Flags().StringVar(&kind, "kind", "", "user (default) or personal")
	cmd.Flags().StringVar(&owner, "owner", "", "whose personal group it is")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body, err := s.body(cmd)
		if err != nil {
			return err
		}
		body["name"] = args[0]
		for key, value := range map[string]string{"kind": kind, "owner": owner} {
			if value != "" {
				body[key] = value
			}
		}
		var g admin.GroupView
		if err := a.call(cmd, http.MethodPost, "/groups", nil, body, &g); err != nil {
			return err
		}
		return a.done(g, "group %s created", g.Name)
	}
	return cmd
}

func (a *app) groupSet() *cobra.Command {
	var s groupSettings
	cmd := &cobra.Command{Use: "set NAME", Short: "Change what the flags name; the rest stays", Args: exactly(1)}
	s.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body, err := s.body(cmd)
		if err != nil {
			return err
		}
		if len(body) == 0 {
			return usagef("nothing to set: see --help")
		}
		var g admin.GroupView
		if err := a.call(cmd, http.MethodPatch, "/groups/"+segment(args[0]), nil, body, &g); err != nil {
			return err
		}
		return a.show(g, groupPairs(g))
	}
	return cmd
}

func groupPairs(g admin.GroupView) [][2]string {
	pairs := [][2]string{
		{"name", g.Name}, {"id", g.ID}, {"kind", g.Kind}, {"owner", g.Owner},
		{"members", orDash(strings.Join(g.Members, ", "))}, {"managers", strings.Join(g.Managers, ", ")},
	}
	if g.Protocols != nil {
		pairs = append(pairs, [2]string{"protocols", orDash(strings.Join(*g.Protocols, ", "))})
	}
	if g.Limits != nil {
		pairs = append(pairs, [2]string{"limits", compact(g.Limits)})
	}
	if q := g.Quota; q != nil {
		pairs = append(pairs, [2]string{"quota", size(q.LimitBytes)})
	}
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
