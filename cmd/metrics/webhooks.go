package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// scraping is how long a scrape waits for the store.
const scraping = 2 * time.Second

// Webhook counts a try to deliver a message, by how it ended.
func (m *Metrics) Webhook(outcome string) { m.webhooks.WithLabelValues(outcome).Inc() }

// Webhooks shows how many events each enabled webhook has not dealt with yet.
func (m *Metrics) Webhooks(behind func(context.Context) (map[string]uint64, error)) {
	m.registry.MustRegister(&behindness{
		behind: behind,
		told:   prometheus.NewDesc("gatehouse_webhook_behind", "Events that an enabled webhook has not dealt with yet, by its id.", []string{"webhook"}, nil),
	})
}

// behindness asks at each scrape: webhooks come and go.
type behindness struct {
	behind func(context.Context) (map[string]uint64, error)
	told   *prometheus.Desc
}

// Describe is prometheus.Collector's.
func (b *behindness) Describe(to chan<- *prometheus.Desc) { to <- b.told }

// Collect is prometheus.Collector's. A store that does not answer shows nothing.
func (b *behindness) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scraping)
	defer cancel()
	all, err := b.behind(ctx)
	if err != nil {
		return
	}
	for id, n := range all {
		to <- prometheus.MustNewConstMetric(b.told, prometheus.GaugeValue, float64(n), id)
	}
}
