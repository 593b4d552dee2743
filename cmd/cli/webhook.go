package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"gatehouse/admin/webhook"
	"gatehouse/storage/events"
)

func (a *app) webhookCommand() *cobra.Command {
	return parent("webhook", "Other programs that hear of events",
		a.webhookAdd(), a.webhookList(), a.webhookShow(), a.webhookSet(), a.webhookSwitch("enable", "Send again, from where it was", false),
		a.webhookSwitch("disable", "Send nothing until it is enabled again", true), a.webhookRotate(), a.webhookTest(), a.webhookDead(),
		a.webhookRetry(), a.webhookRemove())
}

func webhookPath(id string) string { return "/webhooks/" + segment(id) }

// webhookFlags are the settings beside the address.
type webhookFlags struct {
	kinds, accounts          []string
	outcomes                 *[]string
	path, description, moved string
}

func (w *webhookFlags) flags(f *pflag.FlagSet) {
	f.StringSliceVar(&w.kinds, "kind", nil, "`KIND` of event to hear of, with those below it (default: all; see gatehouse event kinds)")
	f.StringSliceVar(&w.accounts, "account", nil, "`NAME` of an account to hear of (default: all)")
	f.StringVar(&w.path, "path", "", "hear of this tree `PATH` and what is below it alone")
	w.outcomes = someOf(f, "outcome", "outcomes to hear of (default: all)", events.OK, events.Denied, events.Failed, events.WasCut, events.Aborted)
	f.StringVar(&w.description, "description", "", "`WHAT` it is for, for other administrators")
}

// body has what was given; "any" takes a narrowing away.
func (w *webhookFlags) body(f *pflag.FlagSet) map[string]any {
	body, filter := map[string]any{}, map[string]any{}
	for name, set := range map[string]struct {
		key   string
		value any
		any   bool
	}{
		"kind":    {"kinds", w.kinds, len(w.kinds) == 1 && w.kinds[0] == "any"},
		"account": {"accounts", w.accounts, len(w.accounts) == 1 && w.accounts[0] == "any"},
		"outcome": {"outcomes", *w.outcomes, false},
		"path":    {"path", w.path, w.path == "any"},
	} {
		switch {
		case f.Changed(name) && set.any:
			filter[set.key] = nil
		case f.Changed(name):
			filter[set.key] = set.value
		}
	}
	if len(filter) > 0 {
		body["filter"] = filter
	}
	if f.Changed("description") {
		body["description"] = w.description
	}
	if f.Changed("url") {
		body["url"] = w.moved
	}
	return body
}

func (a *app) webhookAdd() *cobra.Command {
	var w webhookFlags
	cmd := &cobra.Command{
		Use: "add URL", Short: "Make a webhook; its secret is shown this once", Args: exactly(1),
		Example: "  gatehouse webhook add https://hooks.example.org/files --kind file.upload --path /projects\n" +
			"  gatehouse webhook add https://siem.example.org/in --kind login.refused --kind events.checkpoint",
	}
	w.flags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body := w.body(cmd.Flags())
		body["url"] = args[0]
		var made webhook.MadeWebhook
		if err := a.call(cmd, http.MethodPost, "/webhooks", nil, body, &made); err != nil {
			return err
		}
		return a.done(made, "%s (shown this once; the webhook's id is %s)", made.Secret, made.ID)
	}
	return cmd
}

func (a *app) webhookList() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List webhooks and how they fare", Args: exactly(0), RunE: func(cmd *cobra.Command, _ []string) error {
		list := []webhook.WebhookView{}
		if err := a.call(cmd, http.MethodGet, "/webhooks", nil, nil, &list); err != nil {
			return err
		}
		var rows [][]string
		for _, w := range list {
			rows = append(rows, []string{
				w.ID, w.URL, webhookState(w), fmt.Sprint(w.Status.Behind), fmt.Sprint(w.Status.Waiting), fmt.Sprint(w.Status.Dead), orDash(filterText(w.Filter)),
			})
		}
		return a.list(list, []string{"ID", "URL", "STATE", "BEHIND", "WAITING", "DEAD", "HEARS OF"}, rows)
	}}
}

// webhookState is how a webhook fares in a few words.
func webhookState(w webhook.WebhookView) string {
	switch {
	case w.Disabled && w.Because != "":
		return "disabled: " + w.Because
	case w.Disabled:
		return "disabled"
	case !w.Status.Failing.IsZero():
		return "failing since " + when(w.Status.Failing) + ": " + w.Status.Last
	}
	return "ok"
}

func filterText(f webhook.EventFilter) string {
	var parts []string
	for _, k := range f.Kinds {
		parts = append(parts, string(k))
	}
	for _, name := range f.Accounts {
		parts = append(parts, "account="+name)
	}
	if f.Path != "" {
		parts = append(parts, "path="+f.Path)
	}
	for _, o := range f.Outcomes {
		parts = append(parts, "outcome="+o)
	}
	return strings.Join(parts, " ")
}

func (a *app) webhookShow() *cobra.Command {
	return &cobra.Command{Use: "show ID", Short: "Show a webhook and how it fares", Args: exactly(1), RunE: func(cmd *cobra.Command, args []string) error {
		var w webhook.WebhookView
		if err := a.call(cmd, http.MethodGet, webhookPath(args[0]), nil, nil, &w); err != nil {
			return err
		}
		return a.printWebhook(w)
	}}
}

func (a *app) printWebhook(w webhook.WebhookView) error {
	s := w.Status
	last := s.Last
	if last != "" {
		last += " (" + when(s.LastTime) + ")"
	}
	pairs := [][2]string{
		{"id", w.ID}, {"url", w.URL}, {"description", w.Description}, {"hears of", filterText(w.Filter)}, {"state", webhookState(w)},
		{"last try", last}, {"behind", fmt.Sprintf("%d events", s.Behind)}, {"waiting", fmt.Sprintf("%d refused messages", s.Waiting)},
		{"dead", fmt.Sprintf("%d refused messages", s.Dead)}, {"made", when(w.Created) + " by " + orDash(w.By)},
	}
	if !s.Next.IsZero() {
		pairs = append(pairs, [2]string{"next try", when(s.Next)})
	}
	if !w.Older.IsZero() {
		pairs = append(pairs, [2]string{"older secret", "signs beside the new one until " + when(w.Older)})
	}
	return a.show(w, pairs)
}

func (a *app) webhookSet() *cobra.Command {
	var w webhookFlags
	cmd := &cobra.Command{
		Use: "set ID", Short: "Change a webhook", Args: exactly(1),
		Example: "  gatehouse webhook set ID --url https://new.example.org/files --kind any --path /projects",
		Long:    "Change a webhook: what is named is set anew as a whole. any hears of every kind, account or path again.",
	}
	w.flags(cmd.Flags())
	cmd.Flags().StringVar(&w.moved, "url", "", "another `URL`")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body := w.body(cmd.Flags())
		if len(body) == 0 {
			return usagef("nothing to set: see --help")
		}
		return a.patchWebhook(cmd, args[0], body)
	}
	return cmd
}

func (a *app) patchWebhook(cmd *cobra.Command, id string, body map[string]any) error {
	var w webhook.WebhookView
	if err := a.call(cmd, http.MethodPatch, webhookPath(id), nil, body, &w); err != nil {
		return err
	}
	return a.printWebhook(w)
}

func (a *app) webhookSwitch(use, short string, disabled bool) *cobra.Command {
	return &cobra.Command{Use: use + " ID", Short: short, Args: exactly(1), RunE: func(cmd *cobra.Command, args []string) error {
		return a.patchWebhook(cmd, args[0], map[string]any{"disabled": disabled})
	}}
}

func (a *app) webhookRotate() *cobra.Command {
	var now bool
	cmd := &cobra.Command{Use: "rotate ID", Short: "Give it a new secret, shown this once; the one before signs beside it for a day", Args: exactly(1)}
	cmd.Flags().BoolVar(&now, "now", false, "the secret before signs no more: it is known to others")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var made webhook.MadeWebhook
		query := url.Values{"at_once": {fmt.Sprint(now)}}
		if err := a.call(cmd, http.MethodPost, webhookPath(args[0])+"/rotate", query, nil, &made); err != nil {
			return err
		}
		return a.done(made, "%s (shown this once)", made.Secret)
	}
	return cmd
}

func (a *app) webhookTest() *cobra.Command {
	return &cobra.Command{Use: "test ID", Short: "Send a message of type webhook.test now", Args: exactly(1), RunE: func(cmd *cobra.Command, args []string) error {
		var r webhook.WebhookTest
		if err := a.call(cmd, http.MethodPost, webhookPath(args[0])+"/test", nil, nil, &r); err != nil {
			return err
		}
		if err := a.done(r, "%s", r.Outcome); err != nil || r.Taken {
			return err
		}
		return fmt.Errorf("the message was not taken")
	}}
}

func (a *app) webhookDead() *cobra.Command {
	var forget bool
	var position uint64
	cmd := &cobra.Command{
		Use: "dead ID", Short: "List messages that were refused to the last, or forget them", Args: exactly(1),
		Example: "  gatehouse webhook dead ID --forget",
	}
	cmd.Flags().BoolVar(&forget, "forget", false, "forget them")
	cmd.Flags().Uint64Var(&position, "position", 0, "with --forget: only the one at this `POSITION`")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		at := webhookPath(args[0]) + "/dead"
		if forget {
			query := url.Values{}
			if position != 0 {
				query.Set("position", fmt.Sprint(position))
			}
			var n webhook.LetterCount
			if err := a.call(cmd, http.MethodDelete, at, query, nil, &n); err != nil {
				return err
			}
			return a.done(n, "%d forgotten", n.Letters)
		}
		list := []webhook.Letter{}
		if err := a.call(cmd, http.MethodGet, at, nil, nil, &list); err != nil {
			return err
		}
		var rows [][]string
		for _, l := range list {
			rows = append(rows, []string{fmt.Sprint(l.Position), string(l.Kind), when(l.First), fmt.Sprint(l.Tries), l.Last})
		}
		return a.list(list, []string{"POSITION", "KIND", "FIRST TRY", "TRIES", "LAST"}, rows)
	}
	return cmd
}

func (a *app) webhookRetry() *cobra.Command {
	return &cobra.Command{Use: "retry ID [POSITION]", Short: "Try dead messages again: all, or one", Args: between(1, 2), RunE: func(cmd *cobra.Command, args []string) error {
		body := map[string]uint64{}
		if len(args) == 2 {
			var position uint64
			if n, err := fmt.Sscanf(args[1], "%d", &position); n != 1 || err != nil || position == 0 {
				return usagef("%q is no position: see gatehouse webhook dead", args[1])
			}
			body["position"] = position
		}
		var n webhook.LetterCount
		if err := a.call(cmd, http.MethodPost, webhookPath(args[0])+"/dead/retry", nil, body, &n); err != nil {
			return err
		}
		return a.done(n, "%d are tried again", n.Letters)
	}}
}

func (a *app) webhookRemove() *cobra.Command {
	return &cobra.Command{Use: "remove ID", Short: "Remove a webhook, and what waits for it", Args: exactly(1), RunE: func(cmd *cobra.Command, args []string) error {
		if err := a.call(cmd, http.MethodDelete, webhookPath(args[0]), nil, nil, nil); err != nil {
			return err
		}
		return a.done(struct{}{}, "removed")
	}}
}

// between demands so many arguments.
func between(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return usagef("use: %s", cmd.UseLine())
		}
		return nil
	}
}
