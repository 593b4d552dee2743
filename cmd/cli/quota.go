package cli

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/admin/record"
	"gatehouse/storage/accounts"
)

func (a *app) quotaCommand() *cobra.Command {
	return parent("quota", "Quotas of folders", a.quotaList(), a.quotaShow(), a.quotaSet(), a.quotaRescan())
}

// quotaPath takes an account's name for its home.
func (a *app) quotaPath(cmd *cobra.Command, arg string) (string, error) {
	if strings.HasPrefix(arg, "/") {
		return arg, nil
	}
	var x record.AccountView
	err := a.call(cmd, http.MethodGet, "/accounts/"+segment(arg), nil, nil, &x)
	return x.Home, neither(arg, err)
}

// neither is what becomes of a name that is no account's: it may be a folder's.
func neither(arg string, err error) error {
	if errors.Is(err, accounts.ErrNotFound) {
		return fmt.Errorf("there is neither an account nor a folder %s: folders begin with /", arg)
	}
	return err
}

func (a *app) quotaShow() *cobra.Command {
	return &cobra.Command{Use: "show NAME-or-PATH", Short: "Show a folder's quota and its use, of an account also what it has moved", Args: exactly(1), RunE: func(cmd *cobra.Command, args []string) error {
		if !strings.HasPrefix(args[0], "/") {
			return a.showUsage(cmd, args[0])
		}
		var q record.QuotaView
		if err := a.call(cmd, http.MethodGet, "/quotas/at", url.Values{"path": {args[0]}}, nil, &q); err != nil {
			return err
		}
		return a.printQuota(q)
	}}
}

func (a *app) showUsage(cmd *cobra.Command, account string) error {
	var u record.UsageView
	if err := a.call(cmd, http.MethodGet, "/accounts/"+segment(account)+"/usage", nil, nil, &u); err != nil {
		return neither(account, err)
	}
	return a.show(u, append(quotaRows(u.QuotaView), [][2]string{
		{"moved today", periodText(u.Day)}, {"moved this month", periodText(u.Month)},
	}...))
}

func periodText(p *record.PeriodView) string {
	if p == nil {
		return "unlimited"
	}
	return size(&p.UsedBytes) + " of " + size(&p.LimitBytes) + ", anew " + p.Until.Format(time.RFC3339)
}

func (a *app) printQuota(q record.QuotaView) error { return a.show(q, quotaRows(q)) }

func quotaRows(q record.QuotaView) [][2]string {
	return [][2]string{
		{"folder", q.Path}, {"bytes", size(&q.UsedBytes) + " of " + size(q.LimitBytes)},
		{"files", fmt.Sprintf("%d of %s", q.UsedFiles, countText(q.LimitFiles))},
	}
}

func (a *app) quotaSet() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use: "set NAME-or-PATH", Short: "Set a folder's quota, or take it away", Args: exactly(1),
		Long: "Sets what a folder may hold; of an account, its home. What is not named stays as it is.",
		Example: "  gatehouse quota set /projects/film --quota 200GiB --quota-files 50000\n" +
			"  gatehouse quota set /projects/film --quota none --quota-files -1   # no quota any more",
	}
	cmd.Flags().StringVar(&s.quota, "quota", "", "`BYTES`: 10GiB, or none; alone it leaves the limit of files as it is")
	cmd.Flags().Int64Var(&s.quotaFiles, "quota-files", -1, "`FILES` (-1: unlimited); alone it leaves the limit of bytes as it is")
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
			return a.setHomeQuota(cmd, args[0], body)
		}
		var q record.QuotaView
		if err := a.call(cmd, http.MethodGet, "/quotas/at", url.Values{"path": {args[0]}}, nil, &q); err != nil {
			return err
		}
		present := map[string]any{"path": args[0], "limit_bytes": q.LimitBytes, "limit_files": q.LimitFiles}
		maps.Copy(present, limits)
		limits = present
		q = record.QuotaView{}
		if err := a.call(cmd, http.MethodPut, "/quotas", nil, limits, &q); err != nil {
			return err
		}
		return a.printQuota(q)
	}
	return cmd
}

// setHomeQuota sets the account's own quota, and shows its home's.
func (a *app) setHomeQuota(cmd *cobra.Command, name string, body map[string]any) error {
	var x record.AccountView
	if err := a.call(cmd, http.MethodPatch, "/accounts/"+segment(name), nil, body, &x); err != nil {
		return neither(name, err)
	}
	var q record.QuotaView
	if err := a.call(cmd, http.MethodGet, "/quotas/at", url.Values{"path": {x.Home}}, nil, &q); err != nil {
		return err
	}
	return a.printQuota(q)
}

func (a *app) quotaRescan() *cobra.Command {
	return &cobra.Command{Use: "rescan NAME-or-PATH", Short: "Count a folder anew", Args: exactly(1), RunE: func(cmd *cobra.Command, args []string) error {
		folder, err := a.quotaPath(cmd, args[0])
		if err != nil {
			return err
		}
		var q record.QuotaView
		if err := a.call(cmd, http.MethodPost, "/quotas/rescan", nil, map[string]string{"path": folder}, &q); err != nil {
			return err
		}
		return a.printQuota(q)
	}}
}

func (a *app) quotaList() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List quotas and their use", Args: exactly(0), RunE: func(cmd *cobra.Command, _ []string) error {
		var list []record.QuotaView
		if err := a.call(cmd, http.MethodGet, "/quotas", nil, nil, &list); err != nil {
			return err
		}
		var rows [][]string
		for _, q := range list {
			rows = append(rows, []string{q.Path, size(&q.UsedBytes), size(q.LimitBytes), fmt.Sprint(q.UsedFiles), countText(q.LimitFiles), orDash(q.Owner)})
		}
		return a.list(list, []string{"FOLDER", "USED", "LIMIT", "FILES", "LIMIT", "OF"}, rows)
	}}
}
