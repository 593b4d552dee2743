package accounts

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"gatehouse/policy"
)

// A Row is an account as a list shows it.
type Row struct {
	Username    string        `json:"username"`
	DisplayName string        `json:"display_name"`
	Email       string        `json:"email"`
	Role        policy.Role   `json:"role"`
	Groups      []string      `json:"groups"`    // names
	Status      string        `json:"status"`    // enabled | disabled | expired
	Protocols   []policy.Door `json:"protocols"` // those that are open to it
	Permissions string        `json:"permissions"`
	LastLogin   time.Time     `json:"last_login,omitzero"`
	LastAddress string        `json:"last_login_address,omitempty"`
	LastDoor    policy.Door   `json:"last_login_door,omitempty"`
}

// Rows is List as rows.
func (s *Store) Rows(ctx context.Context, q Query) (rows []Row, next string, err error) {
	found, next, err := s.list(q)
	if err != nil {
		return nil, "", err
	}
	now := time.Now()
	rows = make([]Row, len(found))
	for i, f := range found {
		rows[i] = s.row(f.entry, now)
	}
	return rows, next, nil
}

// Row returns the account with this id as a list shows it; ErrNotFound.
func (s *Store) Row(_ context.Context, id string) (Row, error) {
	e, ok := s.index.byID(id)
	if !ok {
		return Row{}, ErrNotFound
	}
	return s.row(e, time.Now()), nil
}

func (s *Store) row(e *entry, now time.Time) Row {
	a, effective, used := e.account, s.resolveOnce(e), s.uses.get(e.account.ID)
	row := Row{
		Username: a.Name, DisplayName: a.DisplayName, Email: a.Email, Role: a.Role,
		Groups: []string{}, Status: a.State(now), Protocols: []policy.Door{}, Permissions: inShort(effective),
		LastLogin: used.LastLogin, LastAddress: used.LastAddress, LastDoor: used.LastDoor,
	}
	for _, g := range effective.Groups() {
		row.Groups = append(row.Groups, g.Name)
	}
	for _, d := range effective.Protocols() {
		if d.Allowed {
			row.Protocols = append(row.Protocols, d.Door)
		}
	}
	return row
}

// shortGrants is how many grants are told one by one.
const shortGrants = 4

// inShort says what an account may do where, in one line.
func inShort(e policy.Effective) string {
	var parts []string
	grants := e.Grants()
	for _, g := range grants[:min(len(grants), shortGrants)] {
		parts = append(parts, fmt.Sprintf("%s %s", g.Path, g.Permissions))
	}
	if more := len(grants) - shortGrants; more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, "; ")
}

// RowHeader names the columns of Cells.
func RowHeader() []string {
	return []string{
		"username", "display_name", "email", "role", "groups", "status", "protocols", "permissions",
		"last_login", "last_login_address", "last_login_door",
	}
}

// Cells returns the row as the cells of a CSV file, none of which a spreadsheet
// would run.
func (r Row) Cells() []string {
	doors := make([]string, len(r.Protocols))
	for i, d := range r.Protocols {
		doors[i] = string(d)
	}
	last := ""
	if !r.LastLogin.IsZero() {
		last = r.LastLogin.UTC().Format(time.RFC3339)
	}
	cells := []string{
		r.Username, r.DisplayName, r.Email, string(r.Role), strings.Join(r.Groups, " | "), r.Status,
		strings.Join(doors, " "), r.Permissions, last, r.LastAddress, string(r.LastDoor),
	}
	for i, c := range cells {
		cells[i] = Inert(c)
	}
	return cells
}

// Inert returns a text that a spreadsheet shows and does not run: what begins
// like a formula gets an apostrophe before it. The wide forms of the signs count,
// since some programs fold them, and so does what only white space comes before.
func Inert(cell string) string {
	text := strings.TrimLeft(cell, " \t\r\n\u00a0\u3000\ufeff")
	if text != "" && strings.ContainsRune("=+-@|%＝＋－＠", first(text)) || cell != "" && strings.ContainsRune("\t\r\n", first(cell)) {
		return "'" + cell
	}
	return cell
}

func first(text string) rune {
	r, _ := utf8.DecodeRuneInString(text)
	return r
}
