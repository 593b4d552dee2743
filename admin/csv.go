package admin

import (
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/record"
	"gatehouse/admin/rest"
)

func (a *API) registerExport(api huma.API) {
	huma.Register(api, rest.Operation("export-accounts-csv", http.MethodGet, "/accounts.csv", "The list of accounts as CSV", rest.Admin), a.exportCSV)
}

// accountColumns are those of accounts.csv.
var accountColumns = []string{
	"username", "display_name", "email", "role", "status", "expires_at", "groups", "protocols", "permissions",
	"home", "limit_bytes", "limit_files", "created", "last_login", "last_address", "last_door",
}

// exportCSV streams the accounts that the caller may see, a page at a time.
func (a *API) exportCSV(ctx context.Context, in *AccountQuery) (*huma.StreamResponse, error) {
	q, err := a.accountQuery(ctx, *in)
	if err != nil {
		return nil, a.Problem(err)
	}
	q.Limit = 1000
	if _, _, err := a.Accounts.List(ctx, q); err != nil { // what is wrong with the query is said before the answer begins
		return nil, a.QueryProblem(err)
	}
	if err := a.Intend(ctx, "account.export", ""); err != nil {
		return nil, err
	}
	if err := a.Record(ctx, "account.export", "", nil, rest.Map(in)); err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(out huma.Context) {
		out.SetHeader("Content-Type", "text/csv; charset=utf-8; header=present")
		out.SetHeader("Content-Disposition", `attachment; filename="accounts.csv"`)
		out.SetHeader("X-Content-Type-Options", "nosniff")
		w := csv.NewWriter(out.BodyWriter())
		w.UseCRLF = true // RFC 4180
		_ = w.Write(accountColumns)
		d := record.NewDirectory(ctx, a.Accounts)
		for {
			found, next, err := a.Accounts.List(ctx, q)
			if err != nil {
				a.breakOff(err)
			}
			for _, x := range found {
				v, err := d.View(ctx, x)
				if err != nil {
					a.breakOff(err)
				}
				_ = w.Write(harmless(accountRow(v)))
			}
			w.Flush()
			if q.Cursor = next; next == "" || w.Error() != nil {
				return
			}
		}
	}}, nil
}

// breakOff breaks the connection, so that nobody takes half a list for a whole one.
func (a *API) breakOff(err error) {
	a.Log.Error("an export was broken off", "error", err)
	panic(http.ErrAbortHandler)
}

func accountRow(v record.AccountView) []string {
	row := []string{
		v.Username, v.DisplayName, v.Email, v.Role, v.Status.State, timeText(v.ExpiresAt), strings.Join(v.Groups, "; "),
		"", strings.Join(v.Permissions, "; "), v.Home, "", "", timeText(&v.Created), "", "", "",
	}
	if v.Protocols != nil {
		row[7] = strings.Join(*v.Protocols, " ")
	}
	if v.Quota != nil {
		row[10], row[11] = figureText(v.Quota.LimitBytes), figureText(v.Quota.LimitFiles)
	}
	if l := v.LastLogin; l != nil {
		row[13], row[14], row[15] = timeText(&l.Time), l.Address, l.Door
	}
	return row
}

func timeText(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func figureText(n *int64) string {
	if n == nil {
		return ""
	}
	return fmt.Sprint(*n)
}

// harmless puts an apostrophe before a cell that a spreadsheet would run: a
// display name is its owner's to choose, and whoever opens the list would run it.
// A cell is also run where white space comes first, after a line's end, and after
// a semicolon, which parts cells where the comma is for decimals.
func harmless(row []string) []string {
	for i, cell := range row {
		row[i] = inert(cell)
	}
	return row
}

func inert(cell string) string {
	var b strings.Builder
	for rest := cell; rest != ""; {
		piece := rest
		if end := strings.IndexAny(rest, "\n;"); end >= 0 {
			piece = rest[:end+1]
		}
		if rest = rest[len(piece):]; runs(piece) {
			b.WriteByte('\'')
		}
		b.WriteString(piece)
	}
	if text := b.String(); text != cell && text[0] != '\'' || strings.ContainsAny(cell, "\t\r") {
		return "'" + text
	}
	return b.String()
}

func runs(piece string) bool {
	rest := strings.TrimLeft(piece, " \t\r\n\u00a0\ufeff'\"")
	first, _ := utf8.DecodeRuneInString(rest)
	return rest != "" && strings.ContainsRune("=+-@|%\uff1d\uff0b\uff0d\uff20", first)
}
