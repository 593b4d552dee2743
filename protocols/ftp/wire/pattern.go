package wire

import (
	"path"
	"strings"
)

// longestPattern is the longest that a name can be.
const longestPattern = 255

// Pattern returns what tells which names a word with `*`, `?` or `[...]` stands
// for, as vsftpd and ProFTPD take the arguments of NLST and LIST; false where it
// is a name and nothing else.
func Pattern(word string) (match func(name string) bool, ok bool) {
	if !strings.ContainsAny(word, "*?[") || len(word) > longestPattern {
		return nil, false
	}
	word = strings.ReplaceAll(word, "[!", "[^")
	if _, err := path.Match(word, ""); err != nil {
		return nil, false
	}
	hidden := strings.HasPrefix(word, ".")
	return func(name string) bool {
		fits, _ := path.Match(word, name)
		return fits && (hidden || !strings.HasPrefix(name, "."))
	}, true
}
