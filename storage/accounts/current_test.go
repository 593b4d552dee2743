package accounts

import (
	"context"
	"errors"
	"testing"

	"gatehouse/policy"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// A node that decides about files by who has a home there must know of an account
// that another node made a moment ago.
func TestCatchUpAllKnowsWhatOthersWrote(t *testing.T) {
	st := memory.New()
	here, there := open(t, st), open(t, st)
	here.Share()
	there.Share()
	for _, name := range []string{"ann", "bob", "cyd"} {
		made, err := there.Create(t.Context(), Account{Account: policy.Account{Name: name}})
		if err != nil {
			t.Fatal(err)
		}
		if err := here.CatchUpAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		if other := here.HomeIn(made.Home, ""); other != name {
			t.Errorf("the home of %s is taken for that of %q", name, other)
		}
	}
}

// hearsNothing never hears of a change.
type hearsNothing struct{ state.Store }

func (d hearsNothing) Watch(ctx context.Context, scope string, _ uint64) (<-chan state.Change, error) {
	return d.Store.Watch(ctx, scope+" of nobody", 0)
}

func TestCatchUpAllEndsWithItsContext(t *testing.T) {
	here := open(t, hearsNothing{memory.New()})
	here.Share()
	if _, err := here.Create(t.Context(), Account{Account: policy.Account{Name: "ann"}}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := here.CatchUpAll(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
