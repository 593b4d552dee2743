package accounts

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/cases"

	"gatehouse/policy"
	"gatehouse/storage/accounts/index"
	"gatehouse/storage/accounts/listing"
)

// Query selects accounts for List. Zero fields select all.
type Query struct {
	Text   string // in username, name or e-mail
	Role   policy.Role
	Group  string // a group's name
	Status string // enabled | disabled | expired
	Sort   string // username (default) | display_name | email | last_login | created; "-" before it descends
	Limit  int    // default 100, at most 1000
	Cursor string
	// Where leaves out what it returns false for; nil leaves out nothing. It must
	// neither change nor keep the account, and is asked of every account.
	Where func(*Account) bool
}

// List returns accounts and the cursor of the next page, "" at the end. Pages
// are as of their own moment: an account that is made or removed between two
// pages moves no other.
func (s *Store) List(_ context.Context, q Query) (list []Account, next string, err error) {
	selects, err := s.selection(q)
	if err != nil {
		return nil, "", err
	}
	order, err := s.order(q.Sort)
	if err != nil {
		return nil, "", err
	}
	limit := min(cmp.Or(max(q.Limit, 0), 100), 1000)
	found, next, err := order.Page(slices.Values(s.index.All()), limit, selects, q.Cursor)
	if err != nil {
		return nil, "", err
	}
	for _, e := range found {
		list = append(list, e.Account.Clone())
	}
	return list, next, nil
}

// selection makes a filter of a query.
func (s *Store) selection(q Query) (func(*index.Entry) bool, error) {
	fold := cases.Fold()
	text := fold.String(strings.TrimSpace(q.Text))
	var group string
	if q.Group != "" {
		g, err := s.findGroup(q.Group)
		if err != nil {
			return nil, &InvalidError{Field: "group", Why: fmt.Sprintf("there is no group %q", q.Group)}
		}
		group = g.ID
	}
	if !slices.Contains([]string{"", Enabled, Disabled, Expired}, q.Status) {
		return nil, &InvalidError{Field: "status", Why: fmt.Sprintf("%q is none of enabled, disabled, expired", q.Status)}
	}
	now := time.Now()
	return func(e *index.Entry) bool {
		a := e.Account
		switch {
		case q.Role != "" && a.Role != q.Role,
			group != "" && !slices.Contains(a.Groups, group),
			q.Status != "" && a.State(now) != q.Status:
			return false
		}
		if text != "" && !strings.Contains(e.Folded, text) &&
			!strings.Contains(fold.String(a.DisplayName), text) && !strings.Contains(fold.String(a.Email), text) {
			return false
		}
		return q.Where == nil || q.Where(a)
	}, nil
}

func (s *Store) order(by string) (listing.Order[*index.Entry], error) {
	by, descend := strings.CutPrefix(by, "-")
	fold := cases.Fold()
	keys := map[string]func(*index.Entry) string{
		"":             func(e *index.Entry) string { return e.Folded },
		"username":     func(e *index.Entry) string { return e.Folded },
		"display_name": func(e *index.Entry) string { return fold.String(e.Account.DisplayName) },
		"email":        func(e *index.Entry) string { return fold.String(e.Account.Email) },
		"created":      func(e *index.Entry) string { return sortable(e.Account.Created) },
		"last_login":   func(e *index.Entry) string { return sortable(s.activity.LastLogin(e.Account.ID)) },
	}
	key, ok := keys[by]
	if !ok {
		return listing.Order[*index.Entry]{}, &InvalidError{Field: "sort", Why: fmt.Sprintf("%q is none of username, display_name, email, last_login, created", by)}
	}
	return listing.Order[*index.Entry]{Key: key, ID: func(e *index.Entry) string { return e.Account.ID }, Descend: descend}, nil
}

// sortable writes a moment so that it sorts as text; never comes first.
func sortable(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000000")
}
