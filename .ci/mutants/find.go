package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

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
				f.in, f.plain = d.Name.Name, d.Type.Results.NumFields() == 1
				ast.Inspect(d, f.visit)
			}
		}
		found = append(found, f.found...)
	}
	seen := make(map[string]int)
	for i, m := range found {
		if seen[m.key()]++; seen[m.key()] > 1 {
			found[i].what += fmt.Sprintf(" (%d)", seen[m.key()])
		}
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
	plain  bool      // what in returns is one value
	tested token.Pos // of the assignment in the if that was seen last
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
		if len(n.Results) == 1 && f.plain && f.asks(n.Results[0]) {
			f.add(n, "if mutant(#) { return nil }; ", "", "without asking "+called(n.Results[0]))
		}
	case *ast.AssignStmt:
		if len(n.Lhs) == 1 && n.Pos() != f.tested && f.asks(n.Rhs[0]) {
			f.none(n.Rhs[0], "without "+called(n.Rhs[0]))
		}
	case *ast.CallExpr:
		for _, first := range n.Args {
			if f.text(n.Fun) == "cmp.Or" && f.asks(first) {
				f.none(first, "without "+called(first))
			}
		}
	case *ast.BinaryExpr:
		if f.decides(f.in) {
			f.operands(n)
		}
	case *ast.KeyValueExpr:
		if key, ok := n.Key.(*ast.Ident); ok && slices.Contains(f.fields, key.Name) {
			f.none(n.Value, "without "+key.Name+" "+f.text(n.Value))
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
	case assign != nil && len(assign.Rhs) == 1 && refuses(n.Body) && f.asks(assign.Rhs[0]):
		f.tested = assign.Pos()
		f.never(n.Cond, "without the refusal of "+called(assign.Rhs[0]))
	case f.decides(f.in) && !ofError(n.Cond):
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

// asks reports whether an expression is the call of a check.
func (f *finder) asks(e ast.Expr) bool { return slices.Contains(f.checks, called(e)) }

// none makes of an expression its zero value.
func (f *finder) none(n ast.Expr, what string) { f.add(n, "mutantNone(#, ", ")", what) }

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
