// Package metrics shows the gateway to Prometheus. What happens at the doors is
// taken from the events, as everything that listens does; the store is measured
// by a wrapper around it.
package metrics

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/storage/events"
)

// Metrics holds the gateway's figures in a registry of its own.
type Metrics struct {
	registry   *prometheus.Registry
	logins     *prometheus.CounterVec
	operations *prometheus.CounterVec
	bytes      *prometheus.CounterVec
	took       *prometheus.HistogramVec
	store      *prometheus.HistogramVec
	webhooks   *prometheus.CounterVec
	checks     *prometheus.CounterVec
	driftBytes prometheus.Counter
	driftFiles prometheus.Counter
}

// New makes the figures, all at zero.
func New(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		logins: counters("gatehouse_logins_total", "Logins by door, outcome and the rule that refused.",
			"door", "outcome", "rule"),
		operations: counters("gatehouse_operations_total", "File operations by door, kind and outcome.",
			"door", "operation", "outcome"),
		bytes: counters("gatehouse_transferred_bytes_total", "Bytes of file contents by door and direction (in, out).",
			"door", "direction"),
		webhooks: counters("gatehouse_webhook_deliveries_total", "Tries to deliver a message to a webhook, by how they ended (taken, refused, away).",
			"outcome"),
		took: histograms("gatehouse_operation_seconds", "Time from the beginning of a file operation or login to its end.",
			"door", "operation"),
		store: histograms("gatehouse_store_seconds", "Time of a call of the state store.", "call", "outcome"),
		checks: counters("gatehouse_quota_checks_total",
			"Quotas compared with their folders, by outcome: exact, drift (and corrected), busy, failed.", "outcome"),
		driftBytes: counter("gatehouse_quota_drift_bytes_total", "By how many bytes checks found quotas wrong, and corrected them."),
		driftFiles: counter("gatehouse_quota_drift_files_total", "By how many files checks found quotas wrong, and corrected them."),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "gatehouse_info", Help: "The version that runs.", ConstLabels: prometheus.Labels{"version": version},
	})
	info.Set(1)
	m.registry.MustRegister(m.logins, m.operations, m.bytes, m.took, m.store, m.webhooks, m.checks, m.driftBytes, m.driftFiles, info,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}

func histograms(name, help string, labels ...string) *prometheus.HistogramVec {
	opts := prometheus.HistogramOpts{Name: name, Help: help, Buckets: prometheus.ExponentialBuckets(0.0005, 4, 9)}
	return prometheus.NewHistogramVec(opts, labels)
}

// Handler answers scrapes.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Sessions shows the open sessions by door.
func (m *Metrics) Sessions(list func() []session.Description) {
	for _, door := range policy.Doors() {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "gatehouse_sessions", Help: "Open sessions by door.",
			ConstLabels: prometheus.Labels{"door": string(door)},
		}, func() float64 {
			n := 0
			for _, d := range list() {
				if d.Door == door {
					n++
				}
			}
			return float64(n)
		}))
	}
}

// Follow counts events until the channel is closed.
func (m *Metrics) Follow(ctx context.Context, from <-chan events.Event) {
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-from:
			if !ok {
				return
			}
			m.count(e)
		}
	}
}

func (m *Metrics) count(e events.Event) {
	kind := string(e.Kind)
	switch {
	case e.Kind == events.Login || e.Kind == events.Refused:
		m.logins.WithLabelValues(e.Door, e.Outcome, refusedBy(e)).Inc()
		m.took.WithLabelValues(e.Door, "login").Observe(e.Took.Seconds())
	case strings.HasPrefix(kind, "file."):
		operation := strings.TrimPrefix(kind, "file.")
		m.operations.WithLabelValues(e.Door, operation, e.Outcome).Inc()
		m.took.WithLabelValues(e.Door, operation).Observe(e.Took.Seconds())
		if direction := directions[e.Kind]; direction != "" && e.Bytes > 0 {
			m.bytes.WithLabelValues(e.Door, direction).Add(float64(e.Bytes))
		}
	}
}

// refusedBy names the rule of a refusal alone: a login's would only repeat "admitted".
func refusedBy(e events.Event) string {
	if e.Outcome == events.OK {
		return ""
	}
	return e.Rule
}

var directions = map[events.Kind]string{events.Upload: "in", events.Download: "out"}

// observe notes how long a call of the store took.
func (m *Metrics) observe(call string, began time.Time, err error) {
	outcome := "ok"
	if err != nil {
		outcome = "error"
	}
	m.store.WithLabelValues(call, outcome).Observe(time.Since(began).Seconds())
}
