package configs

import (
	"fmt"
	"sort"
)

// A Value is an effective value and where it came from, secrets redacted.
type Value struct {
	Key    string `json:"key"`
	Value  any    `json:"value"`
	Origin string `json:"origin"`
}

// Values lists the effective configuration by key.
func (l *Loaded) Values() []Value {
	fields := fieldsOf(&l.Config)
	list := make([]Value, 0, len(fields))
	for key, f := range fields {
		value := f.value.Interface()
		if f.secret && !f.value.IsZero() {
			value = "(redacted)"
		}
		if d, ok := value.(fmt.Stringer); ok {
			value = d.String()
		}
		list = append(list, Value{key, value, l.Origin[key]})
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Key < list[j].Key })
	return list
}
