package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"gatehouse/admin/trail"
	"gatehouse/storage/events"
)

func (a *app) eventCommand() *cobra.Command {
	return parent("event", "The trail of what happened", a.eventList(), a.eventFollow(), a.eventKinds(), a.eventVerify())
}

// eventFilter is what list and follow select by.
type eventFilter struct{ values map[string]*string }

func filterFlags(f *pflag.FlagSet) *eventFilter {
	filter := &eventFilter{values: map[string]*string{
		"outcome": oneOf(f, "outcome", "only", "ok", "refused", "failed", "cut", "aborted"),
		"door":    oneOf(f, "door", "only", "sftp", "ftp", "webdav", "web", "api", "account"),
	}}
	for _, flag := range [][3]string{
		{"account", "account", "only of this `ACCOUNT`"},
		{"actor", "actor", "only changes made by this `ACCOUNT`; socket: over the local socket"},
		{"group", "group", "only changes of this `GROUP` and of who is in it"},
		{"kind", "kind", "a `KIND` with all below it, such as login or file; see gatehouse event kinds"},
		{"rule", "rule", "only what this `RULE` decided"},
		{"ref", "reference", "`REFERENCE` of a refusal"},
		{"path", "path", "this tree `PATH` and all below it"},
		{"from", "address", "only from this `ADDRESS`"},
		{"session", "session", "only of this session `ID`"},
	} {
		filter.values[flag[1]] = f.String(flag[0], "", flag[2])
	}
	return filter
}

func (f *eventFilter) query() url.Values {
	query := url.Values{}
	for key, value := range f.values {
		if *value != "" {
			query.Set(key, *value)
		}
	}
	return query
}

func (a *app) eventList() *cobra.Command {
	var since, until string
	var limit int
	var oldest bool
	cmd := &cobra.Command{
		Use: "list", Short: "List events, newest first", Args: exactly(0),
		Example: "  gatehouse event list --account alice --since 2d\n  gatehouse event list --kind login --outcome refused --since 1h",
	}
	f := cmd.Flags()
	filter := filterFlags(f)
	f.StringVar(&since, "since", "", "from `TIME` on: 90m, 1h, 2d, a date (that day on), or an RFC 3339 instant")
	f.StringVar(&until, "until", "", "up to `TIME`: the same (a date: through that day)")
	f.IntVar(&limit, "limit", 100, "at most `N`; 0 is all")
	f.BoolVar(&oldest, "oldest", false, "oldest first")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		query := filter.query()
		if err := setMoments(query, since, until, time.Now()); err != nil {
			return err
		}
		if oldest {
			query.Set("oldest", "true")
		}
		found, err := a.listEvents(cmd, query, limit)
		if err != nil {
			return err
		}
		var rows [][]string
		for _, e := range found {
			rows = append(rows, eventRow(e))
		}
		return a.list(found, []string{"TIME", "KIND", "OUTCOME", "ACCOUNT", "DOOR", "ADDRESS", "WHAT"}, rows)
	}
	return cmd
}

// listEvents asks for pages until it has as many as wanted.
func (a *app) listEvents(cmd *cobra.Command, query url.Values, limit int) ([]events.Event, error) {
	found := []events.Event{}
	for {
		piece := 1000
		if limit > 0 {
			piece = min(piece, limit-len(found))
		}
		query.Set("limit", fmt.Sprint(piece))
		var page trail.EventPage
		if err := a.call(cmd, http.MethodGet, "/events", query, nil, &page); err != nil {
			return nil, err
		}
		found = append(found, page.Items...)
		if page.Next == 0 || limit > 0 && len(found) >= limit {
			return found, nil
		}
		query.Set("cursor", fmt.Sprint(page.Next))
	}
}

func setMoments(query url.Values, since, until string, now time.Time) error {
	for key, text := range map[string]string{"since": since, "until": until} {
		if text == "" {
			continue
		}
		t, day, err := parseMoment(text, now)
		if err != nil {
			return err
		}
		if day && key == "until" {
			t = t.AddDate(0, 0, 1).Add(-time.Nanosecond)
		}
		query.Set(key, t.Format(time.RFC3339Nano))
	}
	return nil
}

func eventRow(e events.Event) []string {
	address := "-"
	if e.Address.IsValid() {
		address = e.Address.String()
	}
	what := []string{e.Path, hookText(e)}
	if e.Group != "" {
		what = []string{"group " + e.Group, e.Path}
	}
	if e.Target != "" {
		what = append(what, "->", e.Target)
	}
	if e.Bytes > 0 {
		what = append(what, size(&e.Bytes))
	}
	if why := whyText(e); why != "" {
		what = append(what, "["+why+"]")
	}
	if e.Reference != "" {
		what = append(what, "ref", e.Reference)
	}
	who := e.Account
	if e.Actor != "" {
		who += " by " + e.Actor
	}
	return []string{when(e.Time), string(e.Kind), e.Outcome, orDash(strings.TrimSpace(who)), orDash(e.Door), address, strings.Join(slices.DeleteFunc(what, func(s string) bool { return s == "" }), " ")}
}

// whyText is the rule and the reason of what did not go through.
func whyText(e events.Event) string {
	switch {
	case e.Outcome == events.OK:
		return ""
	case e.Rule == "" || e.Reason == "":
		return e.Rule + e.Reason
	}
	return e.Rule + ": " + e.Reason
}

// hookText names the webhook that an event is about: by its description, else by
// its address without what may be a secret in it.
func hookText(e events.Event) string {
	if !e.Kind.Under("webhook") {
		return ""
	}
	for _, side := range []map[string]any{e.After, e.Before} {
		if text, ok := side["description"].(string); ok && text != "" {
			return text
		}
		if address, ok := side["url"].(string); ok {
			address, _, _ = strings.Cut(address, "?")
			return address
		}
	}
	return ""
}

func (a *app) eventFollow() *cobra.Command {
	var after uint64
	cmd := &cobra.Command{Use: "follow", Short: "Print events as they happen", Args: exactly(0)}
	filter := filterFlags(cmd.Flags())
	cmd.Flags().Uint64Var(&after, "after", 0, "begin after the event at this `POSITION` instead of now")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := a.client()
		if err != nil {
			return err
		}
		query := filter.query()
		if after > 0 {
			query.Set("after", fmt.Sprint(after))
		}
		resp, err := c.send(cmd.Context(), http.MethodGet, "/events/live", query, nil)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		if err := a.printLive(resp.Body); err != nil && cmd.Context().Err() == nil {
			return err
		}
		return nil
	}
	return cmd
}

// printLive prints server-sent events until their end.
func (a *app) printLive(live io.Reader) error {
	lines := bufio.NewScanner(live)
	lines.Buffer(nil, 4<<20)
	kind := ""
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch {
		case lines.Text() == "":
			kind = ""
		case field == "event":
			kind = value
		case field == "data" && kind == "gap":
			_, _ = fmt.Fprintln(a.Err, "gatehouse: events in between were dropped: "+visible(value))
		case field == "data":
			if err := a.printEvent(value); err != nil {
				return err
			}
		}
	}
	return lines.Err()
}

func (a *app) printEvent(text string) error {
	if a.json {
		_, err := fmt.Fprintln(a.Out, text)
		return err
	}
	var e events.Event
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		return fmt.Errorf("read an event: %w", err)
	}
	row := eventRow(e)
	for i := range row {
		row[i] = visible(row[i])
	}
	_, err := fmt.Fprintln(a.Out, strings.Join(row, "  "))
	return err
}

func (a *app) eventKinds() *cobra.Command {
	return &cobra.Command{Use: "kinds", Short: "List the kinds of events, for --kind", Args: exactly(0), RunE: func(cmd *cobra.Command, _ []string) error {
		var kinds []events.KindText
		if err := a.call(cmd, http.MethodGet, "/event-kinds", nil, nil, &kinds); err != nil {
			return err
		}
		var rows [][]string
		for _, k := range kinds {
			rows = append(rows, []string{string(k.Kind), k.Tells})
		}
		return a.list(kinds, []string{"KIND", "TELLS THAT"}, rows)
	}}
}

func (a *app) eventVerify() *cobra.Command {
	var against []string
	cmd := &cobra.Command{
		Use: "verify", Short: "Verify that the trail is as it was written", Args: exactly(0),
		Long: "Reads the whole trail and reports where entries were changed, removed, put in or moved. An end that was\n" +
			"cut off is found with --against: a checkpoint from the gateway's log, or a file that holds some, such as\n" +
			"the log itself. Exit status 1 where the trail is not whole.",
	}
	cmd.Flags().StringArrayVar(&against, "against", nil, "a `CHECKPOINT`, or a file with checkpoints in it; may be repeated")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		checkpoints, err := checkpointsOf(against)
		if err != nil {
			return err
		}
		var report events.Report
		body := map[string]any{"against": checkpoints}
		if err := a.call(cmd, http.MethodPost, "/events/verify", nil, body, &report); err != nil {
			return err
		}
		if err := a.printReport(report); err != nil {
			return err
		}
		if !report.Whole {
			return errors.New("the trail is not as it was written")
		}
		return nil
	}
	return cmd
}

// mostCheckpoints is how many checkpoints one verification takes.
const mostCheckpoints = 1000

// checkpointsOf reads checkpoints, given as they are or by the file that holds
// them; of very many the newest.
func checkpointsOf(given []string) ([]string, error) {
	found := []string{}
	for _, text := range given {
		if list := events.FindCheckpoints(text); len(list) > 0 {
			found = append(found, list...)
			continue
		}
		content, err := os.ReadFile(text)
		if err != nil {
			return nil, usagef("%q is neither a checkpoint nor a file that can be read", text)
		}
		list := events.FindCheckpoints(string(content))
		if len(list) == 0 {
			return nil, fmt.Errorf("there is no checkpoint in %s", text)
		}
		found = append(found, list...)
	}
	return found[max(0, len(found)-mostCheckpoints):], nil
}

func (a *app) printReport(r events.Report) error {
	if a.json {
		return a.printJSON(r)
	}
	a.say("%d events, positions %d to %d; held against %d checkpoints (%d more are older than what is kept)", r.Entries, r.First, r.Last, r.Held, r.Older)
	for _, n := range r.Nodes {
		a.say("node %s: %d events, up to number %d of %s", n.Node, n.Entries, n.Last, when(n.Newest))
	}
	if r.Whole {
		a.say("the trail is whole")
		return nil
	}
	a.say("BROKEN at position %d: %s", r.Faults[0].Position, r.Faults[0].Detail)
	var rows [][]string
	for _, f := range r.Faults {
		rows = append(rows, []string{fmt.Sprint(f.Position), f.What, orDash(f.Node), f.Detail})
	}
	if r.More {
		rows = append(rows, []string{"...", "", "", "and more"})
	}
	return a.list(nil, []string{"POSITION", "WHAT", "NODE", "DETAIL"}, rows)
}
