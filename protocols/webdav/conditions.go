package webdav

import (
	"net/http"
	"strings"
	"time"

	"gatehouse/auth/session"
)

// A version is what the conditions of RFC 9110 13 compare with; its zero value
// is a resource that is not there. A collection has no entity tag.
type version struct {
	there    bool
	etag     string
	modified time.Time
}

func versionOf(info session.Info) version {
	v := version{there: true, modified: info.ModTime()}
	if !info.IsDir() {
		v.etag = info.ETag()
	}
	return v
}

// conditional reports whether a request has conditions that judgeHeaders judges.
func conditional(h http.Header) bool {
	return h.Get("If-Match") != "" || h.Get("If-None-Match") != "" || h.Get("If-Unmodified-Since") != ""
}

var errCondition = refuse(http.StatusPreconditionFailed, "a condition of the request does not hold")

// judgeHeaders judges the conditions of a method other than GET and HEAD, in
// the order of RFC 9110 13.2.2. A list that cannot be read is refused: to
// ignore one could lose an update.
func judgeHeaders(h http.Header, v version) error {
	if list := join(h, "If-Match"); list != "" {
		match, err := anyMatch(list, v, strongly)
		if err != nil {
			return err
		}
		if !match {
			return errCondition
		}
	} else if since, err := http.ParseTime(h.Get("If-Unmodified-Since")); err == nil {
		if v.there && v.modified.Truncate(time.Second).After(since) {
			return errCondition
		}
	}
	if list := join(h, "If-None-Match"); list != "" {
		match, err := anyMatch(list, v, weakly)
		if err != nil {
			return err
		}
		if match {
			return errCondition
		}
	}
	return nil
}

func join(h http.Header, name string) string {
	return strings.TrimSpace(strings.Join(h.Values(name), ","))
}

// anyMatch reports whether "*" or one of a list of entity tags is v's.
func anyMatch(list string, v version, same func(a, b string) bool) (bool, error) {
	if list == "*" {
		return v.there, nil
	}
	found := false
	for rest := list; ; {
		tag, after, ok := cutTag(strings.TrimLeft(rest, " \t,"))
		if !ok {
			return false, refuse(http.StatusBadRequest, "a list of entity tags cannot be understood")
		}
		found = found || v.etag != "" && same(tag, v.etag)
		rest = strings.TrimLeft(after, " \t")
		if strings.Trim(rest, " \t,") == "" {
			return found, nil
		}
		if rest[0] != ',' {
			return false, refuse(http.StatusBadRequest, "a list of entity tags cannot be understood")
		}
	}
}

func strongly(a, b string) bool { return a == b && a[0] == '"' }

func weakly(a, b string) bool {
	return strings.TrimPrefix(a, "W/") == strings.TrimPrefix(b, "W/")
}

// cutTag takes an entity tag (RFC 9110 8.8.3) from the start of s.
func cutTag(s string) (tag, rest string, ok bool) {
	start := 0
	if strings.HasPrefix(s, "W/") {
		start = 2
	}
	if start >= len(s) || s[start] != '"' {
		return "", s, false
	}
	for i := start + 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return s[:i+1], s[i+1:], true
		case c < 0x21 || c == 0x7f:
			return "", s, false
		}
	}
	return "", s, false
}
