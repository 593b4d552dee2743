package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/admin"
	"gatehouse/storage/events"
)

func (a *app) eventCommand() *cobra.Command {
	return parent("event", "The trail of what happened", a.eventList(), a.eventFollow())
}

func (a *app) eventList() *cobra.Command {
	var account, kind, since, until string
	var limit int
	cmd := &cobra.Command{Use: "list", Short: "List events, newest first", Args: exactly(0)}
	f := cmd.Flags()
	f.StringVar(&account, "account", "", "only of this account")
	f.StringVar(&kind, "kind", "", "a kind, or a prefix that ends in a dot: file.")
	f.StringVar(&since, "since", "", "RFC 3339 instant")
	f.StringVar(&until, "until", "", "RFC 3339 instant")
	f.IntVar(&limit, "limit", 100, "at most so many (1000)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		query := url.Values{"limit": {fmt.Sprint(limit)}}
		for key, value := range map[string]string{"account": account, "kind": kind, "since": since, "until": until} {
			if value != "" {
				query.Set(key, value)
			}
		}
		var page admin.EventPage
		if err := a.call(cmd, http.MethodGet, "/events", query, nil, &page); err != nil {
			return err
		}
		var rows [][]string
		for _, e := range page.Items {
			rows = append(rows, eventRow(e))
		}
		return a.list(page.Items, []string{"TIME", "KIND", "OUTCOME", "ACCOUNT", "DOOR", "ADDRESS", "WHAT"}, rows)
	}
	return cmd
}

func eventRow(e events.Event) []string {
	address := "-"
	if e.Address.IsValid() {
		address = e.Address.String()
	}
	what := []string{e.Path}
	if e.Target != "" {
		what = append(what, "->", e.Target)
	}
	if e.Rule != "" && e.Outcome != events.OK {
		what = append(what, "["+e.Rule+"]")
	}
	if e.Reference != "" {
		what = append(what, "ref", e.Reference)
	}
	who := e.Account
	if e.Actor != "" {
		who += " by " + e.Actor
	}
	return []string{when(e.Time), string(e.Kind), e.Outcome, orDash(strings.TrimSpace(who)), orDash(e.Door), address, strings.TrimSpace(strings.Join(what, " "))}
}

func (a *app) eventFollow() *cobra.Command {
	return &cobra.Command{Use: "follow", Short: "Print events as they happen", Args: exactly(0), RunE: func(cmd *cobra.Command, _ []string) error {
		c, err := a.client()
		if err != nil {
			return err
		}
		resp, err := c.send(cmd.Context(), http.MethodGet, "/events/live", nil, nil)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			data, ok := strings.CutPrefix(lines.Text(), "data: ")
			if !ok {
				continue
			}
			var e events.Event
			if err := json.Unmarshal([]byte(data), &e); err != nil {
				return fmt.Errorf("read an event: %w", err)
			}
			if a.json {
				_, _ = fmt.Fprintln(a.Out, data)
				continue
			}
			row := eventRow(e)
			for i := range row {
				row[i] = visible(row[i])
			}
			_, _ = fmt.Fprintln(a.Out, strings.Join(row, "  "))
		}
		if cmd.Context().Err() != nil {
			return nil
		}
		return lines.Err()
	}}
}

func (a *app) explainCommand() *cobra.Command {
	var q admin.Question
	var at string
	cmd := &cobra.Command{Use: "explain [NAME --door D --from ADDRESS | --ref REFERENCE]", Short: "Say what would be decided, and why"}
	f := cmd.Flags()
	f.StringVar(&q.Reference, "ref", "", "reference of a refusal")
	f.StringVar(&q.Door, "door", "", "sftp, ftp, webdav, web or api")
	f.StringVar(&q.From, "from", "", "address the attempt comes from")
	f.BoolVar(&q.TLS, "tls", false, "FTP and HTTP: over TLS")
	f.StringVar(&q.Credential, "credential", "", "password or key")
	f.StringVar(&q.Operation, "op", "", "stat, list, read, create, write, delete or share")
	f.StringVar(&q.Path, "path", "", "path as the account sees it")
	f.StringVar(&at, "at", "", "RFC 3339 instant (default: now)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body, err := explainBody(q, at, args)
		if err != nil {
			return err
		}
		var answer admin.Answer
		if err := a.call(cmd, http.MethodPost, "/explain", nil, body, &answer); err != nil {
			return err
		}
		return a.printAnswer(answer)
	}
	return cmd
}

func explainBody(q admin.Question, at string, args []string) (map[string]any, error) {
	body := map[string]any{}
	if q.Reference != "" {
		body["reference"] = q.Reference
		return body, nil
	}
	if len(args) != 1 || q.Door == "" {
		return nil, usagef("give an account and --door, or --ref")
	}
	for key, value := range map[string]string{
		"account": args[0], "door": q.Door, "from": q.From, "credential": q.Credential,
		"operation": q.Operation, "path": q.Path, "time": at,
	} {
		if value != "" {
			body[key] = value
		}
	}
	body["tls"] = q.TLS
	return body, nil
}

func (a *app) printAnswer(answer admin.Answer) error {
	if a.json {
		return a.printJSON(answer)
	}
	a.say("%s: %s (rule %s)", strings.ToUpper(answer.Decision), visible(answer.Because), answer.Rule)
	if answer.Remedy != "" {
		a.say("remedy: %s", answer.Remedy)
	}
	if e := answer.Event; e != nil {
		a.say("event:  %s", visible(strings.Join(eventRow(*e), "  ")))
	}
	if answer.TreePath != "" {
		a.say("in the tree: %s", visible(answer.TreePath))
	}
	var rows [][]string
	for _, step := range answer.Chain {
		result := "refuses"
		if step.Allowed {
			result = "allows"
		}
		rows = append(rows, []string{string(step.Rule), result, step.Because})
	}
	return a.list(nil, []string{"RULE", "RESULT", "BECAUSE"}, rows)
}
