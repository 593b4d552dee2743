package cli

import (
	"fmt"
	"strings"
	"testing"
)

// read joins the portions of a text.
func readPortions(t *testing.T, text string) (sizes []int, groups, site int, err error) {
	t.Helper()
	for p, e := range portions(strings.NewReader(text)) {
		if e != nil {
			return sizes, groups, site, e
		}
		if p.Version != 1 {
			t.Errorf("version %d", p.Version)
		}
		sizes = append(sizes, len(p.Accounts))
		groups += len(p.Groups)
		if len(p.Site) > 0 {
			site++
		}
	}
	return sizes, groups, site, nil
}

func TestPortions(t *testing.T) {
	many := make([]string, 1203)
	for i := range many {
		many[i] = fmt.Sprintf(`{"username":"u%d"}`, i)
	}
	for name, test := range map[string]struct {
		text         string
		sizes        string
		groups, site int
	}{
		"JSON":                    {`{"gatehouse":1,"site":{"language":"de"},"groups":[{"name":"g"}],"accounts":[{"username":"a"}]}`, "[1]", 1, 1},
		"JSON of many":            {`{"accounts":[` + strings.Join(many, ",\n") + `]}`, "[500 500 203]", 0, 0},
		"groups after accounts":   {`{"accounts":[{"username":"a"}],"groups":[{"name":"g"}]}`, "[1]", 1, 0},
		"no accounts":             {`{"gatehouse":1,"accounts":null}`, "[0]", 0, 0},
		"YAML":                    {"gatehouse: 1\ngroups: [{name: g}]\naccounts:\n- username: a\n- username: b\n", "[2]", 1, 0},
		"a stream of YAML":        {"# people\n---\naccounts: [{username: a}]\n---\naccounts: [{username: b}, {username: c}]\n", "[1 2]", 0, 0},
		"a text with dashes":      {"accounts:\n- username: a\n  notes: |\n    one\n    ---\n    two\n", "[1]", 0, 0},
		"a stream with an end":    {"accounts: [{username: a}]\n---\n", "[1]", 0, 0},
		"windows' ends of lines":  {"accounts:\r\n- username: a\r\n---\r\naccounts:\r\n- username: b\r\n", "[1 1]", 0, 0},
		"YAML without a last end": {"accounts: [{username: a}]", "[1]", 0, 0},
	} {
		sizes, groups, site, err := readPortions(t, test.text)
		if err != nil || fmt.Sprint(sizes) != test.sizes || groups != test.groups || site != test.site {
			t.Errorf("%s: got %v, %d groups, %d sites, %v", name, sizes, groups, site, err)
		}
	}
	for _, bad := range []string{"", "  \n", "- a\n- b\n", "accounts: {", "[]", `{"acounts":[]}`, `{"accounts":{}}`, `{"accounts":[`, "just text"} {
		if sizes, _, _, err := readPortions(t, bad); err == nil {
			t.Errorf("%q is read as %v", bad, sizes)
		}
	}
}

func FuzzPortions(f *testing.F) {
	f.Add("gatehouse: 1\naccounts:\n- username: a\n")
	f.Add(`{"gatehouse":1,"accounts":[{"username":"a"}]}`)
	f.Fuzz(func(_ *testing.T, text string) {
		for _, err := range portions(strings.NewReader(text)) {
			if err != nil {
				return
			}
		}
	})
}
