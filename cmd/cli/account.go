package cli

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"gatehouse/admin"
)

func (a *app) accountCommand() *cobra.Command {
	return parent("account", "Accounts: who may come in",
		a.accountAdd(), a.accountList(), a.accountShow(), a.accountAccess(), a.accountSet(), a.accountClone(), a.accountDisable(),
		a.accountPost("enable NAME", "Enable an account again", "enable"),
		a.accountPost("unlock NAME", "Lift a lockout", "unlock"),
		a.accountDelete(), a.accountPasswd(), a.accountResetLink(), a.accountResetFactor())
}

func (a *app) accountAdd() *cobra.Command {
	var s settings
	var stdin, adopt, mustChange bool
	var keys []string
	cmd := &cobra.Command{Use: "add NAME", Short: "Create an account and its home", Args: exactly(1)}
	s.flags(cmd)
	cmd.Flags().BoolVar(&stdin, "password-stdin", false, "read the password from standard input")
	cmd.Flags().BoolVar(&mustChange, "must-change", false, "the password must be changed at first login")
	cmd.Flags().StringArrayVar(&keys, "key", nil, "file with an SSH public key")
	cmd.Flags().BoolVar(&adopt, "adopt-home", false, "take a home folder that exists already, with what it holds")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body, err := s.body(cmd)
		if err != nil {
			return err
		}
		body["username"] = args[0]
		if adopt {
			body["adopt_home"] = true
		}
		if mustChange {
			body["must_change"] = true
		}
		if body["keys"], err = readKeys(keys); err != nil {
			return err
		}
		if len(keys) == 0 {
			delete(body, "keys")
		}
		if stdin {
			if body["password"], err = a.readSecret("password"); err != nil {
				return err
			}
		}
		var made admin.AccountView
		if err := a.call(cmd, http.MethodPost, "/accounts", nil, body, &made); err != nil {
			return err
		}
		if a.json {
			return a.printJSON(made)
		}
		a.warn(made.Warnings)
		a.say("account %s created, home %s", made.Username, made.Home)
		if made.Password == nil && len(made.Keys) == 0 {
			a.say("it has neither password nor key yet: gatehouse account passwd %s, or gatehouse key add", made.Username)
		}
		return nil
	}
	return cmd
}

// call asks the gateway.
func (a *app) call(cmd *cobra.Command, method, path string, query url.Values, in, out any) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	return c.do(cmd.Context(), method, path, query, in, out)
}

// readKeys reads the lines of public-key files.
func readKeys(files []string) ([]string, error) {
	var lines []string
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read the key: %w", err)
		}
		if strings.Contains(string(text), "PRIVATE KEY") {
			return nil, fmt.Errorf("%s is a private key, which is nobody else's business: give the .pub file", name)
		}
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
				lines = append(lines, line)
			}
		}
	}
	return lines, nil
}

// readSecret reads one line, or asks twice at a terminal; name is what for.
func (a *app) readSecret(name string) (string, error) {
	file, ok := a.In.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		line, err := bufio.NewReader(io.LimitReader(a.In, 8192)).ReadString('\n')
		if err != nil && err != io.EOF {
			return "", fmt.Errorf("read the %s: %w", name, err)
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	var typed [2]string
	for i, prompt := range []string{strings.ToUpper(name[:1]) + name[1:] + ": ", "Again: "} {
		_, _ = fmt.Fprint(a.Err, prompt)
		text, err := term.ReadPassword(int(file.Fd()))
		_, _ = fmt.Fprintln(a.Err)
		if err != nil {
			return "", fmt.Errorf("read the %s: %w", name, err)
		}
		typed[i] = string(text)
	}
	if typed[0] != typed[1] {
		return "", fmt.Errorf("the two differ")
	}
	return typed[0], nil
}

func (a *app) accountList() *cobra.Command {
	var q, role, group, status, sort string
	cmd := &cobra.Command{Use: "list", Short: "List accounts", Args: exactly(0)}
	f := cmd.Flags()
	f.StringVar(&q, "search", "", "text in username, display name or e-mail")
	f.StringVar(&role, "role", "", "only this role")
	f.StringVar(&group, "group", "", "only members of this group")
	f.StringVar(&status, "status", "", "enabled, disabled or expired")
	f.StringVar(&sort, "sort", "", "username, display_name, email, last_login or created; - before it descends")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		query := url.Values{}
		for key, value := range map[string]string{"q": q, "role": role, "group": group, "status": status, "sort": sort} {
			if value != "" {
				query.Set(key, value)
			}
		}
		all, err := a.accounts(cmd, query)
		if err != nil {
			return err
		}
		return a.list(all, []string{"NAME", "ROLE", "STATUS", "PROTOCOLS", "GROUPS", "LAST LOGIN"}, accountRows(all))
	}
	return cmd
}

// accounts asks for page after page.
func (a *app) accounts(cmd *cobra.Command, query url.Values) ([]admin.AccountView, error) {
	all := []admin.AccountView{}
	query.Set("limit", "1000")
	for {
		var page admin.Page[admin.AccountView]
		if err := a.call(cmd, http.MethodGet, "/accounts", query, nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.Next == "" {
			return all, nil
		}
		query.Set("cursor", page.Next)
	}
}

func accountRows(all []admin.AccountView) [][]string {
	var rows [][]string
	for _, x := range all {
		protocols, last := "inherit", "-"
		if x.Protocols != nil {
			protocols = strings.Join(*x.Protocols, ",")
		}
		if l := x.LastLogin; l != nil {
			last = when(l.Time) + " " + l.Door + " " + l.Address
		}
		rows = append(rows, []string{x.Username, x.Role, x.Status.State, orDash(protocols), orDash(strings.Join(x.Groups, ",")), last})
	}
	return rows
}

func (a *app) accountShow() *cobra.Command {
	return &cobra.Command{Use: "show NAME", Short: "Show an account", Args: exactly(1), RunE: func(cmd *cobra.Command, args []string) error {
		var x admin.AccountView
		if err := a.call(cmd, http.MethodGet, "/accounts/"+segment(args[0]), nil, nil, &x); err != nil {
			return err
		}
		return a.show(x, accountPairs(x))
	}}
}

func accountPairs(x admin.AccountView) [][2]string {
	pairs := [][2]string{
		{"username", x.Username}, {"id", x.ID}, {"display name", x.DisplayName}, {"e-mail", x.Email}, {"role", x.Role},
		{"status", x.Status.State + because(x.Status)}, {"home", x.Home}, {"allowed from", strings.Join(x.AllowedIPs, ", ")},
		{"plain FTP", x.PlainFTP}, {"uploads", x.Uploads}, {"groups", strings.Join(x.Groups, ", ")}, {"created", when(x.Created)},
		{"recovery e-mail", x.RecoveryEmail}, {"language", x.Language}, {"time zone", x.TimeZone}, {"notes", x.Notes},
		{"second factor", factorText(x)}, {"manages", managesText(x)},
	}
	if x.ManagedBy != nil {
		pairs = append(pairs, [2]string{"managed by", managersText(x.ManagedBy)})
	}
	if x.Shared {
		pairs = append(pairs, [2]string{"shared", "yes"})
	}
	if x.Root != nil {
		pairs = append(pairs, [2]string{"root", *x.Root})
	}
	if x.Protocols != nil {
		pairs = append(pairs, [2]string{"protocols", orDash(strings.Join(*x.Protocols, ", "))})
	}
	if x.ExpiresAt != nil {
		pairs = append(pairs, [2]string{"expires", when(*x.ExpiresAt)})
	}
	if x.UID != nil || x.GID != nil {
		pairs = append(pairs, [2]string{"on disk", "uid " + idText(x.UID) + ", gid " + idText(x.GID)})
	}
	if q := x.Quota; q != nil {
		files := "unlimited"
		if q.LimitFiles != nil {
			files = strconv.FormatInt(*q.LimitFiles, 10)
		}
		pairs = append(pairs, [2]string{"quota", size(q.LimitBytes) + ", files " + files})
	}
	if p := x.Password; p != nil {
		text := "set " + when(p.Changed)
		if p.MustChange {
			text += ", must be changed"
		}
		pairs = append(pairs, [2]string{"password", text})
	}
	for _, k := range x.Keys {
		pairs = append(pairs, [2]string{"key", k.Fingerprint + " " + k.Name + " (" + k.ID + ")"})
	}
	for _, g := range x.Grants {
		pairs = append(pairs, [2]string{"grant", grantText(g)})
	}
	return pairs
}

func factorText(x admin.AccountView) string {
	text := x.SecondFactor
	switch f := x.TOTP; {
	case f != nil && f.Confirmed:
		text += ", enrolled " + when(f.Added)
	case f != nil:
		text += ", begun and not confirmed"
	}
	if x.SecondFactorWithKey {
		text += ", also after a key"
	}
	return strings.TrimPrefix(text, ", ")
}

func managesText(x admin.AccountView) string {
	var list []string
	for what, yes := range map[string]bool{"users": x.ManageUsers, "guests": x.ManageGuests, "personal groups": x.ManagePersonalGroups} {
		if yes {
			list = append(list, what)
		}
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func idText(id *int) string {
	if id == nil {
		return "the mount's"
	}
	return strconv.Itoa(*id)
}

func because(s admin.StatusView) string {
	if s.Why == "" {
		return ""
	}
	return " (" + s.Why + ")"
}

func grantText(g admin.GrantView) string {
	text := g.Path + " " + strings.Join(g.Permissions, ",")
	if g.At != "" {
		text += " at /" + g.At
	}
	if !g.Recursive {
		text += ", not recursive"
	}
	return text + " (" + g.ID + ")"
}
