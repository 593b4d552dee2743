//go:build ignore

// Mutants takes each check of guard, links, locks and quota out, one at a time,
// and runs the tests of its package: one of them must fail. What survives is
// printed, and fails the run. Arguments limit it to packages.
//
// A mutant is an overlay: the tree itself is not touched.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A target is a package and what in it is a check: functions whose refusal is
// returned, and flags that the kernel checks.
type target struct {
	dir    string
	checks []string
	flags  []string
	// suites are further packages whose tests may kill a mutant.
	suites []string
}

var targets = []target{
	{
		dir: "policy/guard",
		checks: []string{
			"judge", "judgeTree", "visible", "keeps", "newName", "allowed", "mayReplace", "mayRemoveFolder", "mayChange",
			"decide", "decideTree", "scope", "unlocked", "within", "usable", "matches", "unchanged", "Check", "reserve", "Reserve", "Move",
		},
		suites: []string{"./protocols/protocoltest"},
	},
	{dir: "storage/locks", checks: []string{"conflict", "stands", "covers", "bounded", "owned", "hold", "Check"}},
	{dir: "storage/quota", checks: []string{"take", "reserve", "grow", "hold", "usable"}},
	{dir: "storage/mount", checks: []string{"Admits", "admits", "reserved", "busy", "within", "usable"}},
	{
		dir:   "storage/backend/local",
		flags: []string{"RESOLVE_NO_SYMLINKS", "O_NOFOLLOW", "RENAME_NOREPLACE", "AT_SYMLINK_NOFOLLOW"},
	},
}

// equivalent mutants change nothing that a test could see; each has its reason.
var equivalent = map[string]string{}

// A mutant is one change of one file.
type mutant struct {
	file   string
	line   int
	what   string
	source []byte
}

func main() {
	list := flag.Bool("list", false, "only list the mutants")
	timeout := flag.Duration("timeout", 3*time.Minute, "for the tests of one mutant; what hangs is killed")
	flag.Parse()
	if err := run(*list, *timeout, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(list bool, timeout time.Duration, only []string) error {
	survived, total := 0, 0
	for _, t := range targets {
		if len(only) > 0 && !slices.Contains(only, t.dir) {
			continue
		}
		mutants, err := t.mutants()
		if err != nil {
			return err
		}
		for _, m := range mutants {
			total++
			name := fmt.Sprintf("%s:%d: %s", m.file, m.line, m.what)
			if list {
				fmt.Println(name)
				continue
			}
			killed, err := t.kills(m, timeout)
			switch {
			case err != nil:
				return err
			case killed:
				fmt.Println("killed  ", name)
			case equivalent[key(m)] != "":
				fmt.Println("same    ", name, "-", equivalent[key(m)])
			default:
				fmt.Println("SURVIVED", name)
				survived++
			}
		}
	}
	fmt.Printf("%d mutants, %d survived\n", total, survived)
	if survived > 0 {
		return fmt.Errorf("%d checks can be taken out without a test that fails", survived)
	}
	return nil
}

// key names a mutant without its line, which moves.
func key(m mutant) string { return m.file + ": " + m.what }

// mutants finds every check of the package.
func (t target) mutants() ([]mutant, error) {
	files, err := filepath.Glob(filepath.Join(t.dir, "*.go"))
	if err != nil {
		return nil, err
	}
	var found []mutant
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		set := token.NewFileSet()
		tree, err := parser.ParseFile(set, file, source, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			from, to, text, what := t.mutation(n)
			if what != "" {
				a, b := set.Position(from).Offset, set.Position(to).Offset
				text = strings.Replace(text, "$", string(source[a:b]), 1)
				changed := slices.Concat(source[:a], []byte(text), source[b:])
				found = append(found, mutant{file, set.Position(from).Line, what, changed})
			}
			return true
		})
	}
	return found, nil
}

// never is a condition that does not hold, though what it names is still used.
const never = "false && ($)"

// mutation says what of a node is replaced, and by what; $ is what stood there.
func (t target) mutation(n ast.Node) (from, to token.Pos, text, what string) {
	switch n := n.(type) {
	case *ast.IfStmt:
		if name := refusal(n.Body); name != "" && n.Else == nil {
			return n.Cond.Pos(), n.Cond.End(), never, "without " + name
		}
		assign, ok := n.Init.(*ast.AssignStmt)
		if !ok || len(assign.Rhs) != 1 || !refuses(n.Body) {
			return
		}
		if name := called(assign.Rhs[0]); slices.Contains(t.checks, name) {
			return n.Cond.Pos(), n.Cond.End(), never, "without the refusal of " + name
		}
	case *ast.ReturnStmt:
		if len(n.Results) != 1 {
			return
		}
		if name := called(n.Results[0]); slices.Contains(t.checks, name) && strings.Contains(name, "udge") {
			return n.Results[0].Pos(), n.Results[0].End(), "nil", "without asking " + name
		}
	case *ast.SelectorExpr:
		if slices.Contains(t.flags, n.Sel.Name) {
			return n.Pos(), n.End(), "0", "without " + n.Sel.Name
		}
	}
	return
}

// refusal names the error with which a block of one statement refuses.
func refusal(b *ast.BlockStmt) string {
	if len(b.List) != 1 {
		return ""
	}
	r, ok := b.List[0].(*ast.ReturnStmt)
	if !ok || len(r.Results) == 0 {
		return ""
	}
	name := ""
	ast.Inspect(r.Results[len(r.Results)-1], func(n ast.Node) bool {
		id, ok := n.(*ast.Ident)
		if ok && name == "" && refusals.MatchString(id.Name) {
			name = id.Name
		}
		return name == ""
	})
	return name
}

// refusals are the names of errors and of what makes them.
var refusals = regexp.MustCompile(`^(Err[A-Z]|err[A-Z]|refuse|refusal|DeniedError|LockedError|ExceededError|deny)`)

// refuses reports whether a block ends by returning.
func refuses(b *ast.BlockStmt) bool {
	if len(b.List) == 0 {
		return false
	}
	_, ok := b.List[len(b.List)-1].(*ast.ReturnStmt)
	return ok
}

// called names the function of a call.
func called(e ast.Expr) string {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return ""
	}
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

// kills runs the tests with the mutant in place of its file.
func (t target) kills(m mutant, timeout time.Duration) (bool, error) {
	dir, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return false, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	abs, err := filepath.Abs(m.file)
	if err != nil {
		return false, err
	}
	changed, overlay := filepath.Join(dir, "mutant.go"), filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(changed, m.source, 0o600); err != nil {
		return false, err
	}
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{abs: changed}})
	if err != nil {
		return false, err
	}
	if err := os.WriteFile(overlay, text, 0o600); err != nil {
		return false, err
	}
	for _, suite := range append([]string{"./" + t.dir}, t.suites...) {
		killed, err := failsWith(overlay, suite, timeout)
		if killed || err != nil {
			return killed, err
		}
	}
	return false, nil
}

func failsWith(overlay, suite string, timeout time.Duration) (bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "test", "-short", "-failfast", "-count=1", "-vet=off", "-overlay", overlay, suite)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if err == nil {
		return false, nil
	}
	if bytes.Contains(out.Bytes(), []byte("[build failed]")) {
		return false, fmt.Errorf("a mutant does not compile:\n%s", out.Bytes())
	}
	return true, nil
}
