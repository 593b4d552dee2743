package kept_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"gatehouse/cmd/kept"
	"gatehouse/storage/seal"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

func sealer(t *testing.T, with byte) *seal.Sealer {
	t.Helper()
	s, err := seal.New(bytes.Repeat([]byte{with}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A node with another secret key could read nothing, and would seal what others
// cannot: it must not start, even where it was quicker than no other's first look.
func TestOfTwoKeysOneIsTheInstallations(t *testing.T) {
	st := memory.New()
	mine, other := kept.New(st, sealer(t, 1)), kept.New(st, sealer(t, 2))
	if used, err := mine.Used(t.Context()); used || err != nil {
		t.Errorf("an empty state is used: %v, %v", used, err)
	}
	errs := make([]error, 2)
	var both sync.WaitGroup
	for i, k := range []*kept.Keeper{mine, other} {
		both.Go(func() { errs[i] = k.Check(t.Context()) })
	}
	both.Wait()
	if (errs[0] == nil) == (errs[1] == nil) || !errors.Is(errors.Join(errs...), kept.ErrOtherKey) {
		t.Errorf("got %v, want one refused", errs)
	}
	again := []error{mine.Check(t.Context()), other.Check(t.Context())}
	for i := range again {
		if !errors.Is(again[i], errs[i]) {
			t.Errorf("asked again: %v, was %v", again[i], errs[i])
		}
	}
	if used, err := mine.Used(t.Context()); used || err != nil {
		t.Errorf("a state that only knows its key is used: %v, %v", used, err)
	}
	if err := mine.Replace(t.Context(), "a", []byte("private")); err != nil {
		t.Fatal(err)
	}
	if used, err := mine.Used(t.Context()); !used || err != nil {
		t.Errorf("used: %v, %v", used, err)
	}
}

// The state of a gateway that was alone is moved to where nodes share it: a first
// node with another key is not the one that says which key is the right one.
func TestTheKeyOfWhoWasAloneIsTheInstallations(t *testing.T) {
	st := memory.New()
	former, mine, other := kept.New(st, sealer(t, 3)), kept.New(st, sealer(t, 1)), kept.New(st, sealer(t, 2))
	for _, k := range []*kept.Keeper{former, mine, mine} { // its owner may change it
		if err := k.Mark(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := other.Check(t.Context()); !errors.Is(err, kept.ErrOtherKey) {
		t.Errorf("another: %v, want ErrOtherKey", err)
	}
	if err := mine.Check(t.Context()); err != nil {
		t.Errorf("its own: %v", err)
	}
}

// Nodes that start at once each make a key, and must all serve with the same.
func TestAllGetWhatOneHasMade(t *testing.T) {
	k := kept.New(memory.New(), sealer(t, 1))
	got := make([]string, 8)
	var all sync.WaitGroup
	for i := range got {
		all.Go(func() {
			secret, err := k.Once(t.Context(), "a", func() ([]byte, error) { return fmt.Appendf(nil, "made by %d", i), nil })
			if err != nil {
				t.Error(err)
			}
			got[i] = string(secret)
		})
	}
	all.Wait()
	for _, one := range got {
		if one != got[0] || one == "" {
			t.Fatalf("got %q", got)
		}
	}
	secret, err := k.Once(t.Context(), "a", func() ([]byte, error) { t.Error("made again"); return nil, nil })
	if err != nil || string(secret) != got[0] {
		t.Errorf("%q, %v", secret, err)
	}
}

// Who can read the state reads no secret, and what was sealed under one name opens
// under no other.
func TestSecretsAreSealed(t *testing.T) {
	st := memory.New()
	k := kept.New(st, sealer(t, 1))
	if err := k.Put(t.Context(), "a", []byte("private"), 0); err != nil {
		t.Fatal(err)
	}
	r, err := st.Get(t.Context(), "secrets", "a")
	if err != nil || bytes.Contains(r.Value, []byte("private")) {
		t.Errorf("%q, %v", r.Value, err)
	}
	if _, err := st.Apply(t.Context(), state.Batch{Scope: "secrets", Puts: []state.Put{{Name: "b", Value: r.Value}}}); err != nil {
		t.Fatal(err)
	}
	if secret, _, err := k.Get(t.Context(), "b"); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("moved to another name: %q, %v", secret, err)
	}
	if err := k.Put(t.Context(), "a", []byte("other"), 0); !errors.Is(err, state.ErrConflict) {
		t.Errorf("put over another: %v", err)
	}
	if err := errors.Join(k.Replace(t.Context(), "a", []byte("new")), k.Delete(t.Context(), "b")); err != nil {
		t.Error(err)
	}
	if secret, _, err := k.Get(t.Context(), "a"); err != nil || string(secret) != "new" {
		t.Errorf("%q, %v", secret, err)
	}
	if _, _, err := k.Get(t.Context(), "b"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("deleted: %v", err)
	}
}

func TestAClaimIsOnes(t *testing.T) {
	k := kept.New(memory.New(), sealer(t, 1))
	for _, c := range []struct {
		holder string
		want   bool
	}{{"a", true}, {"b", false}, {"a", true}} {
		if got, err := k.Claim(t.Context(), "order", c.holder, time.Hour); got != c.want || err != nil {
			t.Errorf("%s: %v, %v, want %v", c.holder, got, err, c.want)
		}
	}
	if err := k.Delete(t.Context(), "order"); err != nil {
		t.Fatal(err)
	}
	if got, err := k.Claim(t.Context(), "order", "b", time.Hour); !got || err != nil {
		t.Errorf("given back: %v, %v", got, err)
	}
}
