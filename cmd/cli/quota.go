package cli

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/admin"
)

func (a *app) quotaCommand() *cobra.Command {
	return parent("quota", "Quotas of folders", a.quotaList(), a.quotaShow(), a.quotaSet(), a.quotaRescan())
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

func (a *app) quotaList() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List quotas and their use", Args: exactly(0), RunE: func(cmd *cobra.Command, _ []string) error {
		var list []admin.QuotaView
		if err := a.call(cmd, http.MethodGet, "/quotas", nil, nil, &list); err != nil {
			return err
		}
		var rows [][]string
		for _, q := range list {
			files := "unlimited"
			if q.LimitFiles != nil {
				files = fmt.Sprint(*q.LimitFiles)
			}
			rows = append(rows, []string{q.Path, size(&q.UsedBytes), size(q.LimitBytes), fmt.Sprint(q.UsedFiles), files, orDash(q.Owner)})
		}
		return a.list(list, []string{"FOLDER", "USED", "LIMIT", "FILES", "LIMIT", "OF"}, rows)
	}}
}
