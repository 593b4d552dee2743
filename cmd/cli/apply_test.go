package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A group with managers is sent twice, once before its managers are there: it is
// one change all the same, and the dry run counts as apply does.
func TestApplyCountsRecords(t *testing.T) {
	change := func(kind, name, action, after string) string {
		return `{"kind":"` + kind + `","name":"` + name + `","action":"` + action + `","after":` + after + `}`
	}
	answer := `{"refused":[],"unchanged":7,"changes":[` + change("group", "crew", "create", `{"managers":["ann"]}`) + `,` +
		change("account", "ann", "create", `{"email":"a@example.org"}`) + `,{"kind":"account","name":"old","action":"keep","notes":["keeps its password"]}]}`
	dry := `POST /apply?dry_run=true&existing=keep`
	address, sent := fake(t, map[string]string{dry: answer, "POST /apply?existing=keep": answer, "POST /apply?dry_run=true": answer, "POST /apply": answer})
	document := filepath.Join(t.TempDir(), "accounts.json")
	text := `{"gatehouse":1,"groups":[{"name":"crew","managers":["ann"]}],"quotas":[{"path":"/x"}],"accounts":[{"username":"ann"},{"username":"old"}]}`
	if err := os.WriteFile(document, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"--dry-run": "2 to be changed, 2 as they should be, 0 refused\n", "": "2 changed, 2 as they should be, 0 refused\n",
	} {
		_, out, errs := run(t, nil, append(strings.Fields("apply -f "+document+" --server "+address), strings.Fields(line)...)...)
		if !strings.HasSuffix(out, want) || !strings.Contains(out, "= account old\n    NOTE: keeps its password\n") {
			t.Errorf("%s says %s%s", line, out, errs)
		}
	}
	if !strings.Contains(sent["POST /apply"], `"groups":[{`) || !strings.Contains(sent["POST /apply?dry_run=true"], `"quotas":[{"path":"/x"}]`) {
		t.Errorf("it sends %v", sent)
	}
	_, out, _ := run(t, nil, "apply", "-f", document, "--json", "--server", address)
	var applied struct {
		Changes   []struct{ Kind, Name, Action string }
		Unchanged int
	}
	if err := json.Unmarshal([]byte(out), &applied); err != nil || applied.Unchanged != 2 {
		t.Errorf("got %s, %v", out, err)
	}
}

// An import leaves what accounts prove themselves with, unless it is asked for.
func TestImportReplacesWhenAsked(t *testing.T) {
	file := filepath.Join(t.TempDir(), "htpasswd")
	if err := os.WriteFile(file, []byte("web:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const nothing = `{"changes":[],"refused":[],"unchanged":1}`
	for flag, ask := range map[string]string{"": "POST /apply?dry_run=true&existing=keep", "--replace": "POST /apply?dry_run=true&existing=replace"} {
		address, sent := fake(t, map[string]string{ask: nothing})
		status, _, errs := run(t, nil, append(strings.Fields("import htpasswd "+file+" --server "+address), strings.Fields(flag)...)...)
		if status != 0 || sent[ask] == "" {
			t.Errorf("import %s ends with %d: %s%v", flag, status, errs, sent)
		}
	}
}
