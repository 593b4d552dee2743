package webdav

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"gatehouse/policy/path"
)

func TestLocate(t *testing.T) {
	h := New(Config{})
	cases := map[string]struct {
		escaped string
		want    string
		slash   bool
		status  int // of the refusal, 0 for none
	}{
		"root":                             {"/dav/", "/", true, 0},
		"root without its slash":           {"/dav", "/", true, 0},
		"file":                             {"/dav/a/b", "/a/b", false, 0},
		"collection":                       {"/dav/a/b/", "/a/b", true, 0},
		"empty and dot elements":           {"/dav//a/./b", "/a/b", false, 0},
		"decoded once":                     {"/dav/a%2520b", "/a%20b", false, 0},
		"any byte":                         {"/dav/%FF%01%0a", "/\xff\x01\n", false, 0},
		"prefix in escapes":                {"/%64av/a", "/a", false, 0},
		"climbing":                         {"/dav/a/../b", "", false, 400},
		"climbing in escapes":              {"/dav/a/%2e%2E/b", "", false, 400},
		"climbing out of the prefix":       {"/dav/../api/v1/me", "", false, 400},
		"climbing twice escaped is a name": {"/dav/%252e%252e", "/%2e%2e", false, 0},
		"escaped slash":                    {"/dav/a%2fb", "", false, 400},
		"escaped slash hides climbing":     {"/dav/..%2f..%2fetc", "", false, 400},
		"NUL":                              {"/dav/a%00", "", false, 400},
		"backslashes are a name":           {"/dav/..%5c..%5cetc", `/..\..\etc`, false, 0},
		"half an escape":                   {"/dav/a%4", "", false, 400},
		"no escape":                        {"/dav/a%zz", "", false, 400},
		"name too long":                    {"/dav/" + strings.Repeat("n", 256), "", false, 414},
		"elsewhere":                        {"/other/a", "", false, 404},
		"prefix without border":            {"/davies", "", false, 404},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p, slash, err := h.locate(c.escaped)
			if c.status != 0 {
				if got := answerTo("GET", err).status; err == nil || got != c.status {
					t.Fatalf("got %v, %v (status %d), want status %d", p, err, got, c.status)
				}
				return
			}
			if err != nil || p.String() != c.want || slash != c.slash {
				t.Errorf("got %q slash %v, %v; want %q slash %v", p, slash, err, c.want, c.slash)
			}
		})
	}
}

func TestRefer(t *testing.T) {
	h := New(Config{Hosts: []string{"files.example.org", "other.example.org:8443"}})
	r := &http.Request{Host: "dav.example.com:8443"}
	cases := map[string]struct {
		ref    string
		want   string
		slash  bool
		status int
	}{
		"same host":                  {"https://dav.example.com:8443/dav/a%20b", "/a b", false, 0},
		"scheme of a proxy":          {"http://dav.example.com:8443/dav/a", "/a", false, 0},
		"case of the host":           {"https://DAV.Example.Com:8443/dav/a", "/a", false, 0},
		"absolute path":              {"/dav/c/", "/c", true, 0},
		"with a user":                {"https://me:secret@dav.example.com:8443/dav/a", "/a", false, 0},
		"known name, default port":   {"https://files.example.org:443/dav/a", "/a", false, 0},
		"known name with port":       {"https://other.example.org:8443/dav/a", "/a", false, 0},
		"raw space and bytes":        {"http://dav.example.com:8443/dav/a b\xff", "/a b\xff", false, 0},
		"other port":                 {"https://dav.example.com/dav/a", "", false, 502},
		"other host":                 {"https://evil.example.com:8443/dav/a", "", false, 502},
		"host in the user part":      {"https://dav.example.com:8443@evil.example.com/dav/a", "", false, 502},
		"other scheme":               {"ftp://dav.example.com:8443/dav/a", "", false, 502},
		"another place of this host": {"https://dav.example.com:8443/api/v1/accounts", "", false, 502},
		"network path":               {"//evil.example.com/dav/a", "", false, 502},
		"no path":                    {"https://dav.example.com:8443", "", false, 502},
		"relative":                   {"a/b", "", false, 400},
		"climbing":                   {"https://dav.example.com:8443/dav/a/../b", "", false, 400},
		"escaped climbing":           {"/dav/%2e%2e/x", "", false, 400},
		"query":                      {"/dav/a?b", "", false, 400},
		"fragment":                   {"/dav/a#b", "", false, 400},
		"control character":          {"/dav/a\x01", "", false, 400},
		"empty":                      {"", "", false, 400},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := h.refer(c.ref, r)
			if c.status != 0 {
				if status := answerTo("COPY", err).status; err == nil || status != c.status {
					t.Fatalf("got %v, %v (status %d), want status %d", got, err, status, c.status)
				}
				return
			}
			if err != nil || got.path.String() != c.want || got.slash != c.slash {
				t.Errorf("got %q slash %v, %v; want %q slash %v", got.path, got.slash, err, c.want, c.slash)
			}
		})
	}
}

// FuzzHref: whatever bytes a name has, its href leads back to it, and holds
// nothing that means something in XML or in a header.
func FuzzHref(f *testing.F) {
	for _, s := range []string{"a", "a b", "<&>\"'", "\xff\x00\n", "%41", "ü", "..", "a/b"} {
		f.Add(s)
	}
	h := New(Config{})
	f.Fuzz(func(t *testing.T, name string) {
		p, err := path.Root.Join(name)
		if err != nil {
			return
		}
		href := h.href(p, false)
		if strings.ContainsFunc(href, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`<>&"'`, r) }) {
			t.Fatalf("href %q of %q", href, name)
		}
		back, slash, err := h.locate(href)
		if err != nil || slash || back != p {
			t.Fatalf("%q became %q, which is %q, %v", name, href, back, err)
		}
	})
}

// FuzzDestination: no reference leads out of the tree, and none that is
// refused is taken for another.
func FuzzDestination(f *testing.F) {
	for _, s := range []string{"http://h/dav/a", "/dav/../a", "/dav/%2e%2e/a", "http://h@x/dav/a", "/dav/a%2fb", "http://[::1]/dav/"} {
		f.Add(s)
	}
	h := New(Config{})
	r := &http.Request{Host: "h"}
	f.Fuzz(func(t *testing.T, ref string) {
		got, err := h.refer(ref, r)
		if err != nil {
			var refused *refusal
			if !errors.As(err, &refused) && answerTo("COPY", err).status >= 500 {
				t.Fatalf("%q: %v", ref, err)
			}
			return
		}
		if p, err := path.ParseStrict(got.path.String()); err != nil || p != got.path {
			t.Fatalf("%q gave %q, %v", ref, got.path, err)
		}
	})
}
