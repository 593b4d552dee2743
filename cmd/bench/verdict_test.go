package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

// took is a sample of one operation for each of so many milliseconds of
// processor time, in a second.
func took(ms ...int) (all []sample) {
	for _, n := range ms {
		all = append(all, sample{Amount: 1, Wall: time.Second, CPU: time.Duration(n) * time.Millisecond})
	}
	return all
}

func TestVerdicts(t *testing.T) {
	tests := map[string]struct {
		samples map[string][]sample
		goal    goal
		value   float64
		said    string
	}{
		"met": {
			map[string][]sample{gatewayName: took(5, 8, 6), "a": took(10, 10, 10)}, cpuOf(0.8, "a"), 0.6, "cpu <= 0.80 of a: 0.60 ok",
		},
		"rounds are compared with one another": {
			map[string][]sample{gatewayName: took(10, 100, 20), "a": took(10, 50, 20)}, cpuOf(1, "a"), 1, "cpu <= 1.00 of a: 1.00 ok",
		},
		"the best of several counts": {
			map[string][]sample{gatewayName: took(6), "a": took(10), "b": took(5)}, cpuOf(0.8, "a", "b"), 1.2, "cpu <= 0.80 of a/b: 1.20 MISSED",
		},
		"of those that were measured": {
			map[string][]sample{gatewayName: took(6), "a": took(10)}, cpuOf(0.8, "a", "b"), 0.6, "cpu <= 0.80 of a/b: 0.60 ok",
		},
		"a rate": {
			map[string][]sample{gatewayName: took(1), "a": took(1)}, rateOf(1, "a"), 1, "rate >= 1.00 of a: 1.00 ok",
		},
		"nobody to compare with": {
			map[string][]sample{gatewayName: took(6)}, cpuOf(0.8, "a"), math.NaN(), "cpu <= 0.80 of a: - not measured",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := newOutcome(&work{unit: operations, goals: []goal{test.goal}}, inMemory)
			o.samples = test.samples
			v := o.verdicts()[0]
			if v.value != test.value && !(math.IsNaN(v.value) && math.IsNaN(test.value)) {
				t.Errorf("got %v, want %v", v.value, test.value)
			}
			if v.String() != test.said {
				t.Errorf("said %q, want %q", v, test.said)
			}
			if v.met != strings.HasSuffix(test.said, "ok") {
				t.Errorf("met: %v", v.met)
			}
		})
	}
}

// What has failed is said in the table, and nothing that JSON cannot hold is
// written there.
func TestReports(t *testing.T) {
	w := &work{name: "w", title: "Work", unit: operations, servers: []string{"sshd"}, goals: []goal{cpuOf(1, "sshd")}}
	o, disk := newOutcome(w, inMemory), newOutcome(w, onDisk)
	o.samples[gatewayName], disk.samples[gatewayName] = took(2, 4), took(5)
	o.failed["sshd"] = errors.New("it was\nout")
	var table, report bytes.Buffer
	if err := errors.Join(writeTable(&table, []*outcome{o, disk}), writeJSON(&report, []*outcome{o, disk})); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Work, on a disk", "3000 us", "not measured", "it was out"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("%q is not in the table:\n%s", want, &table)
		}
	}
	var rows []row
	if err := json.Unmarshal(report.Bytes(), &rows); err != nil {
		t.Fatal(err)
	}
	if len(rows[1].Goals) > 0 || strings.Count(table.String(), "not measured") != 1 {
		t.Errorf("with the data on a disk there are no goals:\n%s", &table)
	}
	if got := rows[0].Servers[gatewayName]; *got.CPU != 0.003 || len(got.Samples) != 2 || rows[0].Goals[0].Value != nil || rows[0].Failed["sshd"] == "" {
		t.Errorf("reported %+v", rows[0])
	}
}

func TestOccurrencesAreCountedAcrossWrites(t *testing.T) {
	const text = "<href>a</href><href>b</href>"
	for cut := range len(text) {
		o := &occurrences{of: []byte("href>")}
		for _, part := range []string{text[:cut], text[cut:]} {
			if n, err := o.Write([]byte(part)); n != len(part) || err != nil {
				t.Fatalf("wrote %d: %v", n, err)
			}
		}
		if o.found != 4 {
			t.Errorf("cut at %d: found %d of 4", cut, o.found)
		}
	}
}

// Every work has a name of its own, takes part in with servers that there are,
// and its goals are about those that it is done on.
func TestWorks(t *testing.T) {
	known := map[string]bool{}
	for _, r := range roster {
		known[r.name] = true
	}
	seen := map[string]bool{}
	for _, w := range (&farm{}).works(whole) {
		if seen[w.name] {
			t.Errorf("%s is there twice", w.name)
		}
		seen[w.name] = true
		for _, name := range w.servers {
			if !known[name] {
				t.Errorf("%s: nobody is called %s", w.name, name)
			}
		}
		for _, g := range w.goals {
			for _, name := range g.than {
				if !w.concerns(name) {
					t.Errorf("%s has a goal by %s, which does not do it", w.name, name)
				}
			}
		}
	}
}
