package cli

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"gatehouse/admin/record"
	"gatehouse/admin/rest"
)

func (a *app) accountCommand() *cobra.Command {
	return parent("account", "Accounts: who may come in",
		a.accountAdd(), a.accountList(), a.accountShow(), a.accountAccess(), a.accountSet(), a.accountClone(), a.accountDisable(),
		a.accountEnable(),
		a.accountUnlock(),
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
	cmd.Flags().StringArrayVar(&keys, "key", nil, "`FILE` with an SSH public key")
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
		made, err := a.createAccount(cmd, body, stdin)
		if err != nil || a.json {
			return err
		}
		a.say("account %s created, home %s", made.Username, made.Home)
		a.sayIfUnproved(made)
		return nil
	}
	return cmd
}

// sayIfUnproved says what a new account lacks to log in.
func (a *app) sayIfUnproved(made record.AccountView) {
	if made.Password == nil && len(made.Keys) == 0 {
		a.say("it has neither password nor key yet: gatehouse account passwd %s, or gatehouse key add", made.Username)
	}
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
		if !utf8.Valid(text) {
			return nil, fmt.Errorf("%s is no text, and so no public key: give the .pub file", name)
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
	var q, group string
	cmd := &cobra.Command{Use: "list", Short: "List accounts", Args: exactly(0)}
	f := cmd.Flags()
	f.StringVar(&q, "search", "", "`TEXT` in username, display name or e-mail")
	f.StringVar(&group, "group", "", "only members of this `GROUP`")
	role := oneOf(f, "role", "only", "admin", "auditor", "user", "guest")
	status := oneOf(f, "status", "only", "enabled", "disabled", "expired", "locked")
	order := oneOf(f, "sort", "", sortable(sortKeys...)...)
	f.Lookup("sort").Usage = withWords("a - before it descends", sortKeys)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		query := url.Values{}
		for key, value := range map[string]string{"q": q, "role": *role, "group": group, "status": *status, "sort": *order} {
			if value != "" {
				query.Set(key, value)
			}
		}
		all, err := a.accounts(cmd, query)
		if err != nil {
			return err
		}
		return a.list(all, []string{"NAME", "DISPLAY NAME", "E-MAIL", "ROLE", "STATUS", "PROTOCOLS", "GROUPS", "LAST LOGIN", "PERMISSIONS"}, accountRows(all))
	}
	return cmd
}

var sortKeys = []string{"username", "display_name", "email", "last_login", "created"}

// sortable lists the keys of an order, up and down.
func sortable(keys ...string) []string {
	list := slices.Clone(keys)
	for _, key := range keys {
		list = append(list, "-"+key)
	}
	return list
}

// accounts asks for page after page.
func (a *app) accounts(cmd *cobra.Command, query url.Values) ([]record.AccountView, error) {
	all := []record.AccountView{}
	query.Set("limit", "1000")
	for {
		var page rest.Page[record.AccountView]
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

func accountRows(all []record.AccountView) [][]string {
	var rows [][]string
	for _, x := range all {
		protocols := "inherit"
		if x.Protocols != nil {
			protocols = strings.Join(*x.Protocols, ",")
		}
		rows = append(rows, []string{
			x.Username, orDash(x.DisplayName), orDash(x.Email), x.Role, statusText(x), orDash(protocols), orDash(strings.Join(x.Groups, ",")),
			orDash(loginText(x.LastLogin)), orDash(strings.Join(x.Permissions, "; ")),
		})
	}
	return rows
}

func (a *app) accountShow() *cobra.Command {
	return &cobra.Command{Use: "show NAME", Short: "Show an account", Args: exactly(1), RunE: func(cmd *cobra.Command, args []string) error {
		var x record.AccountView
		if err := a.call(cmd, http.MethodGet, "/accounts/"+segment(args[0]), nil, nil, &x); err != nil {
			return err
		}
		return a.show(x, accountPairs(x))
	}}
}

// createAccount makes an account, with a password from standard input if that is
// asked for, and prints it where scripts read.
func (a *app) createAccount(cmd *cobra.Command, body map[string]any, stdin bool) (made record.AccountView, err error) {
	if stdin {
		if body["password"], err = a.readSecret("password"); err != nil {
			return made, err
		}
	}
	if err := a.call(cmd, http.MethodPost, "/accounts", nil, body, &made); err != nil || !a.json {
		return made, err
	}
	return made, a.printJSON(made)
}
