package main

import (
	"math"
	"slices"
)

// A verdict is a goal with what was measured.
type verdict struct {
	goal  goal
	value float64 // of the gateway, as a part of the others' where there are any
	met   bool
}

// median is that of all rounds of a server.
func (o *outcome) median(name string, f figure) float64 {
	var all []float64
	for _, s := range o.samples[name] {
		all = append(all, f.value(s))
	}
	return median(all)
}

// ratio is the median of the rounds' ratios of the gateway's figure to another's.
func (o *outcome) ratio(than string, f figure) float64 {
	ours, theirs := o.samples[gatewayName], o.samples[than]
	var all []float64
	for i := range min(len(ours), len(theirs)) {
		if v := f.value(theirs[i]); v > 0 {
			all = append(all, f.value(ours[i])/v)
		}
	}
	return median(all)
}

// best is the ratio to the best of several; NaN where none of them was measured.
func (o *outcome) best(than []string, f figure) float64 {
	worst := math.NaN()
	for _, name := range than {
		r := o.ratio(name, f)
		switch {
		case math.IsNaN(r):
		case math.IsNaN(worst), f == rate && r < worst, f != rate && r > worst:
			worst = r
		}
	}
	return worst
}

// verdicts are those on the goals, which are about data in memory: on a disk the
// gateway promises more than the others do.
func (o *outcome) verdicts() (all []verdict) {
	if o.place != inMemory {
		return nil
	}
	for _, g := range o.work.goals {
		value := o.best(g.than, g.figure)
		if len(g.than) == 0 {
			value = o.median(gatewayName, g.figure)
		}
		all = append(all, verdict{g, value, g.met(value)})
	}
	return all
}

// figure is the one that the work's ratios are about.
func (w *work) figure() figure {
	switch w.unit {
	case sessions:
		return memory
	case transfers:
		return peak
	case hashes:
		return count
	}
	return cpu
}

// median is NaN of nothing.
func median(of []float64) float64 {
	if len(of) == 0 {
		return math.NaN()
	}
	slices.Sort(of)
	if n := len(of); n%2 == 0 {
		return (of[n/2-1] + of[n/2]) / 2
	}
	return of[len(of)/2]
}
