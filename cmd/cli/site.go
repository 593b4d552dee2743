package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/storage/locks"
)

func (a *app) siteCommand() *cobra.Command {
	return parent("site", "The policy of the whole site", a.siteShow(), a.siteSet())
}

func (a *app) siteShow() *cobra.Command {
	return &cobra.Command{Use: "show", Short: "Show the site policy by key", Args: exactly(0), RunE: func(cmd *cobra.Command, _ []string) error {
		var site map[string]any
		if err := a.call(cmd, http.MethodGet, "/site", nil, nil, &site); err != nil {
			return err
		}
		return a.showSite(site)
	}}
}

func (a *app) showSite(site map[string]any) error {
	var pairs [][2]string
	flatten("", site, &pairs)
	slices.SortFunc(pairs, func(x, y [2]string) int { return strings.Compare(x[0], y[0]) })
	return a.show(site, pairs)
}

// flatten lists the leaves of a tree by dotted key.
func flatten(prefix string, tree map[string]any, pairs *[][2]string) {
	for key, value := range tree {
		if inner, ok := value.(map[string]any); ok {
			flatten(prefix+key+".", inner, pairs)
			continue
		}
		text, ok := value.(string)
		if !ok {
			raw, _ := json.Marshal(value)
			text = string(raw)
		}
		*pairs = append(*pairs, [2]string{prefix + key, orDash(text)})
	}
}

func (a *app) siteSet() *cobra.Command {
	cmd := &cobra.Command{
		Use: "set KEY=VALUE...", Short: "Change the site policy; an empty value resets", Args: atLeast(1),
		Long: "Prints what has changed. A list takes its items separated by commas. The keys:\n\n" + siteKeys(),
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var present map[string]any
		if err := a.call(cmd, http.MethodGet, "/site", nil, nil, &present); err != nil {
			return err
		}
		body := map[string]any{}
		for _, arg := range args {
			key, text, ok := strings.Cut(arg, "=")
			if !ok {
				return usagef("%q is not KEY=VALUE", arg)
			}
			put(body, strings.Split(key, "."), siteValue(at(present, strings.Split(key, ".")), text))
		}
		var now map[string]any
		if err := a.call(cmd, http.MethodPatch, "/site", nil, body, &now); err != nil {
			return err
		}
		return a.showChanged(present, now)
	}
	return cmd
}

// showChanged prints the keys that are others than before.
func (a *app) showChanged(before, now map[string]any) error {
	if a.json {
		return a.printJSON(now)
	}
	var was, is [][2]string
	flatten("", before, &was)
	flatten("", now, &is)
	slices.SortFunc(is, func(x, y [2]string) int { return strings.Compare(x[0], y[0]) })
	is = slices.DeleteFunc(is, func(p [2]string) bool { return slices.Contains(was, p) })
	if len(is) == 0 {
		a.say("nothing has changed")
	}
	return a.show(now, is)
}

// siteKeys lists the keys of the site policy with what they are at first.
func siteKeys() string {
	text, _ := json.Marshal(policy.DefaultSite())
	var site map[string]any
	_ = json.Unmarshal(text, &site)
	// What inherits nothing is left out of the JSON while it is zero.
	limits := map[string]any{}
	for name := range strings.SplitSeq(limitNames, ", ") {
		limits[name] = 0
	}
	site["limits"] = limits
	var pairs [][2]string
	flatten("", site, &pairs)
	slices.SortFunc(pairs, func(x, y [2]string) int { return strings.Compare(x[0], y[0]) })
	var list strings.Builder
	for _, p := range pairs {
		fmt.Fprintf(&list, "  %-34s %s\n", p[0], p[1])
	}
	return list.String()
}

func at(tree map[string]any, keys []string) any {
	for _, k := range keys[:len(keys)-1] {
		tree, _ = tree[k].(map[string]any)
	}
	return tree[keys[len(keys)-1]]
}

func put(tree map[string]any, keys []string, value any) {
	for _, k := range keys[:len(keys)-1] {
		inner, ok := tree[k].(map[string]any)
		if !ok {
			inner = map[string]any{}
			tree[k] = inner
		}
		tree = inner
	}
	tree[keys[len(keys)-1]] = value
}

// siteValue gives text the type that the key has now; a key that is null or a
// list takes a list separated by commas.
func siteValue(present any, text string) any {
	if text == "" {
		return nil
	}
	switch present.(type) {
	case string:
		return text
	case []any, nil:
		return strings.Split(text, ",")
	}
	var value any
	if json.Unmarshal([]byte(text), &value) != nil {
		return text
	}
	return value
}

func (a *app) sessionCommand() *cobra.Command {
	return parent("session", "Open sessions", a.sessionList(), &cobra.Command{
		Use: "end ID", Short: "End a session", Args: exactly(1), RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.call(cmd, http.MethodDelete, "/sessions/"+segment(args[0]), nil, nil, nil); err != nil {
				return err
			}
			return a.done(struct{}{}, "ended")
		},
	})
}

func (a *app) sessionList() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List open sessions", Args: exactly(0), RunE: func(cmd *cobra.Command, _ []string) error {
		var list []session.Description
		if err := a.call(cmd, http.MethodGet, "/sessions", nil, nil, &list); err != nil {
			return err
		}
		var rows [][]string
		for _, d := range list {
			rows = append(rows, []string{d.Account, string(d.Door), string(d.Transport), d.Address.String(), when(d.Since), when(d.LastActive), d.ID})
		}
		return a.list(list, []string{"ACCOUNT", "DOOR", "TRANSPORT", "ADDRESS", "SINCE", "LAST ACTIVE", "ID"}, rows)
	}}
}

func (a *app) lockCommand() *cobra.Command {
	list := &cobra.Command{Use: "list", Short: "List locks", Args: exactly(0), RunE: func(cmd *cobra.Command, _ []string) error {
		var found []locks.Lock
		if err := a.call(cmd, http.MethodGet, "/locks", nil, nil, &found); err != nil {
			return err
		}
		var rows [][]string
		for _, l := range found {
			rows = append(rows, []string{l.Path.String(), l.Account, when(l.Expires), l.Token})
		}
		return a.list(found, []string{"PATH", "ACCOUNT", "EXPIRES", "TOKEN"}, rows)
	}}
	return parent("lock", "Locks on files", list, &cobra.Command{
		Use: "break TOKEN", Short: "Break a lock", Args: exactly(1), RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.call(cmd, http.MethodDelete, "/locks/"+segment(args[0]), nil, nil, nil); err != nil {
				return err
			}
			return a.done(struct{}{}, "broken")
		},
	})
}
