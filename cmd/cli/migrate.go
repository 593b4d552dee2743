package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"gatehouse/cmd/migrate"
)

func (a *app) migrateCommand() *cobra.Command {
	var c configFlags
	var url string
	cmd := &cobra.Command{
		Use: "migrate --from KIND --to KIND", Short: "Move the state from the data folder to Redis, or back", Args: exactly(0),
		Long: "Copies the state of gateways that do not run from the data folder to Redis, or back, into a store that is empty, and compares\n" +
			"both. Nothing of the first is changed. It can be cut off and run again. The users' files stay where they are.",
		Example: "  gatehouse migrate --from bolt --to redis --data ./data --url redis://127.0.0.1:6379/0",
	}
	c.flags(cmd)
	kinds := []string{migrate.Bolt, migrate.Redis}
	from := oneOf(cmd.Flags(), "from", "where the state is", kinds...)
	to := oneOf(cmd.Flags(), "to", "where it goes", kinds...)
	cmd.Flags().StringVar(&url, "url", "", "`URL` of Redis (default: state.url of the configuration; one with a password is better off there)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *from == "" || *to == "" || *from == *to {
			return usagef("name where the state is and where it goes: --from bolt --to redis, or --from redis --to bolt")
		}
		if url != "" {
			c.set = append(c.set, "state.url="+url)
		}
		conf, err := a.load(c)
		if err != nil {
			return err
		}
		report, err := migrate.Run(cmd.Context(), migrate.Options{Config: conf.Config, From: *from, To: *to})
		if err != nil {
			return err
		}
		a.warn(report.Notes)
		return a.show(report, [][2]string{
			{"from:", report.From}, {"to:", report.To},
			{"scopes:", fmt.Sprint(report.Scopes)}, {"records:", fmt.Sprint(report.Records)}, {"counters:", fmt.Sprint(report.Counters)},
			{"streams:", fmt.Sprint(report.Streams)}, {"entries:", fmt.Sprint(report.Entries)},
			{"digest:", report.Digest + ", the same in both"},
		})
	}
	return cmd
}
