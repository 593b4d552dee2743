package limits

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"testing"

	"go.uber.org/goleak"

	"gatehouse/auth/authtest"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// two makes the counters of two nodes on one store, for sessions of an account.
func two(t *testing.T, change func(*accounts.Account)) (counters [2]*Counter, account string, e policy.Effective) {
	t.Helper()
	at := authtest.Config{Dir: t.TempDir(), Shares: true}
	for i := range counters {
		at.Node = fmt.Sprint("node", i+1)
		site := authtest.Open(t, at)
		site.Start(t.Context())
		at.State = site.Memory
		if i == 0 {
			account = site.Add("ann", change).ID
		}
		site.Must(site.Accounts.CatchUpAll(t.Context()))
		var err error
		_, e, err = site.Accounts.LookByID(t.Context(), account)
		site.Must(err)
		counters[i] = New(Config{
			Nodes: site.Nodes, Accounts: site.Accounts, State: site.Store, Log: slog.New(slog.DiscardHandler),
			Open: func() iter.Seq2[*Holder, policy.Effective] { return func(func(*Holder, policy.Effective) bool) {} },
		})
	}
	return counters, account, e
}

// Of those who ask at a limit, on whichever nodes, as many are given a place as there
// is room for; one that is given back is the next one's.
func TestPlacesAreExactOverNodes(t *testing.T) {
	all, account, e := two(t, func(a *accounts.Account) { a.Limits.Sessions = 2 })
	ask := func(i int, h *Holder) int {
		t.Helper()
		counts, err := all[i].Ask(t.Context(), h, e)
		if err != nil {
			t.Fatal(err)
		}
		return counts.Account
	}
	var holders []*Holder
	for i := range 3 {
		h := NewHolder(fmt.Sprint("session", i), account, authtest.Client())
		holders = append(holders, h)
		if open := ask(i%2, h); open != i {
			t.Errorf("%d others are open, want %d", open, i)
		}
		if !all[i%2].Limited(h, e) {
			t.Error("no limit holds for it")
		}
	}
	if counts, err := all[1].Count(t.Context(), policy.Sessions{}, e, account, authtest.Client()); err != nil || counts.Account != 2 {
		t.Errorf("got %+v, %v, want the two that were given a place", counts, err)
	}
	all[0].GiveBack(t.Context(), holders[0])
	if open := ask(0, holders[2]); open != 1 {
		t.Errorf("%d others are open once one has left, want 1", open)
	}
}

// A gateway alone asks nobody, and has nothing to give back.
func TestAloneCountsNothing(t *testing.T) {
	var alone *Counter
	h := NewHolder("session", "ann", authtest.Client())
	alone.Recount(h, policy.Effective{})
	alone.Leaving(h)()
	alone.Forget(h)
	alone.GiveBack(context.Background(), h)
	here := policy.Sessions{Account: 7}
	if counts, err := alone.Count(t.Context(), here, policy.Effective{}, "ann", authtest.Client()); err != nil || counts != here {
		t.Errorf("got %+v, %v", counts, err)
	}
}
