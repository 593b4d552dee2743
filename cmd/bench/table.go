package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
)

// writeTable prints all outcomes, the gateway's line of each work with the ratios
// and what they say of the goals.
func writeTable(w io.Writer, all []*outcome) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "work\tserver\trate\tserver cpu or memory\tpeak memory\tof best peer\tof floor\tgoal")
	for _, o := range all {
		title := o.work.title
		if o.place != inMemory {
			title += ", " + o.place
		}
		for _, r := range roster {
			name := r.name
			if len(o.samples[name]) == 0 && o.failed[name] == nil {
				continue
			}
			_, _ = fmt.Fprintln(t, strings.Join(append([]string{title, name}, o.cells(name)...), "\t"))
			title = ""
		}
	}
	return t.Flush()
}

// cells are what there is to say of one server.
func (o *outcome) cells(name string) []string {
	if err := o.failed[name]; err != nil {
		return []string{"failed", "", "", "", "", strings.ReplaceAll(err.Error(), "\n", " ")}
	}
	cells := []string{o.rate(name), o.cost(name), fmt.Sprintf("%.1f MiB, %+.1f", o.median(name, peak)/(1<<20), o.median(name, grown)), "", "", ""}
	if name != gatewayName {
		return cells
	}
	f := o.work.figure()
	var said []string
	for _, v := range o.verdicts() {
		said = append(said, v.String())
	}
	return append(cells[:3], ratio(o.best(o.work.servers, f)), ratio(o.ratio(floorName, f)), strings.Join(said, "; "))
}

func (v verdict) String() string {
	said := "MISSED"
	switch {
	case math.IsNaN(v.value):
		said = "not measured"
	case v.met:
		said = "ok"
	}
	return fmt.Sprintf("%s %s %.2f%s: %s %s", v.goal.figure, v.goal.relation(), v.goal.limit, v.goal.of(), ratio(v.value), said)
}

func (o *outcome) rate(name string) string {
	per := o.median(name, rate)
	switch o.work.unit {
	case gibibytes:
		return fmt.Sprintf("%.0f MB/s", per*(1<<30)/1e6)
	case operations:
		return fmt.Sprintf("%.0f/s", per)
	}
	return "-"
}

func (o *outcome) cost(name string) string {
	switch o.work.unit {
	case gibibytes:
		return fmt.Sprintf("%.2f s/GiB", o.median(name, cpu))
	case operations:
		return fmt.Sprintf("%.0f us", o.median(name, cpu)*1e6)
	case sessions:
		return fmt.Sprintf("%.0f KiB each", o.median(name, memory)/1024)
	}
	if o.work.unit == transfers {
		return fmt.Sprintf("%+.1f MiB, %.2f times", o.median(name, memory)/(1<<20), o.median(name, count))
	}
	return fmt.Sprintf("%.2f", o.median(name, count))
}

func ratio(v float64) string {
	if math.IsNaN(v) {
		return "-"
	}
	return fmt.Sprintf("%.2f", v)
}
