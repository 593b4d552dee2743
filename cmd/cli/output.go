package cli

import (
	"encoding/json"
	"fmt"
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
		_, _ = fmt.Fprintf(a.Out, format+"\n", args...)
	}
}

// visible keeps names from speaking to the terminal.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, s)
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

// parseSize reads bytes, with a unit such as 10GiB, 5GB or 1k where there is one.
func parseSize(text string) (int64, error) {
	digits := strings.TrimRightFunc(text, unicode.IsLetter)
	units := map[string]int64{
		"": 1, "b": 1, "k": 1 << 10, "kib": 1 << 10, "kb": 1e3, "m": 1 << 20, "mib": 1 << 20, "mb": 1e6,
		"g": 1 << 30, "gib": 1 << 30, "gb": 1e9, "t": 1 << 40, "tib": 1 << 40, "tb": 1e12,
	}
	unit, known := units[strings.ToLower(text[len(digits):])]
	var n float64
	if _, err := fmt.Sscanf(digits, "%f", &n); err != nil || !known || n < 0 || n*float64(unit) > 1<<62 {
		return 0, usagef("%q is no size: give bytes, or a unit such as 10GiB", text)
	}
	return int64(n * float64(unit)), nil
}
