package accounts

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/cases"

	"gatehouse/policy"
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

// The states of an account that a Query selects by.
const (
	Enabled  = "enabled"
	Disabled = "disabled"
	Expired  = "expired"
)

// State returns whether an account is enabled, disabled or expired at a moment.
func (a *Account) State(at time.Time) string {
	switch {
	case a.Status.Disabled:
		return Disabled
	case a.Expires != nil && !at.Before(a.Expires.Instant):
		return Expired
	}
	return Enabled
}

// A place is where an account stands in a listing.
type place struct {
	Key string `json:"k"`
	ID  string `json:"i"`
}

// List returns accounts and the cursor of the next page, "" at the end. Pages
// are as of their own moment: an account that is made or removed between two
// pages moves no other.
func (s *Store) List(_ context.Context, q Query) (list []Account, next string, err error) {
	found, next, err := s.list(q)
	if err != nil {
		return nil, "", err
	}
	for _, f := range found {
		list = append(list, f.entry.account.clone())
	}
	return list, next, nil
}

func (s *Store) list(q Query) ([]found, string, error) {
	limit := min(cmp.Or(max(q.Limit, 0), 100), 1000)
	selects, err := s.selection(q)
	if err != nil {
		return nil, "", err
	}
	order, err := s.order(q.Sort)
	if err != nil {
		return nil, "", err
	}
	after, err := parseCursor(q.Cursor)
	if err != nil {
		return nil, "", err
	}
	list := order.first(s.index.all(), limit+1, selects, after)
	if len(list) <= limit {
		return list, "", nil
	}
	list = list[:limit]
	return list, list[limit-1].place.cursor(), nil
}

// selection makes a filter of a query.
func (s *Store) selection(q Query) (func(*entry) bool, error) {
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
	return func(e *entry) bool {
		a := e.account
		switch {
		case q.Role != "" && a.Role != q.Role,
			group != "" && !slices.Contains(a.Groups, group),
			q.Status != "" && a.State(now) != q.Status:
			return false
		}
		if text != "" && !strings.Contains(e.folded, text) &&
			!strings.Contains(fold.String(a.DisplayName), text) && !strings.Contains(fold.String(a.Email), text) {
			return false
		}
		return q.Where == nil || q.Where(a)
	}, nil
}

// An order sorts by a key, then by id.
type order struct {
	key     func(*entry) string
	descend bool
}

// A found account and its place.
type found struct {
	entry *entry
	place place
}

func (s *Store) order(by string) (order, error) {
	by, descend := strings.CutPrefix(by, "-")
	fold := cases.Fold()
	keys := map[string]func(*entry) string{
		"":             func(e *entry) string { return e.folded },
		"username":     func(e *entry) string { return e.folded },
		"display_name": func(e *entry) string { return fold.String(e.account.DisplayName) },
		"email":        func(e *entry) string { return fold.String(e.account.Email) },
		"created":      func(e *entry) string { return sortable(e.account.Created) },
		"last_login":   func(e *entry) string { return sortable(s.uses.lastLogin(e.account.ID)) },
	}
	key, ok := keys[by]
	if !ok {
		return order{}, &InvalidError{Field: "sort", Why: fmt.Sprintf("%q is none of username, display_name, email, last_login, created", by)}
	}
	return order{key: key, descend: descend}, nil
}

// sortable writes a moment so that it sorts as text; never comes first.
func sortable(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000000")
}

// first returns the first of those that are selected and stand after a place, in
// order, without sorting the rest.
func (o order) first(all []*entry, most int, selects func(*entry) bool, after *place) []found {
	h := lastFirst{order: o}
	for _, e := range all {
		f := found{e, place{o.key(e), e.account.ID}}
		if after != nil && o.compare(f.place, *after) <= 0 || h.full(f.place, most) {
			continue
		}
		if !selects(e) {
			continue
		}
		h.add(f, most)
	}
	slices.SortFunc(h.list, func(a, b found) int { return o.compare(a.place, b.place) })
	return h.list
}

func (o order) compare(a, b place) int {
	c := cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.ID, b.ID))
	if o.descend {
		return -c
	}
	return c
}

func (p place) cursor() string {
	// Two strings always encode.
	b, _ := json.Marshal(p)
	return base64.RawURLEncoding.EncodeToString(b)
}

func parseCursor(cursor string) (*place, error) {
	if cursor == "" {
		return nil, nil
	}
	p := new(place)
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		err = json.Unmarshal(b, p)
	}
	if err != nil {
		return nil, &InvalidError{Field: "cursor", Why: "is not one that a listing gave"}
	}
	return p, nil
}
