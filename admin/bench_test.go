package admin_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gatehouse/admin"
	"gatehouse/admin/rest"
	"gatehouse/policy"
	"gatehouse/protocols/protocoltest"
	"gatehouse/storage/accounts"
)

// BenchmarkSearch asks a site of 100,000 accounts for a page of them, over the
// handler: what is told is the first answer and the ones that follow.
func BenchmarkSearch(b *testing.B) {
	w := protocoltest.NewWorld(b)
	list := make([]accounts.Account, 100_000)
	for i := range list {
		list[i] = accounts.Account{Account: policy.Account{Name: fmt.Sprintf("user%06d", i)}, DisplayName: fmt.Sprintf("Number %d", i)}
	}
	if _, err := w.Accounts.CreateMany(b.Context(), list); err != nil {
		b.Fatal(err)
	}
	api := admin.New(admin.Config{
		Accounts: w.Accounts, Auth: w.Auth, Sessions: w.Sessions, Tree: w.Tree, Provision: w.Provision,
		SelfService: w.SelfService, Explain: w.Explain, Events: w.Events, Quotas: w.Quotas, Locks: w.Locks, Log: w.Log,
		Connection: func(*http.Request) (netip.Addr, policy.Transport) { return netip.Addr{}, policy.Local },
	})
	b.Cleanup(api.Close)
	socket := api.Socket()
	for name, query := range map[string]string{"search": "q=number+7", "nothing": "q=nobody", "page": "", "disabled": "status=disabled", "locked": "status=locked"} {
		ask := func() time.Duration {
			began := time.Now()
			r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, rest.Prefix+"/accounts?"+query, strings.NewReader(""))
			r.Host = "localhost"
			answer := httptest.NewRecorder()
			socket.ServeHTTP(answer, r)
			if answer.Code != http.StatusOK {
				b.Fatalf("%d %s", answer.Code, answer.Body)
			}
			return time.Since(began)
		}
		b.Run(name, func(b *testing.B) {
			first := ask()
			for b.Loop() {
				ask()
			}
			b.ReportMetric(float64(first.Microseconds())/1000, "ms/first")
		})
	}
}
