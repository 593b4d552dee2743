package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"gatehouse/admin/document"
)

func (a *app) applyCommand() *cobra.Command {
	var file string
	var dry, confirm bool
	cmd := &cobra.Command{
		Use: "apply -f FILE", Short: "Make accounts, groups and site as a file says", Args: exactly(0),
		Long: "Prints what differs, then makes it so. What the file does not name stays as it is; null resets a setting.\n" +
			"Applying the same file again changes nothing. The file is YAML or JSON, as export writes it.",
		Example: "  gatehouse apply -f accounts.yaml --dry-run\n  gatehouse apply -f accounts.yaml",
	}
	f := cmd.Flags()
	f.StringVarP(&file, "file", "f", "", "`FILE` with the document; - is standard input")
	f.BoolVar(&dry, "dry-run", false, "only print what differs")
	f.BoolVar(&confirm, "confirm-self", false, "go on where the change may end your own session")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if file == "" {
			return usagef("give the document: -f FILE")
		}
		source, err := a.openDocument(file)
		if err != nil {
			return err
		}
		defer func() { _ = source.Close() }()
		return a.applyDocument(cmd, source, applyOptions{dry: dry, confirm: confirm})
	}
	return cmd
}

// openDocument opens a file that can be read twice.
func (a *app) openDocument(file string) (io.ReadSeekCloser, error) {
	if file != "-" {
		return os.Open(file)
	}
	text, err := io.ReadAll(a.In)
	if err != nil {
		return nil, fmt.Errorf("read the document: %w", err)
	}
	return memoryFile{bytes.NewReader(text)}, nil
}

type memoryFile struct{ *bytes.Reader }

// Close does nothing.
func (memoryFile) Close() error { return nil }

// applyOptions says how a document is applied. existing (keep or replace; empty:
// replace) says what becomes of what is there already.
type applyOptions struct {
	dry, confirm bool
	existing     string
}

func (o applyOptions) query() url.Values {
	query := url.Values{}
	if o.existing != "" {
		query.Set("existing", o.existing)
	}
	return query
}

// applyDocument shows first what differs. Where something cannot be made as the
// document says, nothing is changed.
func (a *app) applyDocument(cmd *cobra.Command, source io.ReadSeeker, o applyOptions) error {
	look := &applyRun{app: a, cmd: cmd, query: o.query(), show: !a.json}
	look.query.Set("dry_run", "true")
	if err := look.all(source); err != nil {
		return err
	}
	if len(look.refused) > 0 || o.dry || len(look.changed) == 0 {
		return look.end("nothing was changed")
	}
	if _, err := source.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read the document again: %w", err)
	}
	making := &applyRun{app: a, cmd: cmd, query: o.query(), quiet: !a.json}
	if o.confirm {
		making.query.Set("confirm", "self")
	}
	if err := making.all(source); err != nil {
		return err
	}
	return making.end("")
}

// An applyRun sends a document, piece by piece.
type applyRun struct {
	*app
	cmd   *cobra.Command
	query url.Values
	show  bool // each change, for people
	quiet bool // changes are counted alone

	records int            // in the document
	changed map[string]int // kind and name of what changes, with its place in Changes

	document.Applied
	groups  []json.RawMessage // with what refers to accounts, sent once these are there
	named   []json.RawMessage // of an import: its groups, which its accounts are judged by
	refused map[string]refusedRecord
}

// A refusedRecord may refer to somebody who comes later in the document.
type refusedRecord struct {
	raw json.RawMessage
	why document.AppliedRefusal
}

func (r *applyRun) all(source io.Reader) error {
	r.refused, r.changed = map[string]refusedRecord{}, map[string]int{}
	r.Changes, r.Applied.Refused = []document.AppliedChange{}, []document.AppliedRefusal{}
	for p, err := range portions(source) {
		if err != nil {
			return err
		}
		r.records += p.count()
		if r.query.Get("dry_run") == "" {
			p.Groups = r.first(p.Groups)
		}
		if err := r.send(p); err != nil {
			return err
		}
	}
	if len(r.groups) > 0 {
		if err := r.send(portion{Version: document.DocumentVersion, Groups: r.groups}); err != nil {
			return err
		}
	}
	for before := len(r.refused) + 1; len(r.refused) > 0 && len(r.refused) < before; {
		before = len(r.refused)
		if err := r.again(); err != nil {
			return err
		}
	}
	return nil
}

// first leaves of groups what can be made before the accounts are: who manages a
// group, and whose it is, follows.
func (r *applyRun) first(groups []json.RawMessage) []json.RawMessage {
	var now []json.RawMessage
	for _, raw := range groups {
		var g map[string]json.RawMessage
		if json.Unmarshal(raw, &g) != nil || g["managers"] == nil && g["owner"] == nil {
			now = append(now, raw)
			continue
		}
		r.groups = append(r.groups, raw)
		if g["owner"] == nil {
			delete(g, "managers")
			text, _ := json.Marshal(g)
			now = append(now, text)
		}
	}
	return now
}

// again sends once more what was refused.
func (r *applyRun) again() error {
	p := portion{Version: document.DocumentVersion}
	for _, key := range slices.Sorted(maps.Keys(r.refused)) {
		switch one := r.refused[key]; one.why.Kind {
		case "site":
			p.Site = one.raw
		case "group":
			p.Groups = append(p.Groups, one.raw)
		case "quota":
			p.Quotas = append(p.Quotas, one.raw)
		default:
			p.Accounts = append(p.Accounts, one.raw)
		}
	}
	r.refused = map[string]refusedRecord{}
	for part := range slices.Chunk(append(p.Accounts, nil), accountsAtOnce) {
		part = slices.DeleteFunc(slices.Clone(part), func(raw json.RawMessage) bool { return raw == nil })
		p.Accounts = part
		if err := r.send(p); err != nil {
			return err
		}
		p = portion{Version: p.Version}
	}
	return nil
}

// send sends a piece. What is there already is left alone in an import, groups
// too: whether an account may join one is judged by what the file says of the
// group, which is sent with each piece therefore and counted with the first.
func (r *applyRun) send(p portion) error {
	again := r.query.Get("existing") == keeps && len(p.Groups) == 0 && len(p.Accounts) > 0
	if again {
		p.Groups = r.named
	} else {
		r.named = append(r.named, p.Groups...)
	}
	var answer document.Applied
	if err := r.call(r.cmd, http.MethodPost, "/apply", r.query, p, &answer); err != nil {
		return err
	}
	for _, c := range answer.Changes {
		if !again || c.Kind != "group" {
			r.take(c)
		}
	}
	for _, why := range answer.Refused {
		r.refused[why.Kind+" "+why.Name] = refusedRecord{find(p, why), why}
	}
	return nil
}

// take counts a change, shows it or keeps it. A group that was sent twice is one
// change.
func (r *applyRun) take(c document.AppliedChange) {
	if r.show {
		r.showChange(c)
	}
	key := c.Kind + " " + c.Name
	i, before := r.changed[key]
	if c.Action != keeps && !before {
		r.changed[key] = len(r.Changes)
	}
	switch {
	case r.show || r.quiet:
	case before && c.Action != keeps:
		maps.Copy(r.Changes[i].After, c.After)
		r.Changes[i].Notes = append(r.Changes[i].Notes, c.Notes...)
	default:
		r.Changes = append(r.Changes, c)
	}
}

// keeps is the action of a record that stays as it is, with notes why.
const keeps = "keep"

// find returns the text of a record that was refused.
func find(p portion, why document.AppliedRefusal) json.RawMessage {
	list := p.Accounts
	switch why.Kind {
	case "site":
		return p.Site
	case "group":
		list = p.Groups
	case "quota":
		list = p.Quotas
	}
	for _, raw := range list {
		var named struct{ Username, Name, Path string }
		if json.Unmarshal(raw, &named) == nil && named.Username+named.Name+named.Path == why.Name {
			return raw
		}
	}
	return nil
}

func (r *applyRun) showChange(c document.AppliedChange) {
	sign := map[string]string{"create": "+", "change": "~", keeps: "="}[c.Action]
	r.say("%s %s %s", sign, c.Kind, c.Name)
	keys := map[string]bool{}
	for _, m := range []map[string]any{c.Before, c.After} {
		for key := range m {
			keys[key] = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		switch is, ok := c.After[key]; {
		case c.Action == "create":
			r.say("    %s: %s", key, compact(is))
		case !ok:
			r.say("    %s: %s -> (unset)", key, compact(c.Before[key]))
		case c.Before[key] == nil:
			r.say("    %s: %s", key, compact(is))
		default:
			r.say("    %s: %s -> %s", key, compact(c.Before[key]), compact(is))
		}
	}
	for _, note := range c.Notes {
		r.say("    NOTE: %s", note)
	}
}

func compact(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return string(text)
}

// end says what became of it all; what was refused makes exit status 1.
func (r *applyRun) end(refused string) error {
	for _, key := range slices.Sorted(maps.Keys(r.refused)) {
		r.Applied.Refused = append(r.Applied.Refused, r.refused[key].why)
	}
	r.Same = r.records - len(r.changed) - len(r.refused)
	if r.json {
		if err := r.printJSON(r.Applied); err != nil {
			return err
		}
	}
	did := "to be changed"
	if r.query.Get("dry_run") == "" {
		did = "changed"
	}
	r.say("%d %s, %d as they should be, %d refused", len(r.changed), did, r.Same, len(r.refused))
	if len(r.refused) == 0 {
		return nil
	}
	text := ""
	for _, why := range r.Applied.Refused {
		text += fmt.Sprintf("\n  %s %s: %s", why.Kind, why.Name, why.Why)
	}
	if refused == "" {
		refused = "the rest was made"
	}
	return errors.New("the document cannot be applied; " + refused + text)
}
