package cli

import (
	"net/http"

	"github.com/spf13/cobra"
)

func (a *app) siteCommand() *cobra.Command {
	return parent("site", "The policy of the whole site", a.siteShow(), a.siteSet())
}

func (a *app) siteShow() *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "Show the site policy by key, with what each key means", Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var site map[string]any
			if err := a.call(cmd, http.MethodGet, "/site", nil, nil, &site); err != nil {
				return err
			}
			first := defaultSite()
			var rows [][]string
			for _, k := range siteKeys {
				rows = append(rows, []string{k.name, orDash(k.in(site)), orDash(k.in(first)), k.meaning})
			}
			return a.list(site, []string{"KEY", "VALUE", "DEFAULT", "MEANING"}, rows)
		},
	}
}

func (a *app) siteSet() *cobra.Command {
	return &cobra.Command{
		Use: "set KEY=VALUE...", Short: "Change the site policy; an empty value resets", Args: atLeast(1),
		Long: "Prints what has changed. A list takes its items separated by commas. The keys, what they are at first, and\n" +
			"what they mean:\n\n" + siteKeysHelp(),
		Example: "  gatehouse site set plain_ftp=allow lockout.failures=5\n  gatehouse site set lockout.failures=",
		RunE: func(cmd *cobra.Command, args []string) error {
			body := map[string]any{}
			for _, arg := range args {
				if err := siteChange(body, arg); err != nil {
					return err
				}
			}
			var before, now map[string]any
			if err := a.call(cmd, http.MethodGet, "/site", nil, nil, &before); err != nil {
				return err
			}
			if err := a.call(cmd, http.MethodPatch, "/site", nil, body, &now); err != nil {
				return err
			}
			return a.showChanged(before, now)
		},
	}
}

// showChanged prints the keys that are others than before.
func (a *app) showChanged(before, now map[string]any) error {
	var changed [][2]string
	for _, k := range siteKeys {
		if is := k.in(now); is != k.in(before) {
			changed = append(changed, [2]string{k.name, orDash(is)})
		}
	}
	if len(changed) == 0 {
		a.say("nothing has changed")
	}
	return a.show(now, changed)
}
