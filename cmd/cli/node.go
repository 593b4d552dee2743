package cli

import (
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/admin"
)

func (a *app) nodeCommand() *cobra.Command {
	return parent("node", "Gateways that act as one", &cobra.Command{
		Use: "list", Short: "List the gateways that share the state; none where this one is alone", Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var list []admin.NodeView
			if err := a.call(cmd, http.MethodGet, "/nodes", nil, nil, &list); err != nil {
				return err
			}
			var rows [][]string
			for _, n := range list {
				rows = append(rows, nodeRow(n))
			}
			return a.list(list, []string{"NODE", "STATE", "ADDRESS", "VERSION", "SINCE", "LAST HEARD OF", ""}, rows)
		},
	})
}

func nodeRow(n admin.NodeView) []string {
	heard, self := time.Time{}, ""
	if n.LastBeat != nil {
		heard = *n.LastBeat
	}
	if n.Self {
		self = "answers"
	}
	return []string{n.Node, n.State, orDash(n.Address), orDash(n.Version), when(n.Since), when(heard), self}
}
