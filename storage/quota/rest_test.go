package quota

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/policy/path"
	"gatehouse/storage/state/memory"
)

// Quotas that nothing happens to are not looked after: of a hundred thousand
// homes few are in use.
func TestQuotasRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := New(t.Context(), memory.New(), "node", "1", nil)
		if err != nil {
			t.Fatal(err)
		}
		folder := path.MustParse("/q")
		if err := l.Set(t.Context(), Limit{Folder: folder, Amount: Amount{Bytes: 1000, Files: -1}}); err != nil {
			t.Fatal(err)
		}
		active := func() bool {
			pools := l.busy()
			return len(pools) == 1
		}
		held, err := l.Reserve(t.Context(), folder, Amount{Bytes: 10})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if !active() {
			t.Error("a quota with a reservation rests")
		}
		held.Commit(Amount{Bytes: 10})
		time.Sleep(time.Minute)
		if active() {
			t.Error("a quota is looked after long after its last use")
		}
		done, err := l.Touch(t.Context(), folder)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if !active() {
			t.Error("a quota with a change under way rests")
		}
		done()
		time.Sleep(time.Minute)
		if active() {
			t.Error("a quota is looked after long after its last change")
		}
		held, err = l.Reserve(t.Context(), folder, Amount{Bytes: 10})
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Drop(t.Context(), folder); err != nil {
			t.Fatal(err)
		}
		held.Commit(Amount{Bytes: 10})
		if active() {
			t.Error("a quota that is removed is looked after")
		}
		if err := l.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
}
