package cli

import (
	"strings"
	"testing"
	"time"

	"gatehouse/storage/events"
)

// A lock stops what the rules allow: the headline says so, and the rest where it is
// and what to do.
func TestExplainSaysThatALockStopsIt(t *testing.T) {
	const answer = `{"decision":"allow","rule":"home","because":"so","chain":[],"locked_by":"alice","lock":{"path":"/crew/plan","expires":"2030-01-02T03:04:05Z"}}`
	address, _ := fake(t, map[string]string{"POST /explain": answer})
	_, out, errs := run(t, nil, strings.Fields("explain bob --door sftp --op delete --path /crew --server "+address)...)
	for _, want := range []string{"ALLOW, but stopped by the obstacle below", "alice, on /crew/plan, until 2030-01-0", "gatehouse lock list", "gatehouse lock break"} {
		if !strings.Contains(out, want) {
			t.Errorf("it lacks %q: %s%s", want, out, errs)
		}
	}
}

// The transport of a refusal was recorded, not assumed.
func TestExplainAssumesNoTransportOfTheTrail(t *testing.T) {
	address, _ := fake(t, map[string]string{"POST /explain": `{"decision":"deny","rule":"status","because":"so","chain":[],"transport":"clear"}`})
	if _, out, errs := run(t, nil, "explain", "--ref", "abc", "--server", address); !strings.Contains(out, "transport:") || strings.Contains(out, "assumed") {
		t.Errorf("it says %s%s", out, errs)
	}
}

func TestAnEventSaysWhat(t *testing.T) {
	for want, e := range map[string]events.Event{
		"/a 2.0 KiB":                      {Kind: events.Upload, Outcome: events.OK, Path: "/a", Bytes: 2048},
		"/a [quota: quota of / exceeded]": {Kind: events.Upload, Outcome: events.Denied, Path: "/a", Rule: "quota", Reason: "quota of / exceeded"},
		"[status: disabled] ref X":        {Kind: events.Refused, Outcome: events.Denied, Rule: "status", Reason: "disabled", Reference: "X"},
		"the indexer":                     {Kind: "webhook.create", Outcome: events.OK, After: map[string]any{"url": "https://x/y", "description": "the indexer"}},
		"https://x/y":                     {Kind: "webhook.create", Outcome: events.OK, After: map[string]any{"url": "https://x/y?..."}},
	} {
		e.Time = time.Now()
		row := eventRow(e)
		if got := row[len(row)-1]; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
