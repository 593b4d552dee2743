package cli

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// printJSON prints v for scripts.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.Out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// list prints v as JSON, or the rows as a table under their heads.
func (a *app) list(v any, heads []string, rows [][]string) error {
	if a.json {
		return a.printJSON(v)
	}
	w := tabwriter.NewWriter(a.Out, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, strings.Join(heads, "\t"))
	for _, row := range rows {
		for i := range row {
			row[i] = visible(row[i])
		}
		_, _ = fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}

// show prints v as JSON, or the pairs one a line.
func (a *app) show(v any, pairs [][2]string) error {
	if a.json {
		return a.printJSON(v)
	}
	w := tabwriter.NewWriter(a.Out, 0, 4, 2, ' ', 0)
	for _, p := range pairs {
		if p[1] != "" {
			_, _ = fmt.Fprintf(w, "%s\t%s\n", p[0], visible(p[1]))
		}
	}
	return w.Flush()
}

// say prints a line for people; scripts that asked for JSON get none.
func (a *app) say(format string, args ...any) {
	if !a.json {
		_, _ = fmt.Fprintln(a.Out, visible(fmt.Sprintf(format, args...)))
	}
}

// warn tells on standard error what may not be meant. Scripts have it in the
// JSON, too.
func (a *app) warn(warnings []string) {
	for _, w := range warnings {
		_, _ = fmt.Fprintln(a.Err, "warning: "+visible(w))
	}
}

// visible keeps names from speaking to the terminal: no control characters, and
// none that turn the direction of writing.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return '?'
		}
		return r
	}, s)
}

// visibleLines is visible for a text of several lines.
func visibleLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = visible(lines[i])
	}
	return strings.Join(lines, "\n")
}

func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// size writes bytes for people; nil is unlimited.
func size(n *int64) string {
	if n == nil {
		return "unlimited"
	}
	const unit = 1024
	v, i := float64(*n), 0
	for v >= unit && i < 5 {
		v, i = v/unit, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d B", *n)
	}
	return fmt.Sprintf("%.1f %ciB", v, "KMGTP"[i-1])
}

// parseSize reads the bytes that a flag was given, with a unit such as 10GiB, 5GB
// or 1k where there is one.
func parseSize(flag, text string) (int64, error) {
	digits := strings.TrimRightFunc(text, unicode.IsLetter)
	units := map[string]int64{
		"": 1, "b": 1, "k": 1 << 10, "kib": 1 << 10, "kb": 1e3, "m": 1 << 20, "mib": 1 << 20, "mb": 1e6,
		"g": 1 << 30, "gib": 1 << 30, "gb": 1e9, "t": 1 << 40, "tib": 1 << 40, "tb": 1e12,
		"p": 1 << 50, "pib": 1 << 50, "pb": 1e15,
	}
	unit, known := units[strings.ToLower(text[len(digits):])]
	wrong := usagef("--%s: %q is no size: give bytes, or a unit such as 10GiB", flag, text)
	if !known || strings.Trim(digits, "0123456789.") != "" {
		return 0, wrong
	}
	if n, err := strconv.ParseInt(digits, 10, 64); err == nil && n <= math.MaxInt64/unit {
		return n * unit, nil
	}
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil || n*float64(unit) > 1<<62 {
		return 0, wrong
	}
	return int64(n * float64(unit)), nil
}
