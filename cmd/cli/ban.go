package cli

import (
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"gatehouse/auth"
)

func (a *app) banCommand() *cobra.Command {
	return parent("ban", "Addresses that failed too often", a.banList(), a.banLift())
}

func (a *app) banList() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List the addresses that are banned now", Args: exactly(0), RunE: func(cmd *cobra.Command, _ []string) error {
		list := []auth.Ban{}
		if err := a.call(cmd, http.MethodGet, "/bans", nil, nil, &list); err != nil {
			return err
		}
		var rows [][]string
		for _, b := range list {
			rows = append(rows, []string{b.Address, fmt.Sprint(b.Failures), when(b.Since), when(b.Until)})
		}
		return a.list(list, []string{"ADDRESS", "FAILURES", "SINCE", "UNTIL"}, rows)
	}}
}

func (a *app) banLift() *cobra.Command {
	return &cobra.Command{
		Use: "lift ADDRESS", Short: "Let an address try again", Args: exactly(1),
		Long: "An address of IPv6 is banned with its whole /64: any address in it will do, or the /64 as the list shows it.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.call(cmd, http.MethodDelete, "/bans/"+segment(args[0]), nil, nil, nil); err != nil {
				return err
			}
			return a.done(struct{}{}, "%s may try again", args[0])
		},
	}
}
