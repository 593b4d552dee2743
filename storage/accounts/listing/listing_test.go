package listing

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"gatehouse/storage/accounts/field"
)

// An item has a key that others may have too.
type item struct{ key, id string }

func items(t *rapid.T) []item {
	list := make([]item, rapid.IntRange(0, 40).Draw(t, "items"))
	for i := range list {
		list[i] = item{rapid.SampledFrom([]string{"", "a", "b", "ß"}).Draw(t, "key"), fmt.Sprint(i)}
	}
	return list
}

// Page after page gives what is selected, in order, nothing twice and nothing
// left out, whatever is removed between two pages.
func TestPagesAreTheWholeList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := items(t)
		o := Order[item]{
			Key: func(i item) string { return i.key }, ID: func(i item) string { return i.id },
			Descend: rapid.Bool().Draw(t, "descend"),
		}
		selects := func(i item) bool { return i.id != "3" }
		limit := rapid.IntRange(1, 10).Draw(t, "limit")
		removes := rapid.Bool().Draw(t, "removes")
		want := slices.DeleteFunc(slices.Clone(list), func(i item) bool { return !selects(i) })
		slices.SortFunc(want, func(a, b item) int {
			c := cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.id, b.id))
			if o.Descend {
				return -c
			}
			return c
		})
		var got []item
		for cursor, more := "", true; more; more = cursor != "" {
			page, next, err := o.Page(slices.Values(list), limit, selects, cursor)
			if err != nil || len(page) > limit || next != "" && len(page) < limit {
				t.Fatalf("%d of at most %d with the cursor %q: %v", len(page), limit, next, err)
			}
			got, cursor = append(got, page...), next
			if removes {
				// What was seen is gone, and moves nothing that comes after it.
				list = slices.DeleteFunc(slices.Clone(list), func(i item) bool { return slices.Contains(page, i) })
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func TestWhatIsNoCursor(t *testing.T) {
	o := Order[item]{Key: func(i item) string { return i.key }, ID: func(i item) string { return i.id }}
	for _, cursor := range []string{"x", "!", "e30x", "W10"} {
		_, _, err := o.Page(slices.Values([]item{{"a", "1"}}), 1, func(item) bool { return true }, cursor)
		var invalid *field.Error
		if !errors.As(err, &invalid) || invalid.Field != "cursor" {
			t.Errorf("%q: got %v, want a refusal of the cursor", cursor, err)
		}
	}
}
