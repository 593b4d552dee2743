package cli

import (
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/admin/record"
	"gatehouse/auth/session"
)

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
			rows = append(rows, []string{
				d.Account, string(d.Door), string(d.Transport), d.Address.String(), orDash(strings.Join(d.Nodes, " ")), when(d.Since), when(d.LastActive), d.ID,
			})
		}
		return a.list(list, []string{"ACCOUNT", "DOOR", "TRANSPORT", "ADDRESS", "NODE", "SINCE", "LAST ACTIVE", "ID"}, rows)
	}}
}

func (a *app) lockCommand() *cobra.Command {
	list := &cobra.Command{Use: "list", Short: "List locks", Args: exactly(0), RunE: func(cmd *cobra.Command, _ []string) error {
		var found []record.LockView
		if err := a.call(cmd, http.MethodGet, "/locks", nil, nil, &found); err != nil {
			return err
		}
		var rows [][]string
		for _, l := range found {
			rows = append(rows, []string{l.Path, l.Account, l.Depth, l.Scope, when(l.Expires), orDash(l.Owner), l.Token})
		}
		return a.list(found, []string{"PATH", "ACCOUNT", "DEPTH", "SCOPE", "EXPIRES", "CLIENT", "TOKEN"}, rows)
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
