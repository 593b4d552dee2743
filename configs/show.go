package configs

import (
	"fmt"
	"reflect"
	"sort"
	"strings"

	"github.com/goccy/go-yaml"
)

// A Value is an effective value and where it came from, secrets redacted.
type Value struct {
	Key    string `json:"key"`
	Value  any    `json:"value"`
	Origin string `json:"origin"`
}

// Text is the value in one line, lists as they may stand in the file.
func (v Value) Text() string {
	if reflect.ValueOf(v.Value).Kind() == reflect.Slice {
		if text, err := yaml.MarshalWithOptions(v.Value, yaml.Flow(true)); err == nil {
			return strings.TrimSpace(string(text))
		}
	}
	return fmt.Sprint(v.Value)
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
