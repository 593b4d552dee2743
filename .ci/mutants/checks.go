package main

import (
	"go/ast"
	"regexp"
)

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
