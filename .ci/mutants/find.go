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
		if f.decides(f.in) {
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
