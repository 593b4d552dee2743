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
