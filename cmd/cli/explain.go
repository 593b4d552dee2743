package cli

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"gatehouse/admin"
	"gatehouse/policy"
)

// question is what explain is asked.
type question struct {
	reference, from, path, to, at string
	size                          string
	credentialID                  string
	tls                           bool
	door, transport               *string
	credential, factor, do        *string
}

func (q *question) flags(f *pflag.FlagSet) {
	f.StringVar(&q.reference, "ref", "", "`REFERENCE` of a refusal")
	q.door = oneOf(f, "door", "account is the pages", "sftp", "ftp", "webdav", "web", "api", "account")
	f.StringVar(&q.from, "from", "", "`ADDRESS` the attempt comes from (default 127.0.0.1)")
	f.BoolVar(&q.tls, "tls", true, "FTP and HTTP over TLS; --tls=false: in clear")
	q.transport = oneOf(f, "transport", "instead of --tls", "clear", "tls", "tls-proxied", "ssh")
	q.credential = oneOf(f, "credential", "a valid one is assumed (default password)", "password", "key", "certificate", "app-password", "token", "client", "cookie")
	f.StringVar(&q.credentialID, "credential-id", "", "`ID` of one of the account's, with its own limits")
	q.factor = oneOf(f, "second-factor", "where the account has one (default proved)", "proved", "missing")
	q.do = oneOf(f, "op", "what it would do then", "stat", "list", "read", "create", "write", "delete", "share", "rename", "copy")
	f.StringVar(&q.path, "path", "", "`PATH` of what, as the account sees it")
	f.StringVar(&q.size, "size", "", "`BYTES` of the whole file, such as 5GiB, for --op write and create (default: one is supposed)")
	f.StringVar(&q.to, "to", "", "`PATH` where rename and copy put it, as the account sees it")
	f.StringVar(&q.at, "at", "", "`TIME`: a date, or an RFC 3339 instant (default: now)")
}

func (a *app) explainCommand() *cobra.Command {
	var q question
	cmd := &cobra.Command{
		Use: "explain [NAME --door D --from ADDRESS | --ref REFERENCE]", Short: "Say what would be decided, and why",
		Long: "Asks the rules themselves, with the bans, lockouts and sessions of this moment: nothing is tried.",
		Example: "  gatehouse explain bob --door sftp --from 203.0.113.7\n" +
			"  gatehouse explain bob --door webdav --from 203.0.113.7 --op rename --path /project/a --to /project/b\n" +
			"  gatehouse explain --ref 7K2M-9CXP",
	}
	q.flags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body, err := q.body(args)
		if err != nil {
			return err
		}
		var x admin.Answer
		if err := a.call(cmd, http.MethodPost, "/explain", nil, body, &x); err != nil {
			return err
		}
		return a.printExplained(x, q.reference == "" && !cmd.Flags().Changed("tls") && *q.transport == "")
	}
	return cmd
}

func (q *question) body(args []string) (map[string]any, error) {
	if q.reference != "" {
		return map[string]any{"reference": q.reference}, nil
	}
	if len(args) != 1 || *q.door == "" {
		return nil, usagef("give an account and --door, or --ref")
	}
	if err := q.checkPaths(); err != nil {
		return nil, err
	}
	at := q.at
	if at != "" {
		t, _, err := parseMoment(at, time.Now())
		if err != nil {
			return nil, err
		}
		at = t.Format(time.RFC3339)
	}
	body := map[string]any{}
	if q.size != "" {
		n, err := parseSize("size", q.size)
		if err != nil {
			return nil, err
		}
		body["size"] = n
	}
	for key, value := range map[string]string{
		"account": args[0], "door": *q.door, "from": q.from, "credential": *q.credential, "credential_id": q.credentialID,
		"second_factor": *q.factor, "transport": q.way(), "operation": *q.do, "path": q.path, "to": q.to, "time": at,
	} {
		if value != "" {
			body[key] = value
		}
	}
	return body, nil
}

func (q *question) checkPaths() error {
	moves := *q.do == "rename" || *q.do == "copy"
	switch {
	case *q.do != "" && q.path == "":
		return usagef("--op %s: say of what, with --path", *q.do)
	case *q.do == "" && q.path != "":
		return usagef("--path %s: say what is done there, with --op", q.path)
	case moves && q.to == "":
		return usagef("--op %s: say where to, with --to", *q.do)
	case q.size != "" && *q.do != "write" && *q.do != "create":
		return usagef("--size is for --op write and --op create")
	case !moves && q.to != "":
		return usagef("--to is for --op rename and --op copy")
	}
	return nil
}

// way is the transport; the door decides at SFTP.
func (q *question) way() string {
	switch {
	case *q.transport != "":
		return *q.transport
	case *q.door == "sftp":
		return ""
	case q.tls:
		return string(policy.TLS)
	}
	return string(policy.Clear)
}

// placeText is where an operation would act: as the account sees it, in the
// tree, and where links lead.
func placeText(p admin.PlaceView) string {
	text := p.SeenPath
	if p.TreePath != "" {
		text = strings.TrimSpace(text + " (in the tree: " + p.TreePath + ")")
	}
	return text + note(p.RealPath != "", ", links lead to "+p.RealPath)
}

func (a *app) printExplained(x admin.Answer, assumed bool) error {
	if a.json {
		return a.printJSON(x)
	}
	a.say("%s: %s (rule %s)", verdict(x), x.Because, x.Rule)
	if err := a.show(nil, explainedPairs(x, assumed)); err != nil {
		return err
	}
	var rows [][]string
	for _, step := range x.Chain {
		result := "refuses"
		if step.Allowed {
			result = "allows"
		}
		rows = append(rows, []string{string(step.Rule), result, step.Because})
	}
	return a.list(nil, []string{"RULE", "RESULT", "BECAUSE"}, rows)
}

// verdict is the decision of the rules, and whether something else is in the way.
func verdict(x admin.Answer) string {
	text := strings.ToUpper(x.Decision)
	return text + note(x.Decision == "allow" && (x.Obstacle != "" || x.LockedBy != ""), ", but stopped by the obstacle below")
}

// lockText says whose lock is in the way, on what and until when, and how it is
// seen and broken.
func lockText(x admin.Answer) string {
	if x.Lock == nil {
		return x.LockedBy
	}
	return x.LockedBy + note(x.Lock.Path != "", ", on "+x.Lock.Path) + ", until " + when(x.Lock.Expires) +
		" unless refreshed (gatehouse lock list shows it, gatehouse lock break TOKEN breaks it)"
}

// uploadText says what was supposed of the size of a file, and what fits.
func uploadText(u *admin.UploadView) string {
	if u == nil {
		return ""
	}
	asked := "of one byte (--size asks about more)"
	if u.SizeBytes != nil {
		asked = "of " + size(u.SizeBytes)
	}
	bound := u.Rule
	if bound == "" {
		bound = "the disk"
	}
	return asked + "; the largest that would go through now: " + size(u.MostBytes) + note(u.MostBytes != nil, " ("+bound+")")
}

func explainedPairs(x admin.Answer, assumed bool) [][2]string {
	pairs := [][2]string{
		{"setting:", x.Setting}, {"remedy:", x.Remedy}, {"transport:", transportText(x, assumed)},
		{"path:", placeText(x.PlaceView)}, {"obstacle:", x.Obstacle}, {"locked by:", lockText(x)},
		{"upload:", uploadText(x.Upload)},
	}
	if x.To != nil {
		pairs = append(pairs, [2]string{"to:", placeText(*x.To)})
	}
	if x.Until != nil {
		pairs = append(pairs, [2]string{"until:", when(*x.Until)})
	}
	if x.Event != nil {
		pairs = append(pairs, [2]string{"event:", strings.Join(eventRow(*x.Event), "  ")})
	}
	if n := x.Now; n != nil {
		pairs = append(pairs, [2]string{"now:", fmt.Sprintf("%s: %s (rule %s)", strings.ToUpper(n.Decision), n.Because, n.Rule)}, [2]string{"remedy now:", n.Remedy})
	}
	if s := x.Situation; s != nil {
		pairs = append(pairs, [2]string{"at this moment:", fmt.Sprintf("address banned: %s, account locked: %s, open sessions: %d (from the address %d, of all accounts %d)",
			yesNo(s.Banned), yesNo(s.Locked), s.AccountSessions, s.AddressSessions, s.SiteSessions)})
	}
	return pairs
}

// transportText says over what the attempt comes, and how to ask about another
// where that may be what the question was.
func transportText(x admin.Answer, assumed bool) string {
	clear := x.Transport == string(policy.Clear)
	switch {
	case x.Transport == "" || x.Transport == string(policy.SSH):
		return ""
	case assumed:
		return x.Transport + " (assumed; --tls=false asks about clear text)"
	case clear && (x.Rule == string(policy.RuleTransport) || x.Rule == string(policy.RulePlainFTP)):
		return x.Transport + " (--tls asks how it is over TLS)"
	}
	return x.Transport
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}
