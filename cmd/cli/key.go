package cli

import (
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"gatehouse/admin/record"
)

func (a *app) keyCommand() *cobra.Command {
	return parent("key", "SSH public keys", a.keyAdd(), a.keyList(), a.keyRemove())
}

func (a *app) keyAdd() *cobra.Command {
	var name string
	var from []string
	cmd := &cobra.Command{Use: "add NAME FILE", Short: "Add the SSH public keys of a file", Args: exactly(2)}
	cmd.Flags().StringVar(&name, "name", "", "`NAME` of the key (default: its comment)")
	expires := endFlag(cmd.Flags(), "expires", "a date (through that day) or an RFC 3339 instant (default: never)")
	cmd.Flags().StringSliceVar(&from, "allow-ip", nil, "address or `CIDR` that the key is for")
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
			for key, value := range map[string]string{"name": name, "expires": expires.String()} {
				if value != "" {
					body[key] = value
				}
			}
			if len(from) > 0 {
				body["allowed_ips"] = from
			}
			var k record.KeyView
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

func (a *app) keys(cmd *cobra.Command, name string) ([]record.KeyView, error) {
	var keys []record.KeyView
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
			rows = append(rows, []string{k.Name, k.Fingerprint, when(k.Added), expiresText(k.Expires), usedText(k.LastUsed), k.ID})
		}
		return a.list(keys, []string{"NAME", "FINGERPRINT", "ADDED", "EXPIRES", "LAST USED", "ID"}, rows)
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
