package webhooks

import (
	"fmt"
	"slices"
	"strings"

	"gatehouse/storage/events"
)

// A Filter says which events a webhook hears of; what is empty lets all pass.
type Filter struct {
	Kinds    []events.Kind `json:"kinds,omitempty"` // each with those below it
	Accounts []string      `json:"accounts,omitempty"`
	Path     string        `json:"path,omitempty"` // this tree path and all below it, as the source or the target
	Outcomes []string      `json:"outcomes,omitempty"`
}

// Passes reports whether an event is for who has this filter.
func (f Filter) Passes(e events.Event) bool {
	switch {
	case len(f.Kinds) > 0 && !slices.ContainsFunc(f.Kinds, e.Kind.Under):
		return false
	case len(f.Outcomes) > 0 && !slices.Contains(f.Outcomes, e.Outcome):
		return false
	case f.Path != "" && !e.Touches(f.Path):
		return false
	}
	return len(f.Accounts) == 0 || slices.ContainsFunc(f.Accounts, func(name string) bool { return strings.EqualFold(name, e.Account) })
}

// maxFilters is how many things one filter may name.
const maxFilters = 100

func (f Filter) validate() error {
	if len(f.Kinds)+len(f.Accounts)+len(f.Outcomes) > maxFilters {
		return &InvalidError{Field: "filter", Why: fmt.Sprintf("names more than %d things", maxFilters)}
	}
	for _, k := range f.Kinds {
		if !k.Asks() {
			return &InvalidError{Field: "filter.kinds", Why: fmt.Sprintf("%q is no kind of event", k), Kind: k}
		}
	}
	if slices.ContainsFunc(f.Accounts, func(name string) bool { return name == "" || len(name) > maxText }) {
		return &InvalidError{Field: "filter.accounts", Why: "takes usernames"}
	}
	outcomes := []string{events.OK, events.Denied, events.Failed, events.WasCut, events.Aborted}
	for _, o := range f.Outcomes {
		if !slices.Contains(outcomes, o) {
			return &InvalidError{Field: "filter.outcomes", Why: "is none of " + strings.Join(outcomes, ", ")}
		}
	}
	return nil
}
