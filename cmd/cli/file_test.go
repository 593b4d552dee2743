package cli

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const exported = `{"gatehouse":1,"groups":[{"name":"crew"}],"accounts":[{"username":"ann"}]}`

// An export with secrets is for its owner's eyes, and never half a file or
// somebody else's.
func TestExportToAFile(t *testing.T) {
	address, _ := fake(t, map[string]string{"GET /export?limit=500&secrets=true": exported, "GET /export?limit=500&secrets=false": exported})
	name := filepath.Join(t.TempDir(), "all.yaml")
	export := func(args ...string) (int, string) {
		status, _, errs := run(t, nil, append([]string{"export", "--server", address, "--output", name}, args...)...)
		return status, errs
	}
	if status, errs := export("--secrets"); status != 0 || errs != "" {
		t.Fatal(status, errs)
	}
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others can read it: %v, %v", info, err)
	}
	if text, _ := os.ReadFile(name); !strings.Contains(string(text), "username: ann") {
		t.Errorf("it holds %q", text)
	}
	if status, errs := export(); status != 1 || !strings.Contains(errs, "--force overwrites it") {
		t.Errorf("it is overwritten unasked: %d, %s", status, errs)
	}
	if status, errs := export("--force", "--format", "json"); status != 0 {
		t.Error(errs)
	}
	if text, _ := os.ReadFile(name); !strings.Contains(string(text), `"username":"ann"`) {
		t.Errorf("--force leaves %q", text)
	}
}

// Site and groups come with the first page, quotas of folders with the last.
func TestExportOfManyPages(t *testing.T) {
	const quota = `"quotas":[{"path":"/x","limit_bytes":5,"limit_files":null}]`
	address, _ := fake(t, map[string]string{
		"GET /export?limit=500&secrets=false":          `{"gatehouse":1,"groups":[{"name":"crew"}],"accounts":[{"username":"ann"}],"next_cursor":"a"}`,
		"GET /export?cursor=a&limit=500&secrets=false": `{"gatehouse":1,"accounts":[{"username":"bob"}],` + quota + `}`,
	})
	for _, format := range []string{"json", "yaml"} {
		_, out, errs := run(t, nil, "export", "--format", format, "--server", address)
		var accounts, groups, quotas int
		for p, err := range portions(strings.NewReader(out)) {
			if err != nil {
				t.Fatal(err, errs, out)
			}
			accounts, groups, quotas = accounts+len(p.Accounts), groups+len(p.Groups), quotas+len(p.Quotas)
		}
		if accounts != 2 || groups != 1 || quotas != 1 {
			t.Errorf("%s has %d accounts, %d groups, %d quotas: %s", format, accounts, groups, quotas, out)
		}
	}
}

func TestWriteWhole(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	broken := errors.New("broken")
	err := writeWhole(name, func(out io.Writer) error {
		_, _ = io.WriteString(out, "half")
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if left, _ := os.ReadDir(filepath.Dir(name)); len(left) > 0 {
		t.Errorf("it leaves %v", left)
	}
}

// A file that takes another's name leaves nothing beside it, and what was not
// renamed does not stay.
func TestWriteWholeLeavesOneFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	whole := func(out io.Writer) error { _, err := io.WriteString(out, "whole"); return err }
	if err := writeWhole(name, whole); err != nil {
		t.Fatal(err)
	}
	if err := writeWhole(name, whole); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(filepath.Dir(name), "folder")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := writeWhole(folder, whole); err == nil {
		t.Error("a folder is replaced by a file")
	}
	if left, _ := os.ReadDir(filepath.Dir(name)); len(left) != 2 {
		t.Errorf("it leaves %v", left)
	}
}

// A shell's > makes a file that others can read: that is told.
func TestSecretsInAFileOfTheShell(t *testing.T) {
	dir := t.TempDir()
	open := func(name string, mode os.FileMode) *os.File {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		if err := f.Chmod(mode); err != nil {
			t.Fatal(err)
		}
		return f
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = null.Close() })
	for name, test := range map[string]struct {
		out  io.Writer
		told bool
	}{
		"open to all": {open("a", 0o644), true}, "to a group": {open("b", 0o640), true}, "one's own": {open("c", 0o600), false},
		"a device": {null, false}, "no file": {&bytes.Buffer{}, false},
	} {
		if told := len(exposed(test.out)) > 0; told != test.told {
			t.Errorf("%s: told is %v", name, told)
		}
	}
}
