package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/storage/accounts"
)

// Patch is the text of a JSON merge patch (RFC 7396) of a T. It is judged when it
// is merged, so that null may stand anywhere.
type Patch[T any] []byte

// UnmarshalJSON keeps the text.
func (p *Patch[T]) UnmarshalJSON(text []byte) error {
	*p = bytes.Clone(text)
	return nil
}

// Schema is T's.
func (Patch[T]) Schema(r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[T](), true, "")
}

// Merge lays a JSON merge patch (RFC 7396) over a value: what the patch does
// not name stays, null resets to what reset has there.
func Merge[T any](present, reset T, patch []byte) (T, error) {
	var merged T
	tree, err := treeOf(present)
	if err != nil {
		return merged, err
	}
	initial, err := treeOf(reset)
	if err != nil {
		return merged, err
	}
	change, err := decodeTree(patch)
	if err != nil || change == nil {
		return merged, &accounts.InvalidError{Field: "body", Why: "is no JSON object"}
	}
	if key, found := unknownKey(reflect.TypeFor[T](), change); found {
		return merged, &accounts.InvalidError{Field: key, Why: "is no setting"}
	}
	mergeInto(tree, change, initial)
	text, err := json.Marshal(tree)
	if err != nil {
		return merged, err
	}
	if err := json.Unmarshal(text, &merged); err != nil {
		return merged, &accounts.InvalidError{Field: promoted(reflect.TypeFor[T](), FieldOf(err)), Why: "has the wrong type"}
	}
	return merged, nil
}

func treeOf(v any) (map[string]any, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return decodeTree(text)
}

// decodeTree keeps numbers as they are written: a float64 would round them.
func decodeTree(text []byte) (map[string]any, error) {
	var tree map[string]any
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	return tree, dec.Decode(&tree)
}

func mergeInto(tree, change, initial map[string]any) {
	for key, value := range change {
		inner, isMap := value.(map[string]any)
		below, hasMap := tree[key].(map[string]any)
		was, known := initial[key]
		innerInitial, _ := was.(map[string]any)
		switch {
		case value == nil && known:
			tree[key] = was
		case value == nil:
			delete(tree, key)
		case isMap && hasMap:
			mergeInto(below, inner, innerInitial)
		case isMap:
			fresh := map[string]any{}
			mergeInto(fresh, inner, innerInitial)
			tree[key] = fresh
		default:
			tree[key] = value
		}
	}
}

// unknownKey finds a key of a patch that is no field of t. encoding/json would
// take one that differs in case alone for the field, or for nothing at all.
func unknownKey(t reflect.Type, change map[string]any) (key string, found bool) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return "", false
	}
	fields := map[string]reflect.Type{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		fields[name] = f.Type
	}
	for key, value := range change {
		field, ok := fields[key]
		if !ok || key == "" {
			return key, true
		}
		if inner, isMap := value.(map[string]any); isMap {
			if unknown, found := unknownKey(field, inner); found {
				return key + "." + unknown, true
			}
		}
	}
	return "", false
}

// FieldOf names the field that JSON of the wrong type stands in.
func FieldOf(err error) string {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && e.Field != "" {
		return e.Field
	}
	return "body"
}

// promoted leaves the names of embedded structs out of a field's way: they stand
// in the error, and in no JSON.
func promoted(t reflect.Type, field string) string {
	var way []string
	for name := range strings.SplitSeq(field, ".") {
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			way = append(way, name)
			continue
		}
		if f, ok := t.FieldByName(name); ok && f.Anonymous && f.Tag.Get("json") == "" {
			t = f.Type
			continue
		}
		way = append(way, name)
		for _, f := range reflect.VisibleFields(t) {
			if tag, _, _ := strings.Cut(f.Tag.Get("json"), ","); tag == name {
				t = f.Type
				break
			}
		}
	}
	return strings.Join(way, ".")
}
