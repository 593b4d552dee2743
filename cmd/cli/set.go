package cli

import (
	"net/http"

	"github.com/spf13/cobra"
)

// A change is what a command line says that is to be changed of a record.
type change interface {
	// body has what the flags name, as the API takes it; null resets.
	body(cmd *cobra.Command) (map[string]any, error)
}

// setCommand changes of a record what the flags name, and shows the record. under
// is where the API has records of this kind.
func setCommand[V any](a *app, cmd *cobra.Command, under string, c change, pairs func(V) [][2]string) *cobra.Command {
	cmd.Use, cmd.Short, cmd.Args = "set NAME", "Change what the flags name; the rest stays", exactly(1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body, err := c.body(cmd)
		if err != nil {
			return err
		}
		if len(body) == 0 {
			return usagef("nothing to set: see gatehouse %s set --help", cmd.Parent().Name())
		}
		var now V
		if err := a.call(cmd, http.MethodPatch, under+segment(args[0]), nil, body, &now); err != nil {
			return err
		}
		return a.show(now, pairs(now))
	}
	return cmd
}
