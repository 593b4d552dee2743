package configs

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// field is one key of the configuration.
type field struct {
	value  reflect.Value
	secret bool
}

// fieldsOf returns the fields of c by key: "listen.sftp".
func fieldsOf(c *Config) map[string]field {
	found := map[string]field{}
	collect(found, "", reflect.ValueOf(c).Elem())
	return found
}

func collect(into map[string]field, prefix string, section reflect.Value) {
	for i := range section.NumField() {
		tag := section.Type().Field(i).Tag
		key, value := prefix+tag.Get("yaml"), section.Field(i)
		if value.Kind() == reflect.Struct {
			collect(into, key+".", value)
			continue
		}
		into[key] = field{value: value, secret: tag.Get("secret") != ""}
	}
}

// set writes a value as the YAML reader, the environment or a flag gave it.
func (f field) set(value any) error {
	switch f.value.Interface().(type) {
	case string:
		return f.setString(value)
	case bool:
		return f.setBool(value)
	case int:
		return f.setInt(value)
	case time.Duration:
		return f.setDuration(value)
	case []string:
		return f.setList(value)
	case []Mount:
		return f.setMounts(value)
	case PublicAddress:
		return f.setPublicAddress(value)
	case []LegacyAlgorithms:
		return setEntries[LegacyAlgorithms](f, value)
	}
	return fmt.Errorf("has a type that cannot be set (%s)", f.value.Type())
}

func (f field) setString(value any) error {
	switch v := value.(type) {
	case nil:
		f.value.SetString("")
	case string:
		f.value.SetString(v)
	case uint64, int64, int:
		f.value.SetString(fmt.Sprint(v))
	default:
		return errors.New("takes text")
	}
	return nil
}

func (f field) setBool(value any) error {
	if text, ok := value.(string); ok {
		b, err := strconv.ParseBool(text)
		if err != nil {
			return errors.New("takes true or false")
		}
		value = b
	}
	b, ok := value.(bool)
	if !ok {
		return errors.New("takes true or false")
	}
	f.value.SetBool(b)
	return nil
}

func (f field) setInt(value any) error {
	n, err := strconv.ParseInt(fmt.Sprint(value), 10, 32)
	if err != nil {
		return errors.New("takes a whole number")
	}
	f.value.SetInt(n)
	return nil
}

func (f field) setDuration(value any) error {
	d, err := time.ParseDuration(fmt.Sprint(value))
	if err != nil {
		return errors.New("takes a duration such as 30s or 5m")
	}
	f.value.SetInt(int64(d))
	return nil
}

func (f field) setList(value any) error {
	var list []string
	switch v := value.(type) {
	case nil:
	case string:
		for item := range strings.SplitSeq(v, ",") {
			if item = strings.TrimSpace(item); item != "" {
				list = append(list, item)
			}
		}
	case []any:
		for _, item := range v {
			text, ok := item.(string)
			if !ok {
				return errors.New("takes a list of texts")
			}
			list = append(list, text)
		}
	default:
		return errors.New("takes a list of texts")
	}
	f.value.Set(reflect.ValueOf(list))
	return nil
}

// setMounts decodes each mount over the defaults of one.
func (f field) setMounts(value any) error {
	items, err := listOf(value)
	if err != nil {
		return err
	}
	mounts := make([]Mount, 0, len(items))
	for i, item := range items {
		m := defaultMount()
		m.Path, m.Dir = "", ""
		if err := decodeStrict(item, &m); err != nil {
			return fmt.Errorf("entry %d: %w", i+1, err)
		}
		mounts = append(mounts, m)
	}
	f.value.Set(reflect.ValueOf(mounts))
	return nil
}

func (f field) setPublicAddress(value any) error {
	if text, ok := value.(string); ok && !strings.HasPrefix(strings.TrimSpace(text), "[") {
		var rules PublicAddress
		if text != "" {
			rules = PublicAddress{{Address: text}}
		}
		f.value.Set(reflect.ValueOf(rules))
		return nil
	}
	return setEntries[PublicRule](f, value)
}

// setEntries decodes a list of entries that have no defaults.
func setEntries[E any](f field, value any) error {
	if value == nil {
		f.value.SetZero()
		return nil
	}
	items, err := listOf(value)
	if err != nil {
		return err
	}
	entries := make([]E, len(items))
	for i, item := range items {
		if err := decodeStrict(item, &entries[i]); err != nil {
			return fmt.Errorf("entry %d: %w", i+1, err)
		}
	}
	f.value.Set(reflect.ValueOf(entries).Convert(f.value.Type()))
	return nil
}

// listOf takes a list, or the text of one as the environment has it.
func listOf(value any) ([]any, error) {
	if text, ok := value.(string); ok {
		value = nil
		if err := yaml.Unmarshal([]byte(text), &value); err != nil {
			return nil, errors.New("takes a list in YAML")
		}
	}
	items, ok := value.([]any)
	if !ok {
		return nil, errors.New("takes a list")
	}
	return items, nil
}

func decodeStrict(item, into any) error {
	if _, ok := item.(map[string]any); !ok {
		return errors.New("takes keys and values")
	}
	text, err := yaml.Marshal(item)
	if err != nil {
		return err
	}
	if err := yaml.UnmarshalWithOptions(text, into, yaml.Strict()); err != nil {
		first, _, _ := strings.Cut(yaml.FormatError(err, false, false), "\n")
		return errors.New(strings.TrimSpace(first))
	}
	return nil
}
