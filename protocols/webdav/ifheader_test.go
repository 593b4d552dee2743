package webdav

import (
	"slices"
	"strings"
	"testing"
)

func TestIfHeader(t *testing.T) {
	const lock, other = "urn:uuid:1", "urn:uuid:2"
	now := state{etag: `"e1"`, tokens: []string{lock}}
	cases := map[string]struct {
		header string
		bad    bool
		holds  bool
		tokens []string
	}{
		"token":                       {header: "(<urn:uuid:1>)", holds: true, tokens: []string{lock}},
		"wrong token":                 {header: "(<urn:uuid:2>)", tokens: []string{other}},
		"tag":                         {header: `(["e1"])`, holds: true},
		"wrong tag":                   {header: `(["e2"])`},
		"weak tag never matches":      {header: `([W/"e1"])`},
		"both":                        {header: `(<urn:uuid:1> ["e1"])`, holds: true, tokens: []string{lock}},
		"both, one wrong":             {header: `(<urn:uuid:1> ["e2"])`, tokens: []string{lock}},
		"second list":                 {header: `(["e2"]) (<urn:uuid:1>)`, holds: true, tokens: []string{lock}},
		"not":                         {header: `(Not <urn:uuid:2>)`, holds: true, tokens: []string{other}},
		"not what holds":              {header: `(not <urn:uuid:1>)`, tokens: []string{lock}},
		"no-lock never matches":       {header: `(<DAV:no-lock>)`, tokens: []string{"DAV:no-lock"}},
		"not no-lock always does":     {header: `(Not <DAV:no-lock>)`, holds: true, tokens: []string{"DAV:no-lock"}},
		"submitting without matching": {header: `(<urn:uuid:2>) (Not <DAV:no-lock>)`, holds: true, tokens: []string{other, "DAV:no-lock"}},
		"bracket in a tag":            {header: `(["a]b"])`},
		"no spaces":                   {header: `(<urn:uuid:1>["e1"])(Not["x"])`, holds: true, tokens: []string{lock}},
		"tagged":                      {header: `<http://h/dav/a> (<urn:uuid:1>) (["x"]) </dav/b> (Not ["x"])`, holds: true, tokens: []string{lock}},

		"empty":              {header: "", bad: true},
		"spaces":             {header: "  ", bad: true},
		"empty list":         {header: "()", bad: true},
		"open list":          {header: "(<a:b>", bad: true},
		"open token":         {header: "(<a:b)", bad: true},
		"empty token":        {header: "(<>)", bad: true},
		"unquoted tag":       {header: "([e1])", bad: true},
		"open tag":           {header: `(["e1)`, bad: true},
		"word":               {header: "hello", bad: true},
		"tag without a list": {header: "</dav/a>", bad: true},
		"two tags, one list": {header: "</dav/a> </dav/b> (<a:b>)", bad: true},
		"mixed, tagged last": {header: "(<a:b>) </dav/a> (<a:b>)", bad: true},
		"only not":           {header: "(Not)", bad: true},
		"far too many":       {header: strings.Repeat("(<a:b>)", maxConditions+1), bad: true},
		"garbage after":      {header: "(<a:b>) x", bad: true},
		"nested":             {header: "((<a:b>))", bad: true},
		"token with a blank": {header: "(<a b>)", bad: true},
		"control in a tag":   {header: "([\"a\x01\"])", bad: true},
		"quote left open":    {header: `(["a] ["b"])`, bad: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			lists, err := parseIf(c.header)
			if (err != nil) != c.bad {
				t.Fatalf("got %v, %v; want bad %v", lists, err, c.bad)
			}
			if err != nil {
				if answerTo("PUT", err).status != 400 {
					t.Errorf("status %d, want 400", answerTo("PUT", err).status)
				}
				return
			}
			holds := slices.ContainsFunc(lists, func(l ifList) bool { return l.holds(now) })
			if holds != c.holds {
				t.Errorf("holds %v, want %v", holds, c.holds)
			}
			if got := lists.tokens(); !slices.Equal(got, c.tokens) {
				t.Errorf("tokens %q, want %q", got, c.tokens)
			}
		})
	}
}

func TestIfHeaderTags(t *testing.T) {
	lists, err := parseIf(`<http://h/dav/a> (<t:1>) (["x"]) </dav/b> (Not ["x"])`)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range lists {
		if !l.tagged {
			t.Errorf("list %v is not tagged", l)
		}
		got = append(got, l.resource)
	}
	if want := []string{"http://h/dav/a", "http://h/dav/a", "/dav/b"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// FuzzIf: no header makes the parser fail, and what it accepts is bounded and complete.
func FuzzIf(f *testing.F) {
	for _, s := range []string{`(<a:b> ["c"])`, `</x> (Not <a:b>) ([W/"d"])`, `(`, `<`, `([`, "(Not", `<a>(<b>)<c>`} {
		f.Add(s)
	}
	for _, turn := range everyTurn(f) {
		for _, h := range turn.headers {
			if list, ok := strings.CutPrefix(h, "If: "); ok {
				f.Add(list)
			}
		}
	}
	f.Fuzz(func(t *testing.T, header string) {
		lists, err := parseIf(header)
		if err != nil {
			return
		}
		n := 0
		for _, l := range lists {
			if l.tagged != lists[0].tagged || len(l.conditions) == 0 {
				t.Fatalf("%q gave %v", header, lists)
			}
			for _, c := range l.conditions {
				if (c.token == "") == (c.etag == "") {
					t.Fatalf("%q gave condition %+v", header, c)
				}
				n++
			}
			l.holds(state{})
		}
		if n == 0 || n > maxConditions || len(lists.tokens()) > n {
			t.Fatalf("%q gave %d conditions", header, n)
		}
	})
}
