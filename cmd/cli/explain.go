package cli

import (
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/admin"
)

func (a *app) explainCommand() *cobra.Command {
	var q admin.Question
	var at string
	cmd := &cobra.Command{Use: "explain [NAME --door D --from ADDRESS | --ref REFERENCE]", Short: "Say what would be decided, and why"}
	f := cmd.Flags()
	f.StringVar(&q.Reference, "ref", "", "reference of a refusal")
	f.StringVar(&q.Door, "door", "", "sftp, ftp, webdav, web, api or account (the pages)")
	f.StringVar(&q.From, "from", "", "address the attempt comes from")
	f.BoolVar(&q.TLS, "tls", false, "FTP and HTTP: over TLS")
	f.StringVar(&q.Transport, "transport", "", "clear, tls, tls-proxied or ssh (default: as the door and --tls say)")
	f.StringVar(&q.Credential, "credential", "", "password, key, certificate, app-password, token, client or cookie; a valid one is assumed")
	f.StringVar(&q.CredentialID, "credential-id", "", "one of the account's, with its own limits")
	f.StringVar(&q.SecondFactor, "second-factor", "", "proved or missing, where the account has one")
	f.StringVar(&q.Operation, "op", "", "stat, list, read, create, write, delete or share")
	f.StringVar(&q.Path, "path", "", "path as the account sees it")
	f.StringVar(&at, "at", "", "a date, or an RFC 3339 instant (default: now)")
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
	if at != "" {
		t, _, err := parseMoment(at, time.Now())
		if err != nil {
			return nil, err
		}
		at = t.Format(time.RFC3339)
	}
	for key, value := range map[string]string{
		"account": args[0], "door": q.Door, "from": q.From, "credential": q.Credential, "credential_id": q.CredentialID,
		"second_factor": q.SecondFactor, "transport": q.Transport, "operation": q.Operation, "path": q.Path, "time": at,
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
	if answer.Setting != "" {
		a.say("setting: %s", answer.Setting)
	}
	if answer.Remedy != "" {
		a.say("remedy: %s", answer.Remedy)
	}
	if answer.Until != nil {
		a.say("until:  %s", when(*answer.Until))
	}
	if e := answer.Event; e != nil {
		a.say("event:  %s", visible(strings.Join(eventRow(*e), "  ")))
	}
	if answer.TreePath != "" {
		a.say("in the tree: %s", visible(answer.TreePath))
	}
	if answer.RealPath != "" {
		a.say("links lead to: %s", visible(answer.RealPath))
	}
	if answer.LockedBy != "" {
		a.say("locked by: %s", visible(answer.LockedBy))
	}
	if s := answer.Situation; s != nil {
		a.say("at this moment: banned %v, locked %v, sessions %d (of the address %d, in all %d)",
			s.Banned, s.Locked, s.AccountSessions, s.AddressSessions, s.SiteSessions)
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
