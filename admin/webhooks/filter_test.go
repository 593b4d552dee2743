package webhooks

import (
	"errors"
	"strings"
	"testing"

	"gatehouse/storage/events"
)

func TestAFilterLetsPassWhatItNames(t *testing.T) {
	e := events.Event{Kind: events.Upload, Account: "Alice", Outcome: events.OK, Path: "/home/alice/a"}
	moved := events.Event{Kind: events.Rename, Account: "bob", Outcome: events.OK, Path: "/x", Target: "/home/alice/b"}
	refused := events.Event{Kind: events.Refused, Account: "bob", Outcome: events.Denied}
	for _, c := range []struct {
		name   string
		filter Filter
		passes [3]bool // e, moved, refused
	}{
		{"all", Filter{}, [3]bool{true, true, true}},
		{"a family of kinds", Filter{Kinds: []events.Kind{"file"}}, [3]bool{true, true, false}},
		{"login with its refusals", Filter{Kinds: []events.Kind{"login"}}, [3]bool{false, false, true}},
		{"one kind", Filter{Kinds: []events.Kind{events.Rename}}, [3]bool{false, true, false}},
		{"an account", Filter{Accounts: []string{"alice"}}, [3]bool{true, false, false}},
		{"a folder", Filter{Path: "/home/alice"}, [3]bool{true, true, false}},
		{"not its neighbour", Filter{Path: "/home/al"}, [3]bool{false, false, false}},
		{"the root", Filter{Path: "/"}, [3]bool{true, true, false}},
		{"an outcome", Filter{Outcomes: []string{events.Denied}}, [3]bool{false, false, true}},
		{"all of it at once", Filter{Kinds: []events.Kind{"file"}, Accounts: []string{"bob"}, Path: "/home/alice"}, [3]bool{false, true, false}},
	} {
		for i, x := range []events.Event{e, moved, refused} {
			if got := c.filter.Passes(x); got != c.passes[i] {
				t.Errorf("%s: %s passes: %v", c.name, x.Kind, got)
			}
		}
	}
}

func TestWhatCannotBeIsRefusedByItsField(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, c := range []struct {
			hook  Webhook
			field string
		}{
			{Webhook{URL: "http://hooks.example/"}, "url"},
			{Webhook{URL: "https://"}, "url"},
			{Webhook{URL: "https://user:secret@hooks.example/"}, "url"},
			{Webhook{URL: "https://hooks.example/#x"}, "url"},
			{Webhook{URL: "file:///etc/passwd"}, "url"},
			{Webhook{URL: "https://hooks.example/" + strings.Repeat("x", maxURL)}, "url"},
			// What some resolvers read as 127.0.0.1.
			{Webhook{URL: "https://127.1/"}, "url"},
			{Webhook{URL: "https://2130706433/"}, "url"},
			{Webhook{URL: "https://0x7f000001/"}, "url"},
			{Webhook{URL: "https://0177.0.0.1/"}, "url"},
			{Webhook{URL: "https://0x7f.0.0.0x1./"}, "url"},
			{Webhook{URL: "https://127.0.0.1./"}, "url"},
			{Webhook{URL: "https://1.99999999999999999999999/"}, "url"},
			// What would end a line of a request, or be another's.
			{Webhook{URL: "https://hooks.example/\r\nHost: inside"}, "url"},
			{Webhook{URL: "https://[fe80::1%25eth0%0d%0aHost:%20inside]/"}, "url"},
			{Webhook{URL: "https://[fe80::1%25eth0'x]/"}, "url"},
			{Webhook{URL: "https://hooks.example%0d%0a/"}, "url"},
			{Webhook{URL: "https://a'b.example/"}, "url"},
			{Webhook{URL: "https://a,b.example/"}, "url"},
			{Webhook{URL: "https://hooks.example:0/"}, "url"},
			{Webhook{URL: "https://hooks.example:65536/"}, "url"},
			{Webhook{URL: "https://hooks.example:/"}, "url"},
			{Webhook{URL: "https://hooks.example:https/"}, "url"},
			{Webhook{URL: "https://a.example", Filter: Filter{Kinds: []events.Kind{"no.such"}}}, "filter.kinds"},
			{Webhook{URL: "https://a.example", Filter: Filter{Outcomes: []string{"good"}}}, "filter.outcomes"},
			{Webhook{URL: "https://a.example", Filter: Filter{Accounts: []string{""}}}, "filter.accounts"},
			{Webhook{URL: "https://a.example", Filter: Filter{Accounts: make([]string, maxFilters+1)}}, "filter"},
			{Webhook{URL: "https://a.example", Description: strings.Repeat("x", maxText+1)}, "description"},
		} {
			_, _, err := w.Add(w.t.Context(), c.hook)
			var invalid *InvalidError
			if !errors.As(err, &invalid) || invalid.Field != c.field {
				t.Errorf("%s %+v: %v, want the field %s", c.hook.URL, c.hook.Filter, err, c.field)
			}
		}
	})
}

func TestAddressesThatCanBe(t *testing.T) {
	for _, url := range []string{
		"https://hooks.example.org", "https://hooks.example.org:8443/in?a=b", "https://bücher.example/", "https://a_b.c-d.example./",
		"https://8.8.8.8/", "https://[2606:4700::1111]:8443/x", "https://intranet/", "https://1.2.3.example/", "https://xn--bcher-kva.example/%0d",
	} {
		if err := (Webhook{URL: url}).Validate(); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}
