package metrics_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gatehouse/auth/session"
	"gatehouse/cmd/metrics"
	"gatehouse/policy"
	"gatehouse/storage/events"
	"gatehouse/storage/quota"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

func scrape(m *metrics.Metrics) string {
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

func demand(t *testing.T, m *metrics.Metrics, lines ...string) {
	t.Helper()
	text := scrape(m)
	for _, line := range lines {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("it lacks %s", line)
		}
	}
}

func TestEventsAreCounted(t *testing.T) {
	m := metrics.New("1.2.3")
	from := make(chan events.Event, 10)
	for _, e := range []events.Event{
		{Kind: events.Login, Outcome: events.OK, Door: "sftp", Rule: "admitted", Took: time.Second},
		{Kind: events.Refused, Outcome: events.Denied, Door: "ftp", Rule: "ban"},
		{Kind: events.Upload, Outcome: events.OK, Door: "webdav", Bytes: 7},
		{Kind: events.Upload, Outcome: events.OK, Door: "webdav", Bytes: 3},
		{Kind: events.Download, Outcome: events.OK, Door: "webdav", Bytes: 5},
		{Kind: "account.change", Outcome: events.OK, Door: "api"},
	} {
		from <- e
	}
	close(from)
	m.Follow(t.Context(), from)
	demand(t, m,
		`gatehouse_info{version="1.2.3"} 1`,
		`gatehouse_logins_total{door="sftp",outcome="ok",rule=""} 1`,
		`gatehouse_logins_total{door="ftp",outcome="`+events.Denied+`",rule="ban"} 1`,
		`gatehouse_operations_total{door="webdav",operation="upload",outcome="ok"} 2`,
		`gatehouse_transferred_bytes_total{direction="in",door="webdav"} 10`,
		`gatehouse_transferred_bytes_total{direction="out",door="webdav"} 5`,
		`gatehouse_operation_seconds_sum{door="sftp",operation="login"} 1`,
	)
	if strings.Contains(scrape(m), `door="api"`) {
		t.Error("a change of an account is counted as something else")
	}
}

func TestFollowEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	metrics.New("").Follow(ctx, make(chan events.Event))
}

func TestOpenSessionsByDoor(t *testing.T) {
	m := metrics.New("")
	m.Sessions(func() []session.Description {
		return []session.Description{{Door: policy.SFTP}, {Door: policy.SFTP}, {Door: policy.FTP}}
	})
	demand(t, m, `gatehouse_sessions{door="sftp"} 2`, `gatehouse_sessions{door="ftp"} 1`, `gatehouse_sessions{door="webdav"} 0`)
}

// An alarm on drift rings for what was changed behind the gateway's back, and for
// nothing else.
func TestChecksOfQuotasAreCounted(t *testing.T) {
	m := metrics.New("")
	for _, c := range []quota.Check{
		{Booked: quota.Amount{Bytes: 10, Files: 1}, Stored: quota.Amount{Bytes: 10, Files: 1}},
		{Booked: quota.Amount{Bytes: 10, Files: 1}, Stored: quota.Amount{Bytes: 3, Files: 3}},
		{Stored: quota.Amount{Bytes: 100}, Err: quota.ErrBusy},
		{Stored: quota.Amount{Bytes: 100}, Err: errors.New("away")},
	} {
		m.Checked(c)
	}
	demand(t, m, `gatehouse_quota_checks_total{outcome="exact"} 1`, `gatehouse_quota_checks_total{outcome="drift"} 1`,
		`gatehouse_quota_checks_total{outcome="busy"} 1`, `gatehouse_quota_checks_total{outcome="failed"} 1`,
		`gatehouse_quota_drift_bytes_total 7`, `gatehouse_quota_drift_files_total 2`)
}

// What is not there and what has changed meanwhile are answers: an alarm on the
// store's errors must not ring for them.
func TestTheStoreIsMeasured(t *testing.T) {
	m := metrics.New("")
	inner := memory.New()
	store := m.Store(inner, func(error) {})
	put := state.Batch{Scope: "s", Puts: []state.Put{{Name: "n", Value: []byte("v")}}}
	if _, err := store.Apply(t.Context(), put); err != nil {
		t.Fatal(err)
	}
	if r, err := store.Get(t.Context(), "s", "n"); err != nil || string(r.Value) != "v" {
		t.Fatalf("%v, %v", r, err)
	}
	if _, err := store.Get(t.Context(), "s", "none"); !errors.Is(err, state.ErrNotFound) {
		t.Fatal(err)
	}
	if _, err := store.Apply(t.Context(), state.Batch{Puts: put.Puts}); err == nil {
		t.Fatal("a batch without a scope is applied")
	}
	demand(t, m,
		`gatehouse_store_seconds_count{call="apply",outcome="ok"} 1`,
		`gatehouse_store_seconds_count{call="get",outcome="ok"} 2`,
		`gatehouse_store_seconds_count{call="apply",outcome="error"} 1`,
	)
}

func TestWebhooksAreCounted(t *testing.T) {
	m := metrics.New("")
	err := errors.New("the store is away")
	m.Webhooks(func(context.Context) (map[string]uint64, error) { return map[string]uint64{"a": 3, "b": 0}, err })
	m.Webhook("taken")
	m.Webhook("taken")
	m.Webhook("away")
	demand(t, m, `gatehouse_webhook_deliveries_total{outcome="taken"} 2`, `gatehouse_webhook_deliveries_total{outcome="away"} 1`)
	if strings.Contains(scrape(m), "gatehouse_webhook_behind{") {
		t.Error("a store that does not answer is told as a figure")
	}
	err = nil
	demand(t, m, `gatehouse_webhook_behind{webhook="a"} 3`, `gatehouse_webhook_behind{webhook="b"} 0`)
}

func TestTheMemoryOfTheStore(t *testing.T) {
	m := metrics.New("")
	m.Memory(func(show func(server string, used, most uint64)) {
		show("a", 5, 10)
		show("b", 0, 20)
	})
	demand(t, m, `gatehouse_store_memory_used_bytes{server="a"} 5`, `gatehouse_store_memory_max_bytes{server="a"} 10`,
		`gatehouse_store_memory_used_bytes{server="b"} 0`, `gatehouse_store_memory_max_bytes{server="b"} 20`)
}
