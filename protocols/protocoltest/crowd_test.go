package protocoltest_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/auth"
	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/protocols/protocoltest"
	"gatehouse/storage/accounts"
	"gatehouse/storage/quota"
)

// 64 writers over all nodes fill a folder: never beyond its quota, and to the last
// byte of it. What is charged then is what is there, on every node.
func TestQuotaLoad(t *testing.T) {
	const limit, writers, most = 4_000_000, 64, 40_000
	protocoltest.OverNodes(t, 3, func(t *testing.T, n protocoltest.Nodes) {
		w := protocoltest.NewNodes(t, n)
		ann := w.Add("ann")
		w.SetQuota("/home/ann", limit, -1)
		var all sync.WaitGroup
		for i := range writers {
			node := w.Nodes()[i%len(w.Nodes())]
			c, err := dial(t.Context(), node, protocoltest.Login{Person: ann})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			all.Go(func() {
				for k := range 1000 {
					err := c.Put(fmt.Sprintf("/%d-%d", i, k), strings.NewReader(strings.Repeat("x", rand.IntN(most))))
					if stored, _ := held(w.OnDisk("/home/ann")); stored > limit {
						t.Errorf("%d bytes are stored, limit %d", stored, limit)
					}
					if errors.Is(err, protocoltest.ErrQuota) {
						return
					}
					if err != nil {
						t.Errorf("writer %d: %v", i, err)
						return
					}
				}
				t.Errorf("writer %d finds room for ever", i)
			})
		}
		all.Wait()
		c, err := dial(t.Context(), w, protocoltest.Login{Person: ann})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if err := c.Put("/last", strings.NewReader(strings.Repeat("x", limit))); !errors.Is(err, protocoltest.ErrQuota) {
			t.Errorf("the last upload: %v", err)
		}
		bytes, files := held(w.OnDisk("/home/ann"))
		if bytes != limit {
			t.Errorf("%d bytes are stored at last, want all of %d", bytes, limit)
		}
		want := quota.Amount{Bytes: bytes, Files: files}
		for _, node := range w.Nodes() {
			agrees(t, node, want)
		}
	})
}

// agrees waits until a node's ledger says what is on disk.
func agrees(t *testing.T, node *protocoltest.World, want quota.Amount) {
	t.Helper()
	var u quota.Usage
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		var err error
		if u, _, err = node.Quotas.Get(t.Context(), path.MustParse("/home/ann")); err != nil {
			t.Fatal(err)
		}
		if u.Used == want {
			return
		}
	}
	t.Errorf("the ledger says %+v, on disk are %+v", u.Used, want)
}

// held is what a folder without folders holds.
func held(dir string) (bytes, files int64) {
	list, _ := os.ReadDir(dir)
	for _, e := range list {
		if info, err := os.Stat(filepath.Join(dir, e.Name())); err == nil {
			bytes, files = bytes+info.Size(), files+1
		}
	}
	return bytes, files
}

// BenchmarkLogins has 10,000 accounts log in over three nodes on Redis, 64 at a time.
// A password is hashed as cheaply as it can be: figures are of what nodes share.
//
//	go test -run '^$' -bench Logins -benchtime 1x ./protocols/protocoltest
func BenchmarkLogins(b *testing.B) {
	const people, together = 10_000, 64
	w := protocoltest.NewNodes(b, protocoltest.Nodes{Count: 3, Store: protocoltest.Redis(b)})
	one := w.Add("someone")
	a, err := w.Accounts.Account(b.Context(), "someone")
	if err != nil {
		b.Fatal(err)
	}
	var making sync.WaitGroup
	for part := range together {
		making.Go(func() {
			for i := part; i < people; i += together {
				x := accounts.Account{Password: a.Password}
				x.Name, x.Role = fmt.Sprint("p", i), policy.RoleUser
				if _, err := w.Accounts.Create(b.Context(), x); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	making.Wait()
	w.Settle()
	for b.Loop() {
		took := make([]time.Duration, people)
		var all sync.WaitGroup
		var next atomic.Int64
		began := time.Now()
		for range together {
			all.Go(func() {
				for i := next.Add(1) - 1; i < people; i = next.Add(1) - 1 {
					begun := time.Now()
					s, err := w.Nodes()[i%3].Sessions.Login(b.Context(), auth.Attempt{
						Account: fmt.Sprint("p", i), Door: policy.SFTP, Transport: policy.SSH,
						Address: netip.MustParseAddr("192.0.2.1"), Password: one.Password,
					})
					if err != nil {
						b.Error(err)
						return
					}
					took[i] = time.Since(begun)
					s.Close()
				}
			})
		}
		all.Wait()
		slices.Sort(took)
		b.ReportMetric(people/time.Since(began).Seconds(), "logins/s")
		b.ReportMetric(float64(took[people/2].Microseconds())/1000, "p50-ms")
		b.ReportMetric(float64(took[people*99/100].Microseconds())/1000, "p99-ms")
	}
}
