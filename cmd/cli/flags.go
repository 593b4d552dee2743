package cli

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// A word is a flag that takes one of a few.
type word struct {
	value   string
	allowed []string
}

// oneOf defines a flag that takes one of the words; usage says what for.
func oneOf(f *pflag.FlagSet, name, usage string, allowed ...string) *string {
	w := &word{allowed: allowed}
	f.Var(w, name, withWords(usage, allowed))
	return &w.value
}

func withWords(usage string, allowed []string) string {
	return strings.TrimPrefix(usage+": "+strings.Join(allowed, ", "), ": ")
}

// Set takes an allowed word.
func (w *word) Set(text string) error {
	if !slices.Contains(w.allowed, text) {
		return fmt.Errorf("it is one of %s", strings.Join(w.allowed, ", "))
	}
	w.value = text
	return nil
}

// String is the word that was given.
func (w *word) String() string { return w.value }

// Type is what help calls the value.
func (w *word) Type() string { return "WORD" }

// words is a flag that takes several, separated by commas or the flag repeated.
type words struct {
	values  []string
	allowed []string
}

// someOf defines a flag that takes some of the words.
func someOf(f *pflag.FlagSet, name, usage string, allowed ...string) *[]string {
	w := &words{allowed: allowed}
	f.Var(w, name, withWords(usage, allowed))
	return &w.values
}

// Set adds to what was given before.
func (w *words) Set(text string) error {
	for one := range strings.SplitSeq(text, ",") {
		if one = strings.TrimSpace(one); !slices.Contains(w.allowed, one) {
			return fmt.Errorf("%q is none of %s", one, strings.Join(w.allowed, ", "))
		}
		w.values = append(w.values, one)
	}
	return nil
}

// String is what was given.
func (w *words) String() string { return strings.Join(w.values, ",") }

// Type is what help calls the value.
func (w *words) Type() string { return "WORDS" }

// end is a flag that says when something ends: a date, through which it lasts on
// this machine, or an instant.
type end struct{ time.Time }

func endFlag(f *pflag.FlagSet, name, usage string) *end {
	e := &end{}
	f.Var(e, name, usage)
	return e
}

// Set reads a date or an instant.
func (e *end) Set(text string) error {
	if day, err := time.ParseInLocation(time.DateOnly, text, time.Local); err == nil {
		e.Time = day.AddDate(0, 0, 1)
		return nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return errors.New("it is a date such as 2031-01-31 (through that day), or an RFC 3339 instant such as 2031-01-31T18:00:00+01:00")
	}
	e.Time = t
	return nil
}

// String is the instant.
func (e *end) String() string {
	if e.IsZero() {
		return ""
	}
	return e.Format(time.RFC3339)
}

// Type is what help calls the value.
func (e *end) Type() string { return "DAY" }

// pairsFlag defines a flag that takes NAME=VALUE, several separated by commas.
func pairsFlag(f *pflag.FlagSet, into *map[string]string, name, usage string) {
	f.StringToStringVar(into, name, nil, usage)
	f.Lookup(name).DefValue = "" // help would say []
}

// flagError names the flag, the value and what is allowed.
func flagError(err error) error {
	var bad *pflag.InvalidValueError
	if !errors.As(err, &bad) {
		return &usageError{err}
	}
	why := bad.Unwrap().Error()
	var number *strconv.NumError
	switch kind := bad.GetFlag().Value.Type(); {
	case kind == "bool":
		why = "it is true or false"
	case kind == "stringToString":
		why = "it is NAME=VALUE, several separated by commas"
	case errors.As(err, &number):
		why = "it is a whole number"
	}
	return usagef("--%s %q: %s", bad.GetFlag().Name, bad.GetValue(), why)
}
