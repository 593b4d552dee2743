package journal

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

const (
	segmentEnd = ".log"
	// unfinished is the end of the name of a segment that is being made.
	unfinished = ".new"
)

// plainName is a stream's name that is a folder's everywhere.
var plainName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

// folderOf is the name of a stream's folder. That of the stream itself stands in
// each segment.
func folderOf(stream string) string {
	if plainName.MatchString(stream) {
		return stream
	}
	hash := sha256.Sum256([]byte(stream))
	return "~" + hex.EncodeToString(hash[:16])
}

// isFolder reports whether a name can be that of a stream's folder, which may
// stand elsewhere, behind a link.
func isFolder(name string) bool { return plainName.MatchString(name) || strings.HasPrefix(name, "~") }

// fileOf is the name of the segment that begins with a position.
func fileOf(first uint64) string { return fmt.Sprintf("%020d%s", first, segmentEnd) }

func firstOf(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, segmentEnd)
	first, err := strconv.ParseUint(digits, 10, 64)
	return first, ok && err == nil && name == fileOf(first)
}
