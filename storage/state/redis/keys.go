package redis

import (
	"strings"

	"gatehouse/storage/state"
)

// keys is the prefix of all keys.
type keys string

// escaper keeps a name from ending its hash tag.
var (
	escaper   = strings.NewReplacer("%", "%25", "}", "%7D")
	unescaper = strings.NewReplacer("%25", "%", "%7D", "}")
)

// channel is where writes to a scope tell of themselves, and how its keys begin.
func (k keys) channel(scope string) string { return string(k) + "{" + escaper.Replace(scope) + "}" }

// key is a key of a scope or stream.
func (k keys) key(scope, what string) string { return k.channel(scope) + ":" + what }

// some are keys of one scope or stream.
func (k keys) some(scope string, what ...string) []string {
	base := k.channel(scope) + ":"
	found := make([]string, len(what))
	for i, w := range what {
		found[i] = base + w
	}
	return found
}

func (k keys) format() string { return string(k) + "format" }

func (k keys) loading() string { return string(k) + "loading" }

// lease is held by who loads.
func (k keys) lease() string { return string(k) + "loading:lease" }

// valid reports whether anything can stand under a scope or a stream.
func valid(scope string) bool { return state.CheckScope(scope) == nil }
