package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"sort"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/admin"
	"gatehouse/auth/session"
	"gatehouse/storage/locks"
)

func (a *app) groupCommand() *cobra.Command {
	return parent("group", "Groups of accounts",
		a.groupAdd(), a.groupList(), a.groupShow(), a.groupDelete(),
		a.groupMember("add-member GROUP NAME...", "Add accounts to a group", http.MethodPut),
		a.groupMember("remove-member GROUP NAME...", "Take accounts out of a group", http.MethodDelete))
}

func (a *app) groupAdd() *cobra.Command {
	var protocols []string
	cmd := &cobra.Command{Use: "add NAME", Short: "Create a group", Args: exactly(1)}
	cmd.Flags().StringSliceVar(&protocols, "protocols", nil, "default for members: of sftp,ftp,webdav,web,api")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body := map[string]any{"name": args[0]}
		if cmd.Flags().Changed("protocols") {
			body["protocols"] = protocols
		}
		var g admin.GroupView
		if err := a.call(cmd, http.MethodPost, "/groups", nil, body, &g); err != nil {
			return err
		}
		return a.done(g, "group %s created", g.Name)
	}
	return cmd
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
		pairs := [][2]string{{"name", g.Name}, {"id", g.ID}, {"members", orDash(strings.Join(g.Members, ", "))}}
		for _, one := range g.Grants {
			pairs = append(pairs, [2]string{"grant", grantText(one)})
		}
		return a.show(g, pairs)
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

func (a *app) siteCommand() *cobra.Command {
	return parent("site", "The policy of the whole site", a.siteShow(), a.siteSet())
}

func (a *app) siteShow() *cobra.Command {
	return &cobra.Command{Use: "show", Short: "Show the site policy by key", Args: exactly(0), RunE: func(cmd *cobra.Command, _ []string) error {
		var site map[string]any
		if err := a.call(cmd, http.MethodGet, "/site", nil, nil, &site); err != nil {
			return err
		}
		return a.showSite(site)
	}}
}

func (a *app) showSite(site map[string]any) error {
	var pairs [][2]string
	flatten("", site, &pairs)
	sort.Slice(pairs, func(i, j int) bool { return pairs[i][0] < pairs[j][0] })
	return a.show(site, pairs)
}

// flatten lists the leaves of a tree by dotted key.
func flatten(prefix string, tree map[string]any, pairs *[][2]string) {
	for key, value := range tree {
		if inner, ok := value.(map[string]any); ok {
			flatten(prefix+key+".", inner, pairs)
			continue
		}
		text, ok := value.(string)
		if !ok {
			raw, _ := json.Marshal(value)
			text = string(raw)
		}
		*pairs = append(*pairs, [2]string{prefix + key, orDash(text)})
	}
}

func (a *app) siteSet() *cobra.Command {
	return &cobra.Command{Use: "set KEY=VALUE...", Short: "Change the site policy; an empty value resets", Args: atLeast(1), RunE: func(cmd *cobra.Command, args []string) error {
		var present map[string]any
		if err := a.call(cmd, http.MethodGet, "/site", nil, nil, &present); err != nil {
			return err
		}
		body := map[string]any{}
		for _, arg := range args {
			key, text, ok := strings.Cut(arg, "=")
			if !ok {
				return usagef("%q is not KEY=VALUE", arg)
			}
			put(body, strings.Split(key, "."), siteValue(at(present, strings.Split(key, ".")), text))
		}
		var now map[string]any
		if err := a.call(cmd, http.MethodPatch, "/site", nil, body, &now); err != nil {
			return err
		}
		return a.showSite(now)
	}}
}

func at(tree map[string]any, keys []string) any {
	for _, k := range keys[:len(keys)-1] {
		tree, _ = tree[k].(map[string]any)
	}
	return tree[keys[len(keys)-1]]
}

func put(tree map[string]any, keys []string, value any) {
	for _, k := range keys[:len(keys)-1] {
		inner, ok := tree[k].(map[string]any)
		if !ok {
			inner = map[string]any{}
			tree[k] = inner
		}
		tree = inner
	}
	tree[keys[len(keys)-1]] = value
}

// siteValue gives text the type that the key has now; a key that is null or a
// list takes a list separated by commas.
func siteValue(present any, text string) any {
	if text == "" {
		return nil
	}
	switch present.(type) {
	case string:
		return text
	case []any, nil:
		return strings.Split(text, ",")
	}
	var value any
	if json.Unmarshal([]byte(text), &value) != nil {
		return text
	}
	return value
}

func (a *app) sessionCommand() *cobra.Command {
	return parent("session", "Open sessions", a.sessionList(), &cobra.Command{
		Use: "end ID", Short: "End a session", Args: exactly(1), RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.call(cmd, http.MethodDelete, "/sessions/"+segment(args[0]), nil, nil, nil); err != nil {
				return err
			}
			return a.done(struct{}{}, "ended")
		},
	})
}

func (a *app) sessionList() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List open sessions", Args: exactly(0), RunE: func(cmd *cobra.Command, _ []string) error {
		var list []session.Description
		if err := a.call(cmd, http.MethodGet, "/sessions", nil, nil, &list); err != nil {
			return err
		}
		var rows [][]string
		for _, d := range list {
			rows = append(rows, []string{d.Account, string(d.Door), string(d.Transport), d.Address.String(), when(d.Since), when(d.LastActive), d.ID})
		}
		return a.list(list, []string{"ACCOUNT", "DOOR", "TRANSPORT", "ADDRESS", "SINCE", "LAST ACTIVE", "ID"}, rows)
	}}
}

func (a *app) lockCommand() *cobra.Command {
	list := &cobra.Command{Use: "list", Short: "List locks", Args: exactly(0), RunE: func(cmd *cobra.Command, _ []string) error {
		var found []locks.Lock
		if err := a.call(cmd, http.MethodGet, "/locks", nil, nil, &found); err != nil {
			return err
		}
		var rows [][]string
		for _, l := range found {
			rows = append(rows, []string{l.Path.String(), l.Account, when(l.Expires), l.Token})
		}
		return a.list(found, []string{"PATH", "ACCOUNT", "EXPIRES", "TOKEN"}, rows)
	}}
	return parent("lock", "Locks on files", list, &cobra.Command{
		Use: "break TOKEN", Short: "Break a lock", Args: exactly(1), RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.call(cmd, http.MethodDelete, "/locks/"+segment(args[0]), nil, nil, nil); err != nil {
				return err
			}
			return a.done(struct{}{}, "broken")
		},
	})
}

func (a *app) quotaCommand() *cobra.Command {
	return parent("quota", "Quotas of folders", a.quotaShow(), a.quotaSet(), a.quotaRescan())
}

// quotaPath takes an account's name for its home.
func (a *app) quotaPath(cmd *cobra.Command, arg string) (string, error) {
	if strings.HasPrefix(arg, "/") {
		return arg, nil
	}
	var x admin.AccountView
	err := a.call(cmd, http.MethodGet, "/accounts/"+segment(arg), nil, nil, &x)
	return x.Home, err
}

func (a *app) quotaShow() *cobra.Command {
	return &cobra.Command{Use: "show NAME-or-PATH", Short: "Show a folder's quota and its use", Args: exactly(1), RunE: func(cmd *cobra.Command, args []string) error {
		folder, err := a.quotaPath(cmd, args[0])
		if err != nil {
			return err
		}
		var q admin.QuotaView
		if err := a.call(cmd, http.MethodGet, "/quotas/at", url.Values{"path": {folder}}, nil, &q); err != nil {
			return err
		}
		return a.printQuota(q)
	}}
}

func (a *app) printQuota(q admin.QuotaView) error {
	files := "unlimited"
	if q.LimitFiles != nil {
		files = fmt.Sprint(*q.LimitFiles)
	}
	return a.show(q, [][2]string{
		{"folder", q.Path}, {"bytes", size(&q.UsedBytes) + " of " + size(q.LimitBytes)},
		{"files", fmt.Sprintf("%d of %s", q.UsedFiles, files)},
	})
}

func (a *app) quotaSet() *cobra.Command {
	var s settings
	cmd := &cobra.Command{Use: "set NAME-or-PATH", Short: "Set a folder's quota", Args: exactly(1)}
	cmd.Flags().StringVar(&s.quota, "quota", "", "bytes: 10GiB, or none")
	cmd.Flags().Int64Var(&s.quotaFiles, "quota-files", -1, "files (-1: unlimited)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body := map[string]any{}
		if err := s.quotaBody(cmd, body); err != nil {
			return err
		}
		limits, ok := body["quota"].(map[string]any)
		if !ok {
			return usagef("give --quota, --quota-files or both")
		}
		if !strings.HasPrefix(args[0], "/") {
			var x admin.AccountView
			if err := a.call(cmd, http.MethodPatch, "/accounts/"+segment(args[0]), nil, body, &x); err != nil {
				return err
			}
			return a.done(x, "quota of %s set", x.Home)
		}
		var q admin.QuotaView
		if err := a.call(cmd, http.MethodGet, "/quotas/at", url.Values{"path": {args[0]}}, nil, &q); err != nil {
			return err
		}
		present := map[string]any{"path": args[0], "limit_bytes": q.LimitBytes, "limit_files": q.LimitFiles}
		maps.Copy(present, limits)
		limits = present
		q = admin.QuotaView{}
		if err := a.call(cmd, http.MethodPut, "/quotas", nil, limits, &q); err != nil {
			return err
		}
		return a.printQuota(q)
	}
	return cmd
}

func (a *app) quotaRescan() *cobra.Command {
	return &cobra.Command{Use: "rescan NAME-or-PATH", Short: "Count a folder anew", Args: exactly(1), RunE: func(cmd *cobra.Command, args []string) error {
		folder, err := a.quotaPath(cmd, args[0])
		if err != nil {
			return err
		}
		var q admin.QuotaView
		if err := a.call(cmd, http.MethodPost, "/quotas/rescan", nil, map[string]string{"path": folder}, &q); err != nil {
			return err
		}
		return a.printQuota(q)
	}}
}
