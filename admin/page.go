package admin

import (
	"cmp"
	"html/template"
	"maps"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/rest"
)

// page is the API for people: a table without script, made of the same
// description as openapi.json.
var page = template.Must(template.New("api").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Gatehouse API</title>
<style>
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
td, th { text-align: left; padding: .2rem 1rem .2rem 0; vertical-align: top } code { white-space: nowrap }
</style>
<h1>Gatehouse API</h1>
<p>Version {{.Version}}. The whole description, with every field: <a href="openapi.json">openapi.json</a>.
Errors are problem documents (RFC 9457). Records carry an <code>ETag</code>; send it as <code>If-Match</code> to lose no update.</p>
<table><tr><th>Method<th>Path<th>What it does<th>For</tr>
{{range .Operations}}<tr><td><code>{{.Method}}</code><td><code>{{.Path}}</code><td>{{.Summary}}<td>{{.Right}}</tr>
{{end}}</table>
</html>
`))

type pageRow struct {
	Method, Path, Summary string
	Right                 rest.Right
}

// servePage puts the page beside openapi.json.
func (a *API) servePage(mux *http.ServeMux, doc *huma.OpenAPI) {
	var rows []pageRow
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		item := doc.Paths[path]
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil {
				rows = append(rows, pageRow{op.Method, rest.Prefix + path, op.Summary, rest.RightOf(op)})
			}
		}
	}
	slices.SortStableFunc(rows, func(x, y pageRow) int { return cmp.Compare(x.Path, y.Path) })
	mux.HandleFunc("GET "+rest.Prefix+"/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
		_ = page.Execute(w, struct {
			Version    string
			Operations []pageRow
		}{a.version, rows}) // what fails is the client's connection
	})
}
