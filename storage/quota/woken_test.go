package quota_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// A run stands still while it looks who else holds something of a quota, is declared dead,
// and its node goes on in another run. Woken up, it takes that one for one of the runs
// before its own, which are all dead: it must not bury it, or the store would refuse
// all that its successor books, for ever.
func TestWhoWakesUpDoesNotBuryItsSuccessor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &meddled{Store: memory.New()}
		c := &crowd{t: t, store: store, disk: newDisk(), random: rand.New(rand.NewPCG(1, 1)), dead: make(map[string]bool)}
		m, other := c.begin("a"), c.begin("b")
		set(t, m.ledger, "/q", 1000, 10)
		c.disk.put("/q/there")
		time.Sleep(time.Hour)
		var next *member
		store.onCount(func(l state.Lease) error {
			if next == nil && l.Holder == m.holder() {
				c.declareDead(m)
				next = c.begin("a")
				return c.disk.write(t.Context(), next.ledger, p("/q/f"), 300)
			}
			return nil
		})
		if _, err := m.ledger.Rescan(t.Context(), p("/q")); err == nil {
			t.Error("a dead run has counted")
		}
		if next == nil {
			t.Fatal("it was not asked who else is there")
		}
		if err := other.ledger.Bury(t.Context(), m.node, m.epoch); err != nil {
			t.Fatal(err)
		}
		if err := c.disk.write(t.Context(), next.ledger, p("/q/g"), 200); err != nil {
			t.Errorf("its successor cannot write: %v", err)
		}
		time.Sleep(time.Hour)
		wantUsed(t, other.ledger, "/q", c.disk.total(p("/q")))
		if v := counterOf(t, c.store, "/q", "bytes"); v.Used != c.disk.total(p("/q")).Bytes {
			t.Errorf("%d bytes are there, %d booked, %v leased", c.disk.total(p("/q")).Bytes, v.Used, v.Holders)
		}
		for _, m := range []*member{m, other, next} {
			closeLedger(t, m.ledger)
		}
	})
}
