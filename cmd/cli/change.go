package cli

import (
	"bufio"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/admin"
)

func (a *app) accountSet() *cobra.Command {
	var s settings
	cmd := &cobra.Command{Use: "set NAME", Short: "Change what the flags name; the rest stays", Args: exactly(1)}
	s.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body, err := s.body(cmd)
		if err != nil {
			return err
		}
		if len(body) == 0 {
			return usagef("nothing to set: see --help")
		}
		var x admin.AccountView
		if err := a.call(cmd, http.MethodPatch, "/accounts/"+segment(args[0]), nil, body, &x); err != nil {
			return err
		}
		return a.show(x, accountPairs(x))
	}
	return cmd
}

func (a *app) accountDisable() *cobra.Command {
	var why string
	cmd := &cobra.Command{Use: "disable NAME", Short: "Disable an account: every session ends at once", Args: exactly(1)}
	cmd.Flags().StringVar(&why, "why", "", "the reason, for other administrators")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var x admin.AccountView
		if err := a.call(cmd, http.MethodPost, "/accounts/"+segment(args[0])+"/disable", nil, map[string]string{"why": why}, &x); err != nil {
			return err
		}
		return a.done(x, "account %s is %s", x.Username, x.Status.State)
	}
	return cmd
}

func (a *app) accountPost(use, short, action string) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: exactly(1), RunE: func(cmd *cobra.Command, args []string) error {
		var x admin.AccountView
		if err := a.call(cmd, http.MethodPost, "/accounts/"+segment(args[0])+"/"+action, nil, nil, &x); err != nil {
			return err
		}
		return a.done(x, "account %s is %s", x.Username, x.Status.State)
	}}
}

// done prints v for scripts, the line for people.
func (a *app) done(v any, format string, args ...any) error {
	if a.json {
		return a.printJSON(v)
	}
	a.say(format, args...)
	return nil
}

func (a *app) accountDelete() *cobra.Command {
	var files, confirm string
	cmd := &cobra.Command{Use: "delete NAME --files keep|delete", Short: "Delete an account for good", Args: exactly(1)}
	cmd.Flags().StringVar(&files, "files", "", "what becomes of its home: keep (moves to /.kept) or delete")
	cmd.Flags().StringVar(&confirm, "confirm", "", "the name again, for scripts")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if files != "keep" && files != "delete" {
			return usagef("say what becomes of the home: --files keep or --files delete")
		}
		if confirm == "" {
			_, _ = fmt.Fprintf(a.Err, "This deletes %s for good. Type the name to go on: ", args[0])
			line, _ := bufio.NewReader(a.In).ReadString('\n')
			confirm = strings.TrimSpace(line)
		}
		if confirm != args[0] {
			return fmt.Errorf("the name was not confirmed: nothing was deleted")
		}
		query := url.Values{"confirm": {confirm}, "files": {files}}
		if err := a.call(cmd, http.MethodDelete, "/accounts/"+segment(args[0]), query, nil, nil); err != nil {
			return err
		}
		return a.done(struct{}{}, "account %s deleted", args[0])
	}
	return cmd
}

func (a *app) accountPasswd() *cobra.Command {
	var stdin, mustChange bool
	cmd := &cobra.Command{Use: "passwd NAME", Short: "Set an account's password", Args: exactly(1)}
	cmd.Flags().BoolVar(&stdin, "password-stdin", false, "read the password from standard input without asking")
	cmd.Flags().BoolVar(&mustChange, "must-change", false, "it must be changed at first login")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		password, err := a.readSecret("password")
		if err != nil {
			return err
		}
		body := map[string]any{"password": password, "must_change": mustChange}
		if err := a.call(cmd, http.MethodPut, "/accounts/"+segment(args[0])+"/password", nil, body, nil); err != nil {
			return err
		}
		return a.done(struct{}{}, "password of %s set", args[0])
	}
	return cmd
}

// access is admin.AccessView as far as the table shows it.
type access struct {
	Protocols []struct {
		Door    string `json:"door"`
		Allowed bool   `json:"allowed"`
		Origin  string `json:"origin"`
	} `json:"protocols"`
	Grants []struct {
		admin.GrantView
		Origin string `json:"origin"`
	} `json:"grants"`
	Views map[string]struct {
		Root    string `json:"root"`
		Entries []struct{ Name, Path, Origin string }
	} `json:"views"`
}

func (a *app) accountAccess() *cobra.Command {
	return &cobra.Command{Use: "access NAME", Short: "What an account may do where, and what each right comes from", Args: exactly(1), RunE: func(cmd *cobra.Command, args []string) error {
		var raw map[string]any
		path := "/accounts/" + segment(args[0]) + "/access"
		if a.json {
			if err := a.call(cmd, http.MethodGet, path, nil, nil, &raw); err != nil {
				return err
			}
			return a.printJSON(raw)
		}
		var v access
		if err := a.call(cmd, http.MethodGet, path, nil, nil, &v); err != nil {
			return err
		}
		var rows [][]string
		for _, d := range v.Protocols {
			may := "no"
			if d.Allowed {
				may = "yes"
			}
			rows = append(rows, []string{"door " + d.Door, may, d.Origin})
		}
		for _, g := range v.Grants {
			rows = append(rows, []string{g.Path, strings.Join(g.Permissions, ","), g.Origin})
		}
		for _, door := range slices.Sorted(maps.Keys(v.Views)) {
			view := v.Views[door]
			rows = append(rows, []string{door + " /", view.Root, "root"})
			for _, e := range view.Entries {
				rows = append(rows, []string{door + " /" + e.Name, e.Path, e.Origin})
			}
		}
		return a.list(nil, []string{"WHAT", "ACCESS", "FROM"}, rows)
	}}
}

func (a *app) grantCommand() *cobra.Command {
	return parent("grant", "Grants: rights on folders", a.grantAdd(), a.grantList(), a.grantRemove())
}

func (a *app) grantAdd() *cobra.Command {
	var preset, at string
	var permissions []string
	var flat, group bool
	cmd := &cobra.Command{Use: "add NAME PATH", Short: "Grant an account rights on a folder", Args: exactly(2)}
	f := cmd.Flags()
	f.StringVar(&preset, "preset", "", "full, read-only or upload-only")
	f.StringSliceVar(&permissions, "permissions", nil, "of list,read,create,write,delete,share")
	f.StringVar(&at, "at", "", "name under which the folder appears in the account's root")
	f.BoolVar(&flat, "not-recursive", false, "only the folder and its direct files")
	f.BoolVar(&group, "group", false, "NAME is a group")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if (preset == "") == (len(permissions) == 0) {
			return usagef("give either --preset or --permissions")
		}
		body := admin.GrantSettings{Path: args[1], Preset: preset, Permissions: permissions, At: at, Recursive: new(!flat)}
		var made any
		if err := a.call(cmd, http.MethodPost, owner(group, args[0])+"/grants", nil, body, &made); err != nil {
			return err
		}
		return a.done(made, "granted")
	}
	return cmd
}

// owner is the API's path of an account or group.
func owner(group bool, name string) string {
	if group {
		return "/groups/" + segment(name)
	}
	return "/accounts/" + segment(name)
}

func (a *app) grantList() *cobra.Command {
	var group bool
	cmd := &cobra.Command{Use: "list NAME", Short: "List an account's own grants", Args: exactly(1)}
	cmd.Flags().BoolVar(&group, "group", false, "NAME is a group")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		grants, err := a.grants(cmd, group, args[0])
		if err != nil {
			return err
		}
		var rows [][]string
		for _, g := range grants {
			depth := "tree"
			if !g.Recursive {
				depth = "folder"
			}
			rows = append(rows, []string{g.Path, strings.Join(g.Permissions, ","), depth, orDash(g.At), g.ID})
		}
		return a.list(grants, []string{"PATH", "PERMISSIONS", "DEPTH", "AT", "ID"}, rows)
	}
	return cmd
}

func (a *app) grants(cmd *cobra.Command, group bool, name string) ([]admin.GrantView, error) {
	if group {
		var g admin.GroupView
		err := a.call(cmd, http.MethodGet, owner(group, name), nil, nil, &g)
		return g.Grants, err
	}
	var grants []admin.GrantView
	err := a.call(cmd, http.MethodGet, owner(group, name)+"/grants", nil, nil, &grants)
	return grants, err
}

func (a *app) grantRemove() *cobra.Command {
	var group bool
	cmd := &cobra.Command{Use: "remove NAME PATH-or-ID", Short: "Remove an account's grants on a folder", Args: exactly(2)}
	cmd.Flags().BoolVar(&group, "group", false, "NAME is a group")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		grants, err := a.grants(cmd, group, args[0])
		if err != nil {
			return err
		}
		removed := 0
		for _, g := range grants {
			if g.ID != args[1] && g.Path != args[1] {
				continue
			}
			if err := a.call(cmd, http.MethodDelete, owner(group, args[0])+"/grants/"+segment(g.ID), nil, nil, nil); err != nil {
				return err
			}
			removed++
		}
		if removed == 0 {
			return fmt.Errorf("%s has no grant of its own on %s", args[0], args[1])
		}
		return a.done(map[string]int{"removed": removed}, "removed")
	}
	return cmd
}

func (a *app) keyCommand() *cobra.Command {
	return parent("key", "SSH public keys", a.keyAdd(), a.keyList(), a.keyRemove())
}

func (a *app) keyAdd() *cobra.Command {
	var name, expires string
	var from []string
	cmd := &cobra.Command{Use: "add NAME FILE", Short: "Add the SSH public keys of a file", Args: exactly(2)}
	cmd.Flags().StringVar(&name, "name", "", "name of the key (default: its comment)")
	cmd.Flags().StringVar(&expires, "expires", "", "RFC 3339 instant")
	cmd.Flags().StringSliceVar(&from, "allow-ip", nil, "address or CIDR that the key is for")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		lines, err := readKeys(args[1:])
		if err != nil {
			return err
		}
		if len(lines) == 0 {
			return fmt.Errorf("%s holds no key", args[1])
		}
		for _, line := range lines {
			body := map[string]any{"key": line}
			for key, value := range map[string]string{"name": name, "expires": expires} {
				if value != "" {
					body[key] = value
				}
			}
			if len(from) > 0 {
				body["allowed_ips"] = from
			}
			var k admin.KeyView
			if err := a.call(cmd, http.MethodPost, "/accounts/"+segment(args[0])+"/keys", nil, body, &k); err != nil {
				return err
			}
			if err := a.done(k, "added %s", k.Fingerprint); err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

func (a *app) keys(cmd *cobra.Command, name string) ([]admin.KeyView, error) {
	var keys []admin.KeyView
	err := a.call(cmd, http.MethodGet, "/accounts/"+segment(name)+"/keys", nil, nil, &keys)
	return keys, err
}

func (a *app) keyList() *cobra.Command {
	return &cobra.Command{Use: "list NAME", Short: "List an account's SSH keys", Args: exactly(1), RunE: func(cmd *cobra.Command, args []string) error {
		keys, err := a.keys(cmd, args[0])
		if err != nil {
			return err
		}
		var rows [][]string
		for _, k := range keys {
			rows = append(rows, []string{k.Name, k.Fingerprint, when(k.Added), k.ID})
		}
		return a.list(keys, []string{"NAME", "FINGERPRINT", "ADDED", "ID"}, rows)
	}}
}

func (a *app) keyRemove() *cobra.Command {
	return &cobra.Command{Use: "remove NAME ID-or-FINGERPRINT", Short: "Remove an SSH key: sessions that it opened end", Args: exactly(2), RunE: func(cmd *cobra.Command, args []string) error {
		keys, err := a.keys(cmd, args[0])
		if err != nil {
			return err
		}
		for _, k := range keys {
			if k.ID == args[1] || k.Fingerprint == args[1] || k.Name == args[1] {
				if err := a.call(cmd, http.MethodDelete, "/accounts/"+segment(args[0])+"/keys/"+segment(k.ID), nil, nil, nil); err != nil {
					return err
				}
				return a.done(struct{}{}, "removed %s", k.Fingerprint)
			}
		}
		return fmt.Errorf("%s has no key %s", args[0], args[1])
	}}
}
