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
// A chapter that says so (<!-- its own gateways -->) is run by itself, and starts
// its gateways. Only the ports are others.
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
		whole := string(text)
		base := strings.TrimSuffix(filepath.Base(name), ".md")
		for i, chapter := range apart.FindAllString(whole, -1) {
			whole = strings.Replace(whole, chapter, "", 1)
			keep(t, dir, fmt.Sprint(base, "-", i+1), ownScriptOf(t, chapter))
		}
		keep(t, dir, base, scriptOf(whole))
	}
	p := params()
	p.Dir = dir
	testscript.Run(t, p)
}

func keep(t *testing.T, dir, name, script string) {
	t.Helper()
	if script == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(dir, name+".txtar"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
}

// asked are the ports of a gateway that nobody has configured.
var asked = strings.NewReplacer("-P 2022", "-P $SFTP_PORT", "localhost:2121", "$FTP", "localhost:8080", "$HTTP", "localhost:8443", "$HTTPS")

var (
	fence   = regexp.MustCompile("(?ms)^ *```(\\w+)(?: (\\S+))?\n(.*?)^ *```$")
	prepare = regexp.MustCompile(`(?ms)^<!-- sh\n(.*?)^-->$`)
	apart   = regexp.MustCompile(`(?s)\n## [^\n]*\n<!-- its own gateways -->\n.*?(?:\n## |$)`)
)

// scriptOf makes a script of a document's commands, "" where it has none.
func scriptOf(text string) string {
	commands, files := commandsOf(text)
	if commands == "" {
		return ""
	}
	return "[!has:sftp] skip 'sftp is not installed'\n[!has:curl] skip 'curl is not installed'\nstart\nexec sh commands\ndrain\n" +
		files + prelude + asked.Replace(commands)
}

const prelude = "-- commands --\nset -eux\nsftp() { command sftp -F \"$SSH_CONFIG\" \"$@\"; }\n"

// ownScriptOf makes a script of a chapter that starts its own gateways by the files
// of configs/deploy, on ports that are free.
func ownScriptOf(t *testing.T, chapter string) string {
	t.Helper()
	ports := []string{}
	for _, usual := range []string{"2022", "2121", "8443", "9080", "6379"} {
		port, err := freePort()
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, usual, port)
	}
	first := int(taken.Add(101)) - 100
	for _, n := range []int{0, 49, 50, 99} {
		ports = append(ports, fmt.Sprint(61000+n), fmt.Sprint(first+n))
	}
	commands, files := commandsOf(chapter)
	for _, name := range []string{"configs/deploy/gatehouse.yaml", "configs/deploy/haproxy.cfg", "README.md"} {
		text, err := os.ReadFile("../../" + name)
		if err != nil {
			t.Fatal(err)
		}
		files += "-- " + name + " --\n" + string(text)
	}
	script := ""
	for _, program := range []string{"sftp", "curl", "openssl", "redis-server", "haproxy"} {
		script += fmt.Sprintf("[!has:%s] skip '%[1]s is not installed'\n", program)
	}
	none := "unset $(env | grep -o '^GATEHOUSE_[A-Z_]*')\n"
	return script + "exec sh commands\n" + strings.NewReplacer(ports...).Replace(files+prelude+none+commands)
}

// commandsOf are a document's commands, and its files as an archive has them.
func commandsOf(text string) (commands, files string) {
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
	for _, m := range prepare.FindAllStringSubmatch(text, -1) {
		commands += m[1]
	}
	return commands, files
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
