package events

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write golden files anew")

// The page that administrators read is made of the table.
func TestKindsPage(t *testing.T) {
	name := filepath.Join("..", "..", "docs", "events.md")
	if *update {
		if err := os.WriteFile(name, []byte(KindsPage()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != KindsPage() {
		t.Errorf("%s differs from the kinds: run with -update and look at the difference", name)
	}
}

func TestUnder(t *testing.T) {
	for _, c := range []struct {
		kind, filter Kind
		want         bool
	}{
		{"login", "login", true}, {"login.refused", "login", true}, {"login.refused", "login.refused", true},
		{"login", "login.refused", false}, {"logout", "log", false}, {"login.refused", "login.", true}, {"login", "login.", false},
		{"account.key.add", "account.key", true}, {"account.key.add", "account.ke", false},
	} {
		if got := c.kind.Under(c.filter); got != c.want {
			t.Errorf("%s under %s: got %v", c.kind, c.filter, got)
		}
	}
	for filter, want := range map[Kind]bool{"login": true, "file.": true, "account.totp": true, "account.token.add": true, "logon": false, "file.up": false, "": true} {
		if got := filter.Asks(); got != want && filter != "" {
			t.Errorf("%q asks for something: got %v", filter, got)
		}
	}
}

func TestQueryUnderAndSocket(t *testing.T) {
	for _, c := range []struct {
		query Query
		event Event
		want  bool
	}{
		{Query{Under: Login}, Event{Kind: Refused}, true},
		{Query{Under: Login}, Event{Kind: Logout}, false},
		{Query{Kind: Login}, Event{Kind: Refused}, false},
		{Query{Actor: SocketActor}, Event{Actor: "socket (uid 0)"}, true},
		{Query{Actor: SocketActor}, Event{Actor: "socket (uid 1000)"}, true},
		{Query{Actor: "socket (uid 0)"}, Event{Actor: "socket (uid 1000)"}, false},
		{Query{Actor: SocketActor}, Event{Actor: "socketeer"}, false},
		{Query{Actor: SocketActor}, Event{}, false},
	} {
		if got := c.query.Selects(c.event); got != c.want {
			t.Errorf("%+v selects %+v: got %v", c.query, c.event, got)
		}
	}
}

// looksLike matches what stands in the source as a kind.
var looksLike = regexp.MustCompile(`^(login|account|address|file|invitation|group|site|session|lock|quota|change|document|events|webhook)(\.[a-z]+(-[a-z]+)?)+$`)

// Whatever kind the program writes, somebody can ask for it and read of it.
func TestEveryKindIsTold(t *testing.T) {
	root := filepath.Join("..", "..")
	known := map[string]bool{ // what looks like a kind and is none
		"events.db": true, "quota.bytes": true, "quota.files": true, "webhook.test": true,
	}
	for _, k := range Kinds() {
		if known[string(k.Kind)] {
			t.Errorf("%s is told twice", k.Kind)
		}
		known[string(k.Kind)] = true
	}
	for _, top := range []string{"admin", "auth", "policy", "storage", "protocols", "cmd"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || strings.Contains(name, "protocoltest") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, text := range intended(file) {
				if !known[text] {
					t.Errorf("%s: the kind %s, which is intended, is in no table", name, text)
				}
			}
			for _, text := range literals(file) {
				if looksLike.MatchString(text) && !known[text] {
					t.Errorf("%s: the kind %s is in no table", name, text)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// literals are the texts in a file's code, but for tags and imports.
func literals(file *ast.File) []string {
	var list []string
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec, *ast.StructType:
			return false
		case *ast.BasicLit:
			if text, err := strconv.Unquote(n.Value); n.Kind == token.STRING && err == nil {
				list = append(list, text)
			}
		}
		return true
	})
	return list
}

// intended are the kinds that a file announces. No event would ever follow an
// announcement of something else, and each would read as a change that was refused.
func intended(file *ast.File) []string {
	var list []string
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if method, ok := call.Fun.(*ast.SelectorExpr); !ok || method.Sel.Name != "Intend" {
			return true
		}
		for _, argument := range call.Args[1:min(2, len(call.Args))] {
			if lit, ok := argument.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if text, err := strconv.Unquote(lit.Value); err == nil {
					list = append(list, text)
				}
			}
		}
		return true
	})
	return list
}
