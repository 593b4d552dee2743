package rest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"reflect"
)

// Digest tells values apart.
func Digest(values ...any) string {
	text, _ := json.Marshal(values)
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Map is a value as its JSON reads, for events.
func Map(v any) map[string]any {
	text, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	var m map[string]any
	if json.Unmarshal(text, &m) != nil {
		return nil
	}
	return m
}

// Difference leaves of two records what differs.
func Difference(before, after map[string]any) (was, is map[string]any) {
	if before == nil {
		return nil, after
	}
	was, is = maps.Clone(before), maps.Clone(after)
	for key, value := range before {
		if now, ok := after[key]; ok && reflect.DeepEqual(value, now) {
			delete(was, key)
			delete(is, key)
		}
	}
	return was, is
}
