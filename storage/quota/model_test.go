package quota_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"gatehouse/policy/path"
	"gatehouse/storage/quota"
	"gatehouse/storage/state/memory"
)

// world is what a ledger is compared with: files, and limits by folder.
type world struct {
	disk   *disk
	limits map[path.Path]quota.Amount
}

// refuses returns whether growth at name passes a limit above it, without those
// in passed.
func (w *world) refuses(name path.Path, grow quota.Amount, passed map[path.Path]bool) bool {
	for folder, limit := range w.limits {
		if passed[folder] || !folder.Contains(name) {
			continue
		}
		used := w.disk.total(folder)
		if grow.Bytes > 0 && limit.Bytes >= 0 && used.Bytes+grow.Bytes > limit.Bytes ||
			grow.Files > 0 && limit.Files >= 0 && used.Files+grow.Files > limit.Files {
			return true
		}
	}
	return false
}

func (w *world) check(t *rapid.T, l *quota.Ledger) {
	list, err := l.List(context.Background())
	if err != nil || len(list) != len(w.limits) {
		t.Fatalf("%d quotas, want %d, %v", len(list), len(w.limits), err)
	}
	for _, u := range list {
		limit, ok := w.limits[u.Folder]
		if !ok || u.Amount != limit || u.Counting {
			t.Fatalf("%+v, want the limit %+v, %v", u, limit, ok)
		}
		if got := w.disk.total(u.Folder); u.Used != got {
			t.Fatalf("%s: used %+v, there are %+v", u.Folder, u.Used, got)
		}
	}
}

var modelPaths = []path.Path{p("/a"), p("/b"), p("/a/x"), p("/a/y"), p("/b/x"), p("/a/x/1"), p("/a/x/2"), p("/b/x/1")}

// Whatever one does after the other, the ledger says what there is, and refuses
// exactly what would pass a limit.
func TestLedgerAgreesWithTheModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ctx := context.Background()
		w := &world{disk: newDisk(), limits: make(map[path.Path]quota.Amount)}
		s := &audited{Store: memory.New()}
		epoch := 0
		begin := func() *quota.Ledger {
			epoch++
			l, err := quota.New(ctx, s, "node", fmt.Sprint(epoch), w.disk.walk)
			if err != nil {
				rt.Fatal(err)
			}
			return l
		}
		l := begin()
		defer func() { _ = l.Close(ctx) }()
		folder := func() path.Path {
			return rapid.SampledFrom(append([]path.Path{path.Root}, modelPaths[:5]...)).Draw(rt, "folder")
		}
		file := func() path.Path {
			at, err := rapid.SampledFrom(modelPaths).Draw(rt, "in").Join(rapid.SampledFrom([]string{"f", "g"}).Draw(rt, "file"))
			if err != nil {
				rt.Fatal(err)
			}
			return at
		}
		figure := func() int64 { return rapid.Int64Range(-1, 200).Draw(rt, "figure") }
		rt.Repeat(map[string]func(*rapid.T){
			"set": func(*rapid.T) {
				limit := quota.Limit{Folder: folder(), Amount: quota.Amount{Bytes: figure(), Files: figure() / 20}}
				if err := l.Set(ctx, limit); err != nil {
					rt.Fatal(err)
				}
				if limit.Bytes < 0 && limit.Files < 0 {
					delete(w.limits, limit.Folder)
				} else {
					w.limits[limit.Folder] = limit.Amount
				}
			},
			"write": func(*rapid.T) {
				name, n := file(), rapid.Int64Range(0, 100).Draw(rt, "bytes")
				grow := quota.Amount{Bytes: n}
				if w.disk.total(name).Files == 0 {
					grow.Files = 1
				}
				refused := w.refuses(name, grow, nil)
				if err := w.disk.write(ctx, l, name, n); errors.Is(err, quota.ErrExceeded) != refused {
					rt.Fatalf("write %d to %s: %v", n, name, err)
				}
			},
			"stream": func(*rapid.T) {
				name := file()
				if w.disk.total(name).Files == 0 {
					return
				}
				n, err := w.disk.stream(ctx, l, name, 1, 100)
				if err == nil && n < 100 && !w.refuses(name, quota.Amount{Bytes: 1}, nil) {
					rt.Fatalf("%d bytes were given to %s, and there is room for more", n, name)
				}
			},
			"remove": func(*rapid.T) {
				if err := w.disk.remove(ctx, l, file()); err != nil {
					rt.Fatal(err)
				}
			},
			"move": func(rt *rapid.T) {
				from, to := rapid.SampledFrom(modelPaths).Draw(rt, "from"), rapid.SampledFrom(modelPaths).Draw(rt, "to")
				if from.Contains(to) || to.Contains(from) || w.disk.total(to).Files > 0 {
					rt.Skip()
				}
				passed := map[path.Path]bool{}
				for q := range w.limits {
					if from.Contains(q) || to.Contains(q) && q != to {
						rt.Skip()
					}
					passed[q] = q.Contains(from)
				}
				refused := w.refuses(to, w.disk.total(from), passed)
				if err := w.disk.move(ctx, l, from, to); errors.Is(err, quota.ErrExceeded) != refused {
					rt.Fatalf("move %s to %s: %v", from, to, err)
				}
			},
			"restart": func(*rapid.T) {
				if err := l.Close(ctx); err != nil {
					rt.Fatal(err)
				}
				l = begin()
			},
			"": func(rt *rapid.T) {
				w.check(rt, l)
				if s.over.Load() > 0 {
					rt.Fatal("used and leased passed a limit")
				}
			},
		})
		if err := l.Close(ctx); err != nil {
			rt.Fatal(err)
		}
		if n := leases(t, s); n != 0 {
			rt.Fatalf("%d are leased after Close", n)
		}
	})
}

// Many writers, removers and movers at once, on two nodes, in two homes below a
// quota of all: the limits hold at every moment, and in the end the figures are
// those of the files.
func TestManyAtOnce(t *testing.T) {
	d, s := newDisk(), &audited{Store: memory.New()}
	here := open(t, s, "1", d)
	set(t, here, "/", 300_000, 150)
	set(t, here, "/a", 200_000, 80)
	set(t, here, "/b", 200_000, -1)
	there, err := quota.New(t.Context(), s, "other", "1", d.walk)
	if err != nil {
		t.Fatal(err)
	}
	limits := map[path.Path]quota.Amount{path.Root: {Bytes: 300_000, Files: 150}, p("/a"): {Bytes: 200_000, Files: 80}, p("/b"): {Bytes: 200_000, Files: 1 << 30}}
	var refused, done atomic.Int64
	var wg sync.WaitGroup
	for i := range 32 {
		random := rand.New(rand.NewPCG(uint64(i), 1))
		l := []*quota.Ledger{here, there}[i%2]
		wg.Go(func() {
			for range 40 {
				name := p(fmt.Sprintf("/%c/%d-%d", 'a'+rune(random.IntN(2)), i, random.IntN(8)))
				var err error
				switch random.IntN(5) {
				case 0, 1:
					err = d.write(t.Context(), l, name, random.Int64N(4000))
				case 2:
					if d.total(name).Files > 0 {
						_, err = d.stream(t.Context(), l, name, 1, random.Int64N(4000)+1)
					}
				case 3:
					err = d.remove(t.Context(), l, name)
				case 4:
					err = d.move(t.Context(), l, name, p(fmt.Sprintf("/%c/%d-%d", 'a'+rune(random.IntN(2)), i, random.Int64()+100)))
				}
				if errors.Is(err, quota.ErrExceeded) {
					refused.Add(1)
				} else if err != nil {
					t.Error(err)
				} else {
					done.Add(1)
				}
				for folder, limit := range limits {
					if got := d.total(folder); got.Bytes > limit.Bytes || got.Files > limit.Files {
						t.Errorf("%s holds %+v, limit %+v", folder, got, limit)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	if refused.Load() == 0 || done.Load() == 0 {
		t.Errorf("%d refused, %d done: the limits were not met", refused.Load(), done.Load())
	}
	if s.over.Load() > 0 {
		t.Error("used and leased passed a limit")
	}
	closeLedger(t, there)
	closeLedger(t, here)
	if n := leases(t, s); n != 0 {
		t.Errorf("%d are leased after Close", n)
	}
	again := open(t, s, "2", d)
	for folder := range limits {
		wantUsed(t, again, folder.String(), d.total(folder))
	}
}
