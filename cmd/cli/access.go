package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// access is what an account may do where, and what each of it comes from, as far
// as the table shows it.
type access struct {
	Protocols []struct {
		Door    string `json:"door"`
		Allowed bool   `json:"allowed"`
		Origin  string `json:"origin"`
	} `json:"protocols"`
	Grants []grantOrigin `json:"grants"`
	Cut    []struct {
		grantOrigin
		To string `json:"to"`
	} `json:"cut"`
	Views   map[string]seenView `json:"views"`
	Uploads map[string]string   `json:"uploads"`
	Limits  []struct {
		Name, Origin string
		Value        int64
	} `json:"limits"`
	Quota struct {
		Bytes       *int64 `json:"bytes"`
		BytesOrigin string `json:"bytes_origin"`
		Files       *int64 `json:"files"`
		FilesOrigin string `json:"files_origin"`
	} `json:"quota"`
	Addresses struct {
		Site, Account []string
		From          string
	} `json:"addresses"`
	PlainFTP     string `json:"plain_ftp"`
	SecondFactor struct {
		Required bool   `json:"required"`
		WithKey  bool   `json:"with_key"`
		Origin   string `json:"origin"`
	} `json:"second_factor"`
	PasswordAge struct {
		Days   int    `json:"days"`
		Origin string `json:"origin"`
	} `json:"password_age"`
	ShareLinks decided  `json:"share_links"`
	Desktop    decided  `json:"desktop_access"`
	Managers   []string `json:"managers"`
}

type grantOrigin struct {
	Path        string   `json:"path"`
	Permissions []string `json:"permissions"`
	Origin      string   `json:"origin"`
}

type seenView struct {
	Root     string      `json:"root"`
	Entries  []seenEntry `json:"entries"`
	Shadowed []seenEntry `json:"shadowed"`
}

type seenEntry struct{ Name, Path, Origin string }

type decided struct {
	Allowed bool   `json:"allowed"`
	Because string `json:"because"`
}

func (a *app) accountAccess() *cobra.Command {
	return &cobra.Command{Use: "access NAME", Short: "What an account may do where, and what each right and limit comes from", Args: exactly(1), RunE: func(cmd *cobra.Command, args []string) error {
		var text json.RawMessage
		if err := a.call(cmd, http.MethodGet, "/accounts/"+segment(args[0])+"/access", nil, nil, &text); err != nil {
			return err
		}
		var v access
		if err := json.Unmarshal(text, &v); err != nil {
			return fmt.Errorf("read the gateway's answer: %w", err)
		}
		rows := slices.Concat(v.doorRows(), v.grantRows(), v.viewRows(), v.limitRows(), v.loginRows())
		return a.list(text, []string{"WHAT", "ACCESS", "FROM"}, rows)
	}}
}

func (v access) doorRows() (rows [][]string) {
	for _, d := range v.Protocols {
		rows = append(rows, []string{"door " + d.Door, yesNo(d.Allowed), d.Origin})
	}
	return rows
}

func (v access) grantRows() (rows [][]string) {
	for _, g := range v.Grants {
		rows = append(rows, []string{g.Path, strings.Join(g.Permissions, ","), g.Origin})
	}
	for _, g := range v.Cut {
		rows = append(rows, []string{g.Path, "less than granted: cut to " + g.To, g.Origin})
	}
	return rows
}

func (v access) viewRows() (rows [][]string) {
	for _, door := range slices.Sorted(maps.Keys(v.Views)) {
		view := v.Views[door]
		rows = append(rows, []string{door + " /", view.Root, "root"})
		for _, e := range view.Entries {
			rows = append(rows, []string{door + " /" + e.Name, e.Path, e.Origin})
		}
		for _, e := range view.Shadowed {
			rows = append(rows, []string{door + " /" + e.Name, "not seen: " + e.Path + " has lost its name", e.Origin})
		}
		if how := v.Uploads[door]; how != "" {
			rows = append(rows, []string{door + " uploads", how, ""})
		}
	}
	return rows
}

func (v access) limitRows() (rows [][]string) {
	rows = append(rows,
		[]string{"quota of the home", size(v.Quota.Bytes), v.Quota.BytesOrigin},
		[]string{"files in the home", countText(v.Quota.Files), v.Quota.FilesOrigin})
	for _, l := range v.Limits {
		rows = append(rows, []string{"limit " + l.Name, limitText(l.Name, l.Value), l.Origin})
	}
	return rows
}

// loginRows is what else is asked of those who come in.
func (v access) loginRows() (rows [][]string) {
	from := slices.Concat(v.Addresses.Account, v.Addresses.Site)
	if len(from) == 0 || v.Addresses.From == "anywhere" {
		from = []string{"anywhere"}
	}
	age := "for ever"
	if v.PasswordAge.Days > 0 {
		age = fmt.Sprintf("%d days", v.PasswordAge.Days)
	}
	factor := "not asked for"
	if v.SecondFactor.Required {
		factor = "required"
	}
	rows = append(rows,
		[]string{"from addresses", strings.Join(from, ", "), v.Addresses.From},
		[]string{"second factor", factor + note(v.SecondFactor.WithKey, ", also after a key"), v.SecondFactor.Origin},
		[]string{"a password is good", age, v.PasswordAge.Origin},
		[]string{"plain FTP", "", v.PlainFTP},
		[]string{"share links", yesNo(v.ShareLinks.Allowed), v.ShareLinks.Because},
		[]string{"programs that sync", yesNo(v.Desktop.Allowed), v.Desktop.Because})
	if len(v.Managers) > 0 {
		rows = append(rows, []string{"managed by", strings.Join(v.Managers, ", "), ""})
	}
	return rows
}
