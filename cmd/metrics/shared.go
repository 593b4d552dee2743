package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Away shows for how long the store has been away, all times together.
func (m *Metrics) Away(total func() time.Duration) {
	m.show("gatehouse_store_away_seconds_total", "For how long the store was away, or took no changes.", func() float64 { return total().Seconds() })
}

// Trips shows how often something was sent to the store and its answer awaited.
func (m *Metrics) Trips(made func() uint64) {
	m.show("gatehouse_store_round_trips_total", "Round trips to the store's server.", func() float64 { return float64(made()) })
}

// Memory shows what each of the store's servers uses of the memory that it may use.
// each shows all that is known, and asks nobody.
func (m *Metrics) Memory(each func(show func(server string, used, most uint64))) {
	told := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, []string{"server"}, nil)
	}
	m.registry.MustRegister(&memory{
		each: each,
		used: told("gatehouse_store_memory_used_bytes", "Memory that a server of the store uses."),
		most: told("gatehouse_store_memory_max_bytes", "The most memory that a server of the store may use: its maxmemory, or what its machine has."),
	})
}

// memory shows a figure for each server.
type memory struct {
	each       func(show func(server string, used, most uint64))
	used, most *prometheus.Desc
}

// Describe is prometheus.Collector's.
func (m *memory) Describe(to chan<- *prometheus.Desc) { to <- m.used; to <- m.most }

// Collect is prometheus.Collector's.
func (m *memory) Collect(to chan<- prometheus.Metric) {
	m.each(func(server string, used, most uint64) {
		to <- prometheus.MustNewConstMetric(m.used, prometheus.GaugeValue, float64(used), server)
		to <- prometheus.MustNewConstMetric(m.most, prometheus.GaugeValue, float64(most), server)
	})
}

// Spooled shows how much is kept on this machine until the store takes it.
func (m *Metrics) Spooled(bytes func() int64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gatehouse_events_spooled_bytes", Help: "Events that are kept on this machine and are not in the trail yet: 64 MiB at most.",
	}, func() float64 { return float64(bytes()) }))
}

// Held shows whether this node holds what it was given.
func (m *Metrics) Held(held func() bool) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gatehouse_node_held", Help: "1 while this node surely holds what it was given, 0 while it changes nothing.",
	}, func() float64 {
		if held() {
			return 1
		}
		return 0
	}))
}

func (m *Metrics) show(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value))
}
