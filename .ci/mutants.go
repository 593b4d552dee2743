//go:build ignore

// Mutants takes each check of guard, links, locks and quota out, one at a time,
// and runs the tests of its package: one of them must fail. What survives is
// printed, and fails the run. Arguments limit it to packages.
//
// All mutants of a package are built into one test binary, through an overlay
// that leaves the tree alone; an environment variable says which one lives.
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// A target is a package and what in it is a check.
type target struct {
	dir string
	// checks are functions whose refusal is returned, flags are those that the
	// kernel checks, and fields hold in literals what the store checks.
	checks, flags, fields []string
	// decisions are functions of which every condition is a check.
	decisions []string
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
	{
		dir:    "storage/locks",
		fields: []string{"Checks"},
		decisions: []string{
			"covers", "excludes", "life", "present", "fresh", "read", "learn", "change", "write", "postpone", "with", "covering",
			"within", "conflict", "count", "submits", "obstacle", "permits", "Check", "Refresh", "Unlock", "Break", "Moved",
		},
	},
	{
		dir:    "storage/quota",
		fields: []string{"Checks", "Min", "SetLimit", "Commit"},
		decisions: []string{
			"take", "free", "room", "lease", "takeBoth", "force", "commit", "release", "marked", "ReserveBytes", "moving", "shrink",
			"Shrink", "Add", "yield", "end", "missing", "since", "enforce", "alter", "drop", "settle", "dead", "present",
		},
	},
	{dir: "storage/mount", checks: []string{"Admits", "admits", "reserved", "busy", "within", "usable"}},
	{
		dir:   "storage/backend/local",
		flags: []string{"RESOLVE_NO_SYMLINKS", "O_NOFOLLOW", "RENAME_NOREPLACE", "AT_SYMLINK_NOFOLLOW"},
	},
}

// equivalent mutants change nothing that a test could see; each has its reason.
var equivalent = map[string]string{
	"policy/guard/attr.go: setAttr: without ErrIsDir":                                         "the store opens no folder either",
	"policy/guard/copy.go: copyFile: without errSwapped":                                      "what stands at the path now was judged by the same path",
	"policy/guard/links.go: shownLink: without errSwapped":                                    "trying again ends with the same fs.ErrInvalid",
	"policy/guard/links.go: link: without errSwapped":                                         "unchanged finds the name gone as well",
	"policy/guard/remove.go: remove: without ErrIsDir":                                        "the store removes no folder as a file either",
	"policy/guard/remove.go: removeDir: without ErrNotDir":                                    "the store removes no file as a folder either",
	"policy/guard/rename.go: mayReplace: without ErrInvalid":                                  "a folder has two names only where the store folds case",
	"policy/guard/resolve.go: step: without ErrNotExist":                                      "a file on the way is found one step before, unless it is swapped just then",
	"policy/guard/stat.go: describe: without the refusal of visible":                          "what the link leads to is judged by its own path too, and hidden",
	"policy/guard/stat.go: folderThere: without ErrLink":                                      "who looked for the target has met the link",
	"policy/guard/stat.go: folderThere: without ErrNotExist":                                  "who looked for the target has met the file",
	"policy/guard/upload.go: place: without the refusal of allowed":                           "the handle was cut when its right went",
	"policy/guard/place.go: place: without ErrTooLong":                                        "the store and the locks refuse such a path too",
	"policy/guard/file.go: begin: without ErrInvalid":                                         "the kernel refuses such an offset, and nothing is charged",
	"policy/guard/file.go: resize: without ErrInvalid":                                        "the kernel refuses such a size",
	"policy/guard/growth.go: remove: without errSwapped":                                      "the name is held: only who works on the disk itself can swap the file then",
	"policy/guard/links.go: link: without the refusal of unchanged":                           "the name is held: only who works on the disk itself can swap the file then",
	"storage/backend/local/attr.go: setTimes: without ErrInvalid":                             "64 bits hold every time",
	"storage/backend/local/change.go: unlink: without ErrIsDir":                               "Linux says so itself",
	"storage/backend/local/file.go: access: without O_NOFOLLOW":                               "resolve and walk refuse links whatever the flags are",
	"storage/backend/local/properties.go: opened: without O_NOFOLLOW":                         "resolve and walk refuse links whatever the flags are",
	"storage/backend/local/properties.go: decode: without errDamaged":                         "the value that is missing then is found missing",
	"storage/backend/local/probe.go: folds: without AT_SYMLINK_NOFOLLOW":                      "nobody makes a link by a name of that much chance",
	"storage/quota/free.go: marked: never p.files.held > 0":                                   "one needless mark more",
	"storage/quota/pool.go: force: never used == (Amount{})":                                  "taking nothing is nothing",
	"storage/quota/reserve.go: shrink: never rest == (Amount{})":                              "giving nothing back is nothing",
	"storage/quota/reserve.go: end: never used == (Amount{})":                                 "booking nothing is nothing",
	"storage/quota/reserve.go: since: never l.version == r.version":                           "saves time",
	"storage/quota/reserve.go: yield: never r.ended":                                          "what has ended holds nothing",
	"policy/guard/rules.go: Error: without ErrNotExist":                                       "a refusal is made public before anybody reads it",
	"policy/guard/rules.go: Is: without ErrNotExist":                                          "a refusal is made public before anybody asks",
	"storage/locks/locks.go: excludes: always l.overlaps(m)":                                  "conflict looks only at locks that overlap",
	"storage/locks/locks.go: life: or equal: asked > MaxTimeout":                              "that is MaxTimeout",
	"storage/locks/scope.go: learn: never known != nil && known.generation > read.generation": "what is older is read again: slower, not wrong",
	"storage/locks/snapshot.go: covering: never len(s.locks) == 0":                            "saves time",
	"storage/locks/snapshot.go: obstacle: never len(s.locks) == 0":                            "saves time",
	"storage/locks/snapshot.go: conflict: never !l.Deep":                                      "a flat lock excludes nothing below it",
	"storage/locks/snapshot.go: obstacle: always !t.Path.IsRoot()":                            "the root is its own folder",
	"storage/locks/snapshot.go: permits: never !l.Shared":                                     "no shared lock stands beside an exclusive one",
	"storage/locks/snapshot.go: permits: always m.Shared":                                     "no exclusive lock stands beside a shared one",
}

// A mutant wraps a piece of a file. One that is fixed replaces it instead, and
// is built alone: it stands where only a constant can.
type mutant struct {
	file          string
	in            string // function
	line          int
	from, to      int
	before, after string
	what          string
	fixed         bool
}

func (m mutant) String() string { return fmt.Sprintf("%s:%d: %s: %s", m.file, m.line, m.in, m.what) }

// key names a mutant without its line, which moves.
func (m mutant) key() string { return m.file + ": " + m.in + ": " + m.what }

func main() {
	list := flag.Bool("list", false, "only list the mutants")
	match := flag.String("match", "", "only mutants with such a name (a regular expression)")
	jobs := flag.Int("jobs", runtime.GOMAXPROCS(0), "how many run at a time")
	timeout := flag.Duration("timeout", time.Minute, "for the tests of one mutant; what hangs is killed")
	flag.Parse()
	r := runner{only: flag.Args(), list: *list, match: regexp.MustCompile(*match), jobs: *jobs, timeout: *timeout}
	if err := r.run(); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

type runner struct {
	only    []string
	list    bool
	match   *regexp.Regexp
	jobs    int
	timeout time.Duration

	mu                    sync.Mutex
	total, same, survived int
}

func (r *runner) run() error {
	for _, t := range targets {
		if len(r.only) > 0 && !slices.Contains(r.only, t.dir) {
			continue
		}
		mutants, err := t.mutants()
		if err != nil {
			return err
		}
		if r.list {
			for _, m := range mutants {
				fmt.Println(m)
			}
			r.total += len(mutants)
			continue
		}
		if err := r.test(t, mutants); err != nil {
			return err
		}
	}
	fmt.Printf("%d mutants, %d equivalent, %d survived\n", r.total, r.same, r.survived)
	if r.survived > 0 {
		return fmt.Errorf("%d checks can be taken out without a test that fails", r.survived)
	}
	return nil
}

// test lets each mutant of a package live in turn.
func (r *runner) test(t target, mutants []mutant) error {
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	b := builder{dir: dir, target: t, mutants: mutants}
	all, err := b.build(b.target.dir, -1)
	if err != nil {
		return err
	}
	if killer, err := all.run(-1, r.timeout); killer != "" || err != nil {
		return fmt.Errorf("the tests of %s fail without a mutant: %s: %w", t.dir, killer, err)
	}
	var wg sync.WaitGroup
	room, errs := make(chan struct{}, r.jobs), make([]error, len(mutants))
	for i, m := range mutants {
		if !r.match.MatchString(m.String()) {
			continue
		}
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			killer, err := b.kill(all, i, r.timeout)
			errs[i] = err
			r.report(m, killer)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (r *runner) report(m mutant, killer string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total++
	switch reason := equivalent[m.key()]; {
	case killer != "" && reason != "":
		fmt.Println("killed   ", m, "by", killer, "(not equivalent after all)")
	case killer != "":
		fmt.Println("killed   ", m, "by", killer)
	case reason != "":
		r.same++
		fmt.Println("same     ", m, "-", reason)
	default:
		r.survived++
		fmt.Println("SURVIVED ", m)
	}
}

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
		f := finder{target: t, file: file, source: source, set: token.NewFileSet()}
		tree, err := parser.ParseFile(f.set, file, source, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, d := range tree.Decls {
			if d, ok := d.(*ast.FuncDecl); ok {
				f.in = d.Name.Name
				ast.Inspect(d, f.visit)
			}
		}
		found = append(found, f.found...)
	}
	return found, nil
}

// A finder finds the mutants of a file.
type finder struct {
	target
	file   string
	source []byte
	set    *token.FileSet
	in     string
	found  []mutant
}

func (f *finder) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.IfStmt:
		f.branch(n)
	case *ast.SwitchStmt:
		for _, s := range n.Body.List {
			c := s.(*ast.CaseClause)
			if name := refusal(c.Body); n.Tag == nil && name != "" && len(c.List) == 1 {
				f.never(c.List[0], "without "+name)
			}
		}
	case *ast.ReturnStmt:
		if len(n.Results) == 1 && slices.Contains(f.checks, called(n.Results[0])) && strings.Contains(called(n.Results[0]), "udge") {
			f.add(n, "if mutant(#) { return nil }; ", "", "without asking "+called(n.Results[0]))
		}
	case *ast.BinaryExpr:
		if slices.Contains(f.decisions, f.in) {
			f.operands(n)
		}
	case *ast.KeyValueExpr:
		if key, ok := n.Key.(*ast.Ident); ok && slices.Contains(f.fields, key.Name) {
			f.add(n.Value, "mutantNone(#, ", ")", "without "+key.Name+" "+f.text(n.Value))
		}
	case *ast.SelectorExpr:
		if slices.Contains(f.flags, n.Sel.Name) {
			f.add(n, "0", "", "without "+n.Sel.Name)
			f.found[len(f.found)-1].fixed = true
		}
	}
	return true
}

// branch takes the condition of an if out, where that is a check.
func (f *finder) branch(n *ast.IfStmt) {
	assign, _ := n.Init.(*ast.AssignStmt)
	switch name := refusal(n.Body.List); {
	case name != "" && n.Else == nil:
		f.never(n.Cond, "without "+name)
	case assign != nil && len(assign.Rhs) == 1 && refuses(n.Body) && slices.Contains(f.checks, called(assign.Rhs[0])):
		f.never(n.Cond, "without the refusal of "+called(assign.Rhs[0]))
	case slices.Contains(f.decisions, f.in) && !ofError(n.Cond):
		f.never(n.Cond, "never "+f.text(n.Cond))
	}
}

// operands takes each side of a condition out, and moves its bounds by one.
func (f *finder) operands(n *ast.BinaryExpr) {
	equal := fmt.Sprintf("(%s) == (%s)", f.text(n.X), f.text(n.Y))
	switch n.Op {
	case token.LAND, token.LOR:
		for _, side := range []ast.Expr{n.X, n.Y} {
			if ofError(side) {
				continue
			}
			if n.Op == token.LAND {
				f.add(side, "(mutant(#) || (", "))", "always "+f.text(side))
			} else {
				f.never(side, "never "+f.text(side))
			}
		}
	case token.LSS, token.GTR:
		f.add(n, "((", ") || mutant(#) && "+equal+")", "or equal: "+f.text(n))
	case token.LEQ, token.GEQ:
		f.add(n, "((", ") && !(mutant(#) && "+equal+"))", "not equal: "+f.text(n))
	}
}

// never makes a condition one that does not hold.
func (f *finder) never(n ast.Expr, what string) { f.add(n, "(!mutant(#) && (", "))", what) }

func (f *finder) add(n ast.Node, before, after, what string) {
	from, to := f.set.Position(n.Pos()), f.set.Position(n.End())
	f.found = append(f.found, mutant{
		file: f.file, in: f.in, line: from.Line, from: from.Offset, to: to.Offset, before: before, after: after, what: what,
	})
}

func (f *finder) text(n ast.Node) string {
	return string(f.source[f.set.Position(n.Pos()).Offset:f.set.Position(n.End()).Offset])
}

// refusal names the error with which a block of one statement refuses.
func refusal(block []ast.Stmt) string {
	if len(block) != 1 {
		return ""
	}
	r, ok := block[0].(*ast.ReturnStmt)
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
var refusals = regexp.MustCompile(`^(Err[A-Z]|err[A-Z]|refuse|refusal|exceeded|DeniedError|LockedError|ExceededError|deny)`)

// refuses reports whether a block ends by returning.
func refuses(b *ast.BlockStmt) bool {
	if len(b.List) == 0 {
		return false
	}
	_, ok := b.List[len(b.List)-1].(*ast.ReturnStmt)
	return ok
}

// ofError reports whether a condition asks only whether there is an error.
func ofError(e ast.Expr) bool {
	b, ok := e.(*ast.BinaryExpr)
	if !ok {
		return false
	}
	x, ok := b.X.(*ast.Ident)
	return ok && x.Name == "err"
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

// A builder makes test binaries with mutants in them.
type builder struct {
	dir     string
	target  target
	mutants []mutant

	once   sync.Once
	suites []binary
	err    error
}

// kill names the test that fails with the mutant, "" where it survives.
func (b *builder) kill(all binary, i int, timeout time.Duration) (string, error) {
	if b.mutants[i].fixed {
		own, err := b.build(b.target.dir, i)
		if err != nil {
			return "", err
		}
		return own.run(-1, timeout)
	}
	killer, err := all.run(i, timeout)
	if killer != "" || err != nil || equivalent[b.mutants[i].key()] != "" {
		return killer, err
	}
	b.once.Do(func() {
		for _, s := range b.target.suites {
			suite, err := b.build(s, -1)
			b.suites, b.err = append(b.suites, suite), errors.Join(b.err, err)
		}
	})
	if b.err != nil {
		return "", b.err
	}
	for _, suite := range b.suites {
		if killer, err := suite.run(i, timeout); killer != "" || err != nil {
			return killer, err
		}
	}
	return "", nil
}

// build builds the tests of a package with a fixed mutant, or without.
func (b *builder) build(pkg string, fixed int) (binary, error) {
	dir, err := os.MkdirTemp(b.dir, "build")
	if err != nil {
		return binary{}, err
	}
	replace := make(map[string]string)
	put := func(at string, text []byte) error {
		abs, err := filepath.Abs(at)
		replace[abs] = filepath.Join(dir, filepath.Base(at))
		return errors.Join(err, os.WriteFile(replace[abs], text, 0o600))
	}
	var files []string
	for _, m := range b.mutants {
		if !slices.Contains(files, m.file) {
			files = append(files, m.file)
		}
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			return binary{}, err
		}
		if err := put(file, b.change(file, source, fixed)); err != nil {
			return binary{}, err
		}
	}
	if err := put(filepath.Join(b.target.dir, "mutants.go"), []byte("package "+filepath.Base(b.target.dir)+helpers)); err != nil {
		return binary{}, err
	}
	overlay := filepath.Join(dir, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err := errors.Join(err, os.WriteFile(overlay, text, 0o600)); err != nil {
		return binary{}, err
	}
	file := filepath.Join(dir, "tests")
	cmd := exec.Command("go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", file, "./"+filepath.Clean(pkg))
	if out, err := cmd.CombinedOutput(); err != nil {
		return binary{}, fmt.Errorf("build the mutants of %s: %w\n%s", b.target.dir, err, out)
	}
	return binary{file, dir}, nil
}

// helpers say in a package with mutants which one lives.
const helpers = `

import "os"

var mutantAlive = os.Getenv("MUTANT")

func mutant(n string) bool { return mutantAlive == n }

func mutantNone[T any](n string, v T) T {
	if mutant(n) {
		var none T
		return none
	}
	return v
}
`

// change wraps what is mutated in a file, outer before inner.
func (b *builder) change(file string, source []byte, fixed int) []byte {
	type edit struct {
		at, length int
		text       string
		order      [2]int // among those at the same place
	}
	var edits []edit
	for i, m := range b.mutants {
		number := fmt.Sprintf("%q", fmt.Sprint(i))
		switch {
		case m.file != file || m.fixed && i != fixed:
		case m.fixed:
			edits = append(edits, edit{m.from, m.to - m.from, m.before, [2]int{0, 0}})
		default:
			edits = append(edits,
				edit{m.from, 0, strings.ReplaceAll(m.before, "#", number), [2]int{-m.to, i}},
				edit{m.to, 0, strings.ReplaceAll(m.after, "#", number), [2]int{-m.from - 1<<30, -i}})
		}
	}
	slices.SortStableFunc(edits, func(x, y edit) int {
		return cmp.Or(cmp.Compare(x.at, y.at), cmp.Compare(x.order[0], y.order[0]), cmp.Compare(x.order[1], y.order[1]))
	})
	var out bytes.Buffer
	at := 0
	for _, e := range edits {
		out.Write(source[at:e.at])
		out.WriteString(e.text)
		at = e.at + e.length
	}
	out.Write(source[at:])
	return out.Bytes()
}

// A binary is a package's tests, run in a directory of their own.
type binary struct{ file, dir string }

// run names the first test that fails while a mutant lives, "" for none.
func (b binary) run(i int, timeout time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, b.file, "-test.short", "-test.failfast")
	cmd.Dir, cmd.Env = b.dir, append(os.Environ(), fmt.Sprintf("MUTANT=%d", i))
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err == nil {
		return "", nil
	}
	if _, ok := err.(*exec.ExitError); !ok && ctx.Err() == nil {
		return "", err
	}
	if failed := failure.FindSubmatch(out); failed != nil {
		return string(failed[1]), nil
	}
	if bytes.Contains(out, []byte("panic: ")) {
		return "a panic", nil
	}
	if ctx.Err() != nil {
		return "running out of time", nil
	}
	return "an exit", nil
}

var failure = regexp.MustCompile(`--- FAIL: (\S+)`)
