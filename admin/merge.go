package admin

import (
	"bytes"
	"encoding/json"
	"fmt"

	"gatehouse/storage/accounts"
)

// merge lays a JSON merge patch (RFC 7396) over a value: what the patch does
// not name stays, null resets.
func merge[T any](present T, patch []byte) (T, error) {
	var merged T
	text, err := json.Marshal(present)
	if err != nil {
		return merged, err
	}
	var tree, change map[string]any
	if err := json.Unmarshal(text, &tree); err != nil {
		return merged, err
	}
	if err := json.Unmarshal(patch, &change); err != nil {
		return merged, &accounts.InvalidError{Field: "body", Why: "is no JSON object"}
	}
	mergeInto(tree, change)
	if text, err = json.Marshal(tree); err != nil {
		return merged, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&merged); err != nil {
		return merged, &accounts.InvalidError{Field: fieldOf(err), Why: "has the wrong type, or is no setting"}
	}
	return merged, nil
}

func mergeInto(tree, change map[string]any) {
	for key, value := range change {
		inner, isMap := value.(map[string]any)
		below, hasMap := tree[key].(map[string]any)
		switch {
		case value == nil:
			delete(tree, key)
		case isMap && hasMap:
			mergeInto(below, inner)
		case isMap:
			fresh := map[string]any{}
			mergeInto(fresh, inner)
			tree[key] = fresh
		default:
			tree[key] = value
		}
	}
}

func fieldOf(err error) string {
	if e, ok := err.(*json.UnmarshalTypeError); ok {
		return e.Field
	}
	var name string
	if n, _ := fmt.Sscanf(err.Error(), "json: unknown field %q", &name); n == 1 {
		return name
	}
	return "body"
}
