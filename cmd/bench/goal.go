package main

import "strings"

// A figure is one of those that a goal may be about.
type figure string

const (
	cpu    figure = "cpu"
	rate   figure = "rate"
	memory figure = "memory"
	count  figure = "hashes"
	times  figure = "times a smaller one"
	peak   figure = "peak"
	grown  figure = "MiB more"
)

// A goal bounds a figure of the gateway by that of others, in the same rounds.
type goal struct {
	figure figure
	than   []string // the best of them counts; nobody: the figure itself is bounded
	limit  float64
}

// cpuOf is a goal for processor time: at most so much of the best of the others.
func cpuOf(limit float64, than ...string) goal { return goal{cpu, than, limit} }

// rateOf is a goal for the rate: at least so much of the best of the others.
func rateOf(limit float64, than ...string) goal { return goal{rate, than, limit} }

// memoryOf is a goal for the memory of a session.
func memoryOf(limit float64, than ...string) goal { return goal{memory, than, limit} }

func (g goal) met(value float64) bool {
	if g.figure == rate {
		return value >= g.limit
	}
	return value <= g.limit
}

func (g goal) relation() string {
	if g.figure == rate {
		return ">="
	}
	return "<="
}

func (g goal) of() string {
	if len(g.than) == 0 {
		return ""
	}
	return " of " + strings.Join(g.than, "/")
}

// value takes a figure from a sample; smaller is better but for the rate.
func (f figure) value(s sample) float64 {
	switch f {
	case cpu:
		return s.CPU.Seconds() / s.Amount
	case rate:
		return s.Amount / s.Wall.Seconds()
	case memory:
		return s.Memory
	case grown:
		return float64(s.Grown) / (1 << 20)
	case peak:
		return float64(s.Peak)
	}
	return s.Count // of hashes, or how many times
}
