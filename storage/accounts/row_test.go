package accounts

import (
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/state/memory"
)

func TestRow(t *testing.T) {
	s := open(t, memory.New())
	g := group(t, s, Group{Group: policy.Group{Name: "Staff", Protocols: []policy.Door{policy.SFTP}}})
	a := create(t, s, "Alice", func(a *Account) {
		a.DisplayName, a.Email, a.Groups = "Alice A.", "alice@example.org", []string{g.ID}
		for _, p := range []string{"/1", "/2", "/3", "/4"} {
			a.Grants = append(a.Grants, grantOf(path.MustParse(p)))
		}
	})
	at := time.Now().UTC().Truncate(time.Second)
	s.Touch(a.ID, "", at, "192.0.2.1", policy.SFTP)
	rows, next, err := s.Rows(t.Context(), Query{})
	if err != nil || len(rows) != 1 || next != "" {
		t.Fatalf("got %+v %q %v", rows, next, err)
	}
	want := []string{
		"Alice", "Alice A.", "alice@example.org", "user", "Staff", "enabled", "sftp",
		"/home/alice full; /1 read-only; /2 read-only; /3 read-only; and 1 more",
		at.Format(time.RFC3339), "192.0.2.1", "sftp",
	}
	if got := rows[0].Cells(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(RowHeader()) != len(want) {
		t.Errorf("%d names for %d cells", len(RowHeader()), len(want))
	}
	if one, err := s.Row(t.Context(), a.ID); err != nil || !slices.Equal(one.Cells(), want) {
		t.Errorf("got %+v %v", one, err)
	}
}

// An account that calls itself a formula must not run in an administrator's
// spreadsheet.
func TestCellsAreInert(t *testing.T) {
	for _, cell := range []string{
		"=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\r=1", "\n=1", "\tx", "\u00a0=1", "\ufeff=1", "＝1+1", "＋1", "－1", "＠x", "|cmd", "%0A=1",
	} {
		if got := Inert(cell); got != "'"+cell {
			t.Errorf("got %q for %q", got, cell)
		}
	}
	for _, cell := range []string{"", " ", "alice", "a=b", "alice@example.org", "2026-01-01T00:00:00Z", "Ångström", "\xff="} {
		if got := Inert(cell); got != cell {
			t.Errorf("got %q for %q", got, cell)
		}
	}
	r := Row{Username: "=x", DisplayName: "=x", Email: "=x", Groups: []string{"=x"}, Permissions: "=x", LastAddress: "=x"}
	for _, cell := range r.Cells() {
		if strings.HasPrefix(cell, "=") {
			t.Errorf("a cell is %q", cell)
		}
	}
}
