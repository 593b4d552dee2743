package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestDocuments runs the commands of README.md and docs as they are written,
// those of each document one after another against a gateway of its own:
//
//   - a block marked sh is run, one marked console only shown;
//   - a block marked with a file's name (yaml accounts.yaml) is that file;
//   - a comment that begins with sh (<!-- sh) prepares what readers have.
//
// Only the ports are others.
func TestDocuments(t *testing.T) {
	names, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range append(names, "../../README.md") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		script := scriptOf(string(text))
		if script == "" {
			continue
		}
		to := filepath.Join(dir, strings.TrimSuffix(filepath.Base(name), ".md")+".txtar")
		if err := os.WriteFile(to, []byte(script), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := params()
	p.Dir = dir
	testscript.Run(t, p)
}

// asked are the ports of a gateway that nobody has configured.
var asked = strings.NewReplacer("-P 2022", "-P $SFTP_PORT", "localhost:2121", "$FTP", "localhost:8080", "$HTTP", "localhost:8443", "$HTTPS")

var (
	fence   = regexp.MustCompile("(?ms)^ *```(\\w+)(?: (\\S+))?\n(.*?)^ *```$")
	prepare = regexp.MustCompile(`(?ms)^<!-- sh\n(.*?)^-->$`)
)

// scriptOf makes a script of a document's commands, "" where it has none.
func scriptOf(text string) string {
	files := ""
	text = fence.ReplaceAllStringFunc(text, func(block string) string {
		m := fence.FindStringSubmatch(block)
		switch {
		case m[2] != "":
			files += "-- " + m[2] + " --\n" + m[3]
		case m[1] == "sh":
			return "<!-- sh\n" + m[3] + "-->"
		}
		return ""
	})
	commands := ""
	for _, m := range prepare.FindAllStringSubmatch(text, -1) {
		commands += asked.Replace(m[1])
	}
	if commands == "" {
		return ""
	}
	return fmt.Sprintf("[!has:sftp] skip 'sftp is not installed'\n[!has:curl] skip 'curl is not installed'\nstart\nexec sh commands\ndrain\n%s-- commands --\n"+
		"set -eux\nsftp() { command sftp -F \"$SSH_CONFIG\" \"$@\"; }\n%s", files, commands)
}

// The commands of a document are found in their order, with its files.
func TestScriptOf(t *testing.T) {
	document := "# A\n<!-- sh\nmkdir x\n-->\n```sh\nls -P 2022 x\n```\n\n```console\nrm -r /\n```\n```yaml a.yaml\na: 1\n```\n`sh`\n```sh\ncat a.yaml\n```\n"
	script := scriptOf(document)
	if !strings.Contains(script, "}\nmkdir x\nls -P $SFTP_PORT x\ncat a.yaml\n") || !strings.Contains(script, "-- a.yaml --\na: 1\n") || strings.Contains(script, "rm -r") {
		t.Errorf("got %s", script)
	}
	if scriptOf("# A\n```console\nls\n```\n") != "" {
		t.Error("what is only shown is run")
	}
}
