package state

import (
	"fmt"
	"time"
)

// An Item is a piece of a dump. Scope and Name identify it within its kind;
// the value of a counter is opaque to all but the stores.
type Item struct {
	Kind     string
	Scope    string // or stream
	Name     string
	Value    []byte
	Revision uint64    // or position
	Expires  time.Time // or an entry's time
}

// Kinds of items. A scope comes before its records and counters, a stream
// before its entries, which are in order.
const (
	ItemScope   = "scope"
	ItemRecord  = "record"
	ItemCounter = "counter"
	ItemStream  = "stream"
	ItemEntry   = "entry"
)

// Validate reports an item that no store loads, as an ErrInvalid.
func (i Item) Validate() error {
	if err := CheckScope(i.Scope); err != nil {
		return err
	}
	if len(i.Value) > MaxValue {
		return fmt.Errorf("%w: %s of %q is too long", ErrInvalid, i.Kind, i.Scope)
	}
	switch i.Kind {
	case ItemScope, ItemStream:
		return nil
	case ItemRecord, ItemCounter:
		return checkName(i.Name)
	case ItemEntry:
		if i.Revision == 0 {
			return fmt.Errorf("%w: entry of %q without a position", ErrInvalid, i.Scope)
		}
		return nil
	}
	return fmt.Errorf("%w: item of the kind %q", ErrInvalid, i.Kind)
}
