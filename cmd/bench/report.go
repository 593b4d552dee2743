package main

import (
	"encoding/json"
	"io"
	"math"
)

// A row is an outcome for other programs.
type row struct {
	Work    string              `json:"work"`
	Title   string              `json:"title"`
	Place   string              `json:"place"`
	Unit    unit                `json:"unit"`
	Servers map[string]measured `json:"servers"`
	Failed  map[string]string   `json:"failed,omitempty"`
	Goals   []judged            `json:"goals,omitempty"`
}

// measured has the medians of a server, and what the gateway's are of them.
type measured struct {
	Rate    *float64 `json:"per_second"`
	CPU     *float64 `json:"cpu_seconds_per_unit"`
	Peak    *float64 `json:"peak_bytes"`
	Memory  *float64 `json:"session_bytes,omitempty"`
	Count   *float64 `json:"count,omitempty"`
	Ratio   *float64 `json:"gateway_of_it,omitempty"`
	Samples []sample `json:"samples"`
}

type judged struct {
	Figure figure   `json:"figure"`
	Than   []string `json:"than,omitempty"`
	Limit  float64  `json:"limit"`
	Value  *float64 `json:"value"`
	Met    bool     `json:"met"`
}

// writeJSON writes all outcomes with every sample.
func writeJSON(w io.Writer, all []*outcome) error {
	rows := []row{}
	for _, o := range all {
		r := row{Work: o.work.name, Title: o.work.title, Place: o.place, Unit: o.work.unit, Servers: map[string]measured{}, Failed: map[string]string{}}
		for name, samples := range o.samples {
			r.Servers[name] = measured{
				known(o.median(name, rate)), known(o.median(name, cpu)), known(o.median(name, peak)), known(o.median(name, memory)),
				known(o.median(name, count)), known(o.ratio(name, o.work.figure())), samples,
			}
		}
		for name, err := range o.failed {
			r.Failed[name] = err.Error()
		}
		for _, v := range o.verdicts() {
			r.Goals = append(r.Goals, judged{v.goal.figure, v.goal.than, v.goal.limit, known(v.value), v.met})
		}
		rows = append(rows, r)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(rows)
}

// known leaves out what JSON has no number for.
func known(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}
